"""What differs between trainings: the batches, the loss, the validation, the description."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from reelabel.models.students.family import NetworkFamily
from reelabel.models.students.folder import Card
from reelabel.training.parallel import PartLoss, Prefetched
from reelabel.training.schedule import Schedule, StepSampler
from reelabel.training.settings import TrainSettings

Log = Callable[[float, str], None]
"""Takes the share done, 0..1, and a line of text."""
Map = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Applies a function to items and returns the results in their order."""


class ParameterGroup(NamedTuple):
    """Parameters that share a learning rate.

    Attributes:
        parameters: of the student.
        factor: of the learning rate.
        starts: share of all steps after which they are trained, 0..1.
    """

    parameters: list[nn.Parameter]
    factor: float = 1.0
    starts: float = 0.0


class Validator(Protocol):
    """Compares a student with the labels of the validation split."""

    @property
    def has_labels(self) -> bool:
        """Whether there is anything to agree with."""
        ...

    def loader(self) -> DataLoader[Any]:
        """Return the loader that yields the validation batches."""
        ...

    def add(self, student: Any, batch: Any, device: torch.device, each: Map) -> None:
        """Use the student on a batch and keep the result for `agreement`.

        Args:
            student: in eval mode.
            batch: of `loader`.
            device: of the student.
            each: applies a function to items, as `map` does, perhaps in threads.
        """
        ...

    def agreement(self) -> float:
        """Return the figure, 0..1, higher is better, and discard the results."""
        ...


class TrainingJob(Protocol):
    """A student and what it is trained on: boxes or classes; `fit` trains it."""

    @property
    def settings(self) -> TrainSettings:
        """Those of the training."""
        ...

    @property
    def family(self) -> NetworkFamily[Any, Any]:
        """The student's family."""
        ...

    @property
    def student(self) -> nn.Module:
        """The network, with its initial weights."""
        ...

    @property
    def card(self) -> Card:
        """The content of `model.json`, but for how it was trained."""
        ...

    @property
    def schedule(self) -> Schedule:
        """Which examples each step is trained on."""
        ...

    @property
    def validator(self) -> Validator:
        """The validation split."""
        ...

    @property
    def keeps_start(self) -> bool:
        """Whether the student is useful before its training, and kept as it is then."""
        ...

    @property
    def num_workers(self) -> int:
        """Processes that load batches."""
        ...

    def settle(self, start_dir: Path, log: Log) -> None:
        """Decide what depends on the footage, before anything else is asked.

        Args:
            start_dir: folder of the student as it is before its training, finished if the training
                is resumed.
            log: takes the share done, 0..1, and a line of text.
        """
        ...

    def batches(self) -> Dataset[Any]:
        """Return the data set from the items of a step to a batch."""
        ...

    def start(self, student: Any, device: torch.device) -> None:
        """Prepare for the first step; the student is on its device."""
        ...

    def begin_step(self, student: Any, step: int) -> None:
        """Prepare the student for a step."""
        ...

    def to_device(self, batch: Any, device: torch.device) -> Any:
        """Return a training batch on another device."""
        ...

    def loss_terms(self, student: Any, batch: Any) -> dict[str, Tensor]:
        """Return the loss terms of a batch; training minimises their sum."""
        ...

    def parts(self, student: Any, batch: Any) -> list[PartLoss]:
        """Return the losses of the parts of a batch, if the family is divisible."""
        ...

    def groups(self, student: Any) -> Iterator[ParameterGroup]:
        """Yield the student's parameters that are trained."""
        ...

    def notes(self) -> dict[str, Any]:
        """Return what `model.json` holds about the data, for people."""
        ...


def loader(
    job: TrainingJob, start: int, rank: int, world: int, *, ahead: bool = False
) -> DataLoader[Any] | Prefetched:
    """Return the loader that yields the batches from a step on.

    Args:
        job: of the training.
        start: number of steps that are done.
        rank: of this process.
        world: number of processes that share each step.
        ahead: load the next batch in a thread, if no processes load.
    """
    batches = DataLoader(
        job.batches(),
        sampler=StepSampler(job.schedule, start, rank, world),
        batch_size=None,  # the data set makes whole batches itself
        collate_fn=as_is,
        num_workers=job.num_workers,
        # Forked children of a process that has run OpenMP or CUDA threads can hang.
        multiprocessing_context="spawn" if job.num_workers else None,
    )
    return Prefetched(batches) if ahead and not job.num_workers else batches


def as_is(batch: Any) -> Any:
    """Return a batch: the data set has made it already."""
    return batch
