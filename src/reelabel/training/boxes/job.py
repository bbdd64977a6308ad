"""The training of a student that finds boxes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from reelabel.models.students.box_family import BoxNetworkFamily
from reelabel.models.students.folder import TRAINED_ON, ModelCard, is_finished, read_card
from reelabel.models.students.inputs import STRIDE
from reelabel.models.students.targets import LossSums, Student, Target
from reelabel.training.boxes.batches import Batch, Batches
from reelabel.training.boxes.input_size import used_image_size, with_chosen_size
from reelabel.training.boxes.schedule import BatchSchedule
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import read_training_set
from reelabel.training.boxes.validation import BoxValidator
from reelabel.training.job import Log, ParameterGroup
from reelabel.training.parallel import PartLoss

PART_SIZE = 4
"""Pictures of a batch that one thread computes at a time."""


class BoxJob:
    """Pictures with boxes in three states; see `training.job.TrainingJob`.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no labels.
        ModelError: if the initial weights cannot be used.
    """

    def __init__(
        self, dataset_dir: Path, settings: BoxTrainSettings, family: BoxNetworkFamily
    ) -> None:
        self.settings, self.family = settings, family
        self._data = read_training_set(dataset_dir, "train", settings)
        self.schedule = BatchSchedule(self._data, settings)
        layout = torch.channels_last if family.channels_last else torch.contiguous_format
        self._layout = layout
        self.student: nn.Module = family.build(settings, self._data.classes)
        self.student.to(memory_format=layout)
        self.card = ModelCard(
            kind=family.name,
            classes=self._data.classes,
            image_size=used_image_size(self._data, settings),
            stride=STRIDE,
            flip_test=settings.flip_test,
            arch=dict(cast("Student", self.student).arch),
        )
        self._val = read_training_set(dataset_dir, "val", settings)
        self.keeps_start = family.detects_untrained(settings, self._data.classes)
        self.num_workers = settings.num_workers

    @cached_property
    def validator(self) -> BoxValidator:
        """The validation split."""
        return BoxValidator(self._val, self.settings, self.card)

    def settle(self, start_dir: Path, log: Log) -> None:
        """Choose the input size where the settings leave it open and the student detects."""
        settings = self.settings
        if settings.image_size or settings.size_by == "labels" or not self.keeps_start:
            return
        if is_finished(start_dir):  # the training is resumed
            begun = read_card(start_dir)
        else:
            log(0.0, "choosing the input size")
            begun = with_chosen_size(
                self.card, self.family.network_of(self.student, self.card), self._data
            )
            log(0.0, f"input size {begun.image_size} px")
        changed = {"image_size": begun.image_size, "training": begun.training}
        self.card = self.card.model_copy(update=changed)

    def batches(self) -> Batches:
        """Return the data set from the items of a step to a batch."""
        return Batches(self._data, self.settings, self.card.image_size)

    def start(self, student: Any, device: torch.device) -> None:
        """Let a divisible student prepare; the pictures are read when they are needed."""
        if self.family.divisible:
            student.begin_training(device)

    def begin_step(self, student: Any, step: int) -> None:
        """Do nothing: all steps are alike."""

    def to_device(self, batch: Batch, device: torch.device) -> Batch:
        """Return pictures (as bytes) and targets on another device."""
        images, targets = batch
        return images.to(device, non_blocking=True), [each.to(device) for each in targets]

    def loss_terms(self, student: Any, batch: Batch) -> dict[str, Tensor]:
        """Return the student's own loss terms."""
        images, targets = batch
        pixels = images.float().contiguous(memory_format=self._layout)
        terms: dict[str, Tensor] = student.forward_train(pixels, targets)
        return terms

    def parts(self, student: Any, batch: Batch) -> list[PartLoss]:
        """Return the losses of each `PART_SIZE` pictures."""
        images, targets = batch
        return [
            partial(self._loss_sums, student, images[i : i + PART_SIZE], targets[i : i + PART_SIZE])
            for i in range(0, len(targets), PART_SIZE)
        ]

    def _loss_sums(self, student: Any, images: Tensor, targets: list[Target]) -> LossSums:
        pixels = images.float().contiguous(memory_format=self._layout)
        sums: LossSums = student.loss_sums(pixels, targets)
        return sums

    def groups(self, student: Any) -> Iterator[ParameterGroup]:
        """Yield all parameters that are trained, with one learning rate."""
        yield ParameterGroup([each for each in student.parameters() if each.requires_grad])

    def notes(self) -> dict[str, Any]:
        """Return how many pictures there are, and of which videos."""
        return self.card.training | {
            "labelled_pictures": len(self._data.labelled),
            "background_pictures": len(self._data.background),
            TRAINED_ON: self._data.videos,
        }
