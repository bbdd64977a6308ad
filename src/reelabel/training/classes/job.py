"""The training of a student that classifies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from reelabel.errors import UsageError
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassNetworkFamily
from reelabel.models.students.classes.networks.base import ClassNetwork
from reelabel.models.students.folder import TRAINED_ON
from reelabel.training.classes.augmentation import flip_share
from reelabel.training.classes.batches import ClassBatch, ClassBatches, Inputs
from reelabel.training.classes.features import FeatureBatches, FeatureStore
from reelabel.training.classes.losses import exclusive_loss, multi_label_loss
from reelabel.training.classes.pictures import PictureCache
from reelabel.training.classes.schedule import ClassSchedule
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.classes.training_set import (
    Examples,
    balanced,
    positive_weight,
    read_examples,
)
from reelabel.training.classes.validation import ClassValidator, outputs_of
from reelabel.training.job import Log, ParameterGroup
from reelabel.training.parallel import PartLoss


class ClassJob:
    """Pictures or windows with classes; see `training.job.TrainingJob`.

    A student of single pictures is trained on each picture of a window by itself.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no two classes to tell apart, or its splits name other classes.
        ModelError: if the initial weights cannot be used.
    """

    keeps_start = False

    def __init__(
        self, dataset_dir: Path, settings: ClassTrainSettings, family: ClassNetworkFamily
    ) -> None:
        self.settings, self.family = settings, family
        train, val = (read_examples(dataset_dir, split) for split in ("train", "val"))
        if len(val) and val.classes != train.classes:
            raise UsageError(
                f"expected the classes {', '.join(train.classes)} in {dataset_dir / 'val.json'}, "
                f"but got {', '.join(val.classes)}: make the data set again"
            )
        self.student: ClassNetwork = family.build(settings, train.classes, train.longest)
        self._frozen = settings.backbone == "frozen"
        self.student.freeze_backbone(self._frozen)
        if self.student.frames == 1:
            train, val = train.single(), val.single()
        self._data = train
        self.schedule = ClassSchedule(train, settings)
        self.card = self._card()
        self._cache = PictureCache(self.student.preprocessing, self._picture_mb())
        self._store = self._features(train, mirrored=flip_share(settings, train.classes) > 0)
        self._val_store = self._features(val, mirrored=False)
        self.validator = ClassValidator(
            self._inputs(val), self._val_store, batch_size=settings.batch_size, seed=settings.seed
        )
        self._weight = balanced(train) if self._weighted() and train.exclusive else train.weight
        self._positive = (
            torch.from_numpy(positive_weight(train))
            if self._weighted() and not train.exclusive
            else None
        )
        self.num_workers = 0 if self._frozen else settings.num_workers

    def _card(self) -> ClassCard:
        network, clips = self.student, self.student.frames > 1
        return ClassCard(
            kind=self.family.name,
            classes=self._data.classes,
            exclusive=self._data.exclusive,
            image_size=network.preprocessing.size,
            batch_size=self.settings.batch_size,
            frames=network.frames,
            step_s=(self.settings.step_s or self._data.step_s) if clips else 0.0,
            preprocessing=network.preprocessing,
            arch=dict(network.arch),
        )

    def _weighted(self) -> bool:
        return self.settings.class_balance == "weights"

    def _picture_mb(self) -> int:
        return 0 if self._frozen else self.settings.cache_mb  # each is needed once

    def _inputs(self, data: Examples) -> Inputs:
        return Inputs(
            data,
            self._cache,
            self.student.preprocessing,
            frames=self.student.frames,
            any_length=self.family.any_length,
        )

    def _features(self, data: Examples, *, mirrored: bool) -> FeatureStore | None:
        if not self._frozen:
            return None
        views = (False, True) if mirrored else (False,)
        return FeatureStore(self._inputs(data), views, self.settings.cache_mb)

    def settle(self, start_dir: Path, log: Log) -> None:
        """Do nothing: nothing depends on the footage."""

    def batches(self) -> Dataset[ClassBatch]:
        """Return the data set from the items of a step to a batch."""
        if self._store is not None:
            return FeatureBatches(self._store, self.settings, self._weight)
        return ClassBatches(self._inputs(self._data), self.settings, self._weight)

    def start(self, student: ClassNetwork, device: torch.device) -> None:
        """Compute the features of a frozen backbone."""
        for store in (self._store, self._val_store):
            if store is not None:
                store.fill(student, device)

    def begin_step(self, student: ClassNetwork, step: int) -> None:
        """Train the head alone until a staged backbone's turn comes."""
        if self.settings.backbone == "staged":
            student.freeze_backbone(step < self.settings.head_share * self.schedule.total)

    def to_device(self, batch: ClassBatch, device: torch.device) -> ClassBatch:
        """Return a batch on another device; pictures are still bytes."""
        return batch.to(device)

    def loss_terms(self, student: ClassNetwork, batch: ClassBatch) -> dict[str, Tensor]:
        """Return the term ``class``."""
        outputs = outputs_of(student, batch, features=self._frozen)
        smoothing = self.settings.label_smoothing
        if self._data.exclusive:
            return {"class": exclusive_loss(outputs, batch.target, batch.weight, smoothing)}
        positive = None if self._positive is None else self._positive.to(outputs.device)
        loss = multi_label_loss(
            outputs, batch.target, batch.weight, smoothing=smoothing, positive_weight=positive
        )
        return {"class": loss}

    def parts(self, student: ClassNetwork, batch: ClassBatch) -> list[PartLoss]:
        """Refuse: batch norms and dropout see a batch as a whole."""
        raise NotImplementedError

    def groups(self, student: ClassNetwork) -> Iterator[ParameterGroup]:
        """Yield the head, and the backbone if it is trained."""
        yield ParameterGroup(list(student.head.parameters()))
        if self._frozen:
            return
        rate = self.settings.backbone_rate or student.backbone_rate
        starts = self.settings.head_share if self.settings.backbone == "staged" else 0.0
        yield ParameterGroup(list(student.backbone.parameters()), rate, starts)

    def notes(self) -> dict[str, Any]:
        """Return how many examples there are, in all and of each class, and of which videos."""
        right = (self._data.target == 1).sum(axis=0).tolist()
        return {
            "examples": len(self._data),
            TRAINED_ON: list(self._data.videos),
            "examples_of_class": dict(zip(self._data.classes, right, strict=True)),
        }
