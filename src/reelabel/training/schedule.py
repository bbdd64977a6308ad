"""The batch schedule: which pictures each step is trained on.

It depends on the seed and the number of the step alone: not on the number of loading processes, and
not on whether a run was interrupted before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch.utils.data import Sampler

from reelabel.data.boxes import Ints
from reelabel.training.settings import TrainSettings
from reelabel.training.training_set import TrainingSet, require_labels


@dataclass(frozen=True)
class BatchItem:
    """One place in one batch: the picture, and the seed of its augmentation."""

    picture: int
    step: int
    slot: int


class BatchSchedule:
    """The pictures of every possible step.

    Labelled and background pictures are two endless queues of shuffled passes; the share decides
    which queue is next. No background picture is seen more often than a labelled one, except those
    with hard negatives, which are in their queue several times.

    Raises:
        UsageError: if no picture has a positive label.
    """

    def __init__(self, data: TrainingSet, settings: TrainSettings) -> None:
        require_labels(data)
        self._queues = tuple(
            _repeated(data, queue, settings.negative_repeat)
            for queue in (data.labelled, data.background)
        )
        self._seed, self._batch = settings.seed, settings.batch_size
        share = min(settings.background_share, len(data.background) / len(data.labelled))
        self._background = share / (1 + share)
        self.total = total_steps(len(data.labelled), self._background, settings)
        self._order = lru_cache(maxsize=4)(self._shuffled)

    def batch(self, step: int) -> list[BatchItem]:
        """Return the items of a step."""
        first = step * self._batch
        return [BatchItem(self._picture(first + slot), step, slot) for slot in range(self._batch)]

    def _picture(self, position: int) -> int:
        before = int(position * self._background)
        if int((position + 1) * self._background) > before:
            return self._nth(1, before)
        return self._nth(0, position - before)

    def _nth(self, queue: int, position: int) -> int:
        pictures = self._queues[queue]
        turn, place = divmod(position, len(pictures))
        return pictures[int(self._order(queue, turn)[place])]

    def _shuffled(self, queue: int, turn: int) -> Ints:
        return np.random.default_rng((self._seed, queue, turn)).permutation(
            len(self._queues[queue])
        )


def _repeated(data: TrainingSet, queue: Sequence[int], times: int) -> tuple[int, ...]:
    """Return the pictures of a queue, those with hard negatives so many times."""
    return tuple(i for i in queue for _ in range(times if len(data.pictures[i].negative) else 1))


def total_steps(labelled: int, background: float, settings: TrainSettings) -> int:
    """Return the number of steps of a training.

    Args:
        labelled: number of pictures with labels.
        background: share of background pictures in a batch, 0..1.
        settings: `max_steps` if given; else `epochs` over the labelled ones, but `min_steps` at
            least.
    """
    if settings.max_steps is not None:
        return settings.max_steps
    seen = settings.epochs * labelled / (1 - background)
    return max(settings.min_steps, int(np.ceil(seen / settings.batch_size)))


class StepSampler(Sampler[list[BatchItem]]):
    """Yields the items of one step after the other; process `rank` of `world` gets its part."""

    def __init__(self, schedule: BatchSchedule, start: int, rank: int = 0, world: int = 1) -> None:
        self._schedule, self._start, self._rank, self._world = schedule, start, rank, world

    def __iter__(self) -> Iterator[list[BatchItem]]:
        for step in range(self._start, self._schedule.total):
            yield self._schedule.batch(step)[self._rank :: self._world]

    def __len__(self) -> int:
        # All steps, also those before the start: the training loop counts those it resumed after.
        return self._schedule.total
