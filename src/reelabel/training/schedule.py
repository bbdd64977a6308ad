"""The order of the steps: it depends on the seed and the number of the step alone.

It depends neither on the number of loading processes, nor on whether a run was interrupted before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch.utils.data import Sampler

from reelabel.training.settings import TrainSettings


@dataclass(frozen=True)
class BatchItem:
    """One place in one batch: the number of the example, and the seed of its augmentation."""

    example: int
    step: int
    slot: int


class Schedule(Protocol):
    """Which examples each step is trained on.

    Attributes:
        total: number of steps.
    """

    total: int

    def batch(self, step: int) -> list[BatchItem]:
        """Return the items of a step."""
        ...


def total_steps(examples: int, other: float, settings: TrainSettings) -> int:
    """Return the number of steps of a training.

    Args:
        examples: number of examples with labels.
        other: share of other examples in a batch, 0..1.
        settings: `max_steps` if given; else `epochs` over those with labels, but `min_steps` at
            least.
    """
    if settings.max_steps is not None:
        return settings.max_steps
    seen = settings.epochs * examples / (1 - other)
    return max(settings.min_steps, int(np.ceil(seen / settings.batch_size)))


class StepSampler(Sampler[list[BatchItem]]):
    """Yields the items of one step after the other; process `rank` of `world` gets its part."""

    def __init__(self, schedule: Schedule, start: int, rank: int = 0, world: int = 1) -> None:
        self._schedule, self._start, self._rank, self._world = schedule, start, rank, world

    def __iter__(self) -> Iterator[list[BatchItem]]:
        for step in range(self._start, self._schedule.total):
            yield self._schedule.batch(step)[self._rank :: self._world]

    def __len__(self) -> int:
        # All steps, also those before the start: the training loop counts those it resumed after.
        return self._schedule.total
