"""The data set of a round as training reads it.

This module does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from reelabel.data.boxes import Boxes, Floats, Strings
from reelabel.data.states import IGNORE, NEGATIVE, PERSON, POSITIVE, TRACKER
from reelabel.errors import MissingInput, UsageError
from reelabel.formats.coco import read_coco
from reelabel.training.boxes.settings import BoxTrainSettings


@dataclass(frozen=True)
class TrainingPicture:
    """One picture and its labels.

    Attributes:
        path: the file.
        size_wh: its size in pixels, as the data set states it.
        boxes: labels in pixels of the file, each with its state and origin.
        video: id of the video that it is a frame of, empty if it is none.
    """

    path: Path
    size_wh: tuple[int, int]
    boxes: Boxes
    video: str = ""

    @cached_property
    def positive(self) -> Boxes:
        """The objects."""
        return self._of(POSITIVE)

    @cached_property
    def ignore(self) -> Boxes:
        """The regions without loss."""
        return self._of(IGNORE)

    @cached_property
    def negative(self) -> Boxes:
        """The boxes that are known to be background."""
        return self._of(NEGATIVE)

    @property
    def is_drawn(self) -> bool:
        """Whether a person drew any of its boxes."""
        return bool((_origin(self.boxes) == PERSON).any())

    def _of(self, state: str) -> Boxes:
        if self.boxes.state is None:
            return self.boxes if state == POSITIVE else Boxes.empty()
        return self.boxes[self.boxes.state == state]


@dataclass(frozen=True)
class TrainingSet:
    """The pictures of one split.

    Attributes:
        classes: class names, in the order of the class ids.
        pictures: all pictures.
        labelled: positions of the pictures with positive labels.
        background: positions of the other pictures.
    """

    classes: tuple[str, ...]
    pictures: tuple[TrainingPicture, ...]
    labelled: tuple[int, ...] = field(init=False)
    background: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        has = [len(each.positive) > 0 for each in self.pictures]
        object.__setattr__(self, "labelled", tuple(i for i, some in enumerate(has) if some))
        object.__setattr__(self, "background", tuple(i for i, some in enumerate(has) if not some))

    @property
    def videos(self) -> list[str]:
        """Return the ids of the videos that the pictures are frames of, sorted."""
        return sorted({picture.video for picture in self.pictures} - {""})


def read_training_set(dataset_dir: Path, split: str, settings: BoxTrainSettings) -> TrainingSet:
    """Read ``<split>.json``; a split that does not exist has no pictures.

    Ignore regions and hard negatives that the settings switch off are left out.

    Raises:
        MissingInput: if ``train.json`` does not exist.
        FormatError: if the file is not COCO.
    """
    path = dataset_dir / f"{split}.json"
    if not path.is_file():
        if split == "train":
            raise MissingInput(f"expected a data set in {dataset_dir}: run `split` first")
        return TrainingSet((), ())
    data = read_coco(path, xyxy=False)
    use = {POSITIVE: True, IGNORE: settings.use_ignore, NEGATIVE: settings.use_negatives}
    pictures = (
        TrainingPicture(
            dataset_dir / image.file_name, image.size_wh, _used(boxes, use), image.video
        )
        for image, boxes in zip(data.images, data.boxes, strict=True)
    )
    return TrainingSet(data.classes, tuple(pictures))


def _used(boxes: Boxes, use: Mapping[str, bool]) -> Boxes:
    if boxes.state is None:
        return boxes
    return boxes[np.array([use[str(state)] for state in boxes.state], bool)]


def require_labels(data: TrainingSet) -> None:
    """Check that there is something to learn.

    Raises:
        UsageError: if no picture has a positive label.
    """
    if not data.labelled:
        raise UsageError(
            "expected pictures with positive labels to train on, but of the "
            f"{len(data.pictures)} in train.json none has any: lower the thresholds of "
            "`clean`, or add footage"
        )


def target_scores(boxes: Boxes, soft_lambda: float) -> Floats:
    """Return the score ``(n,)`` in 0..1 that each box is trained towards.

    It is 1, but lower for boxes that the tracker filled in (arXiv 1904.07305).
    """
    filled = _origin(boxes) == TRACKER
    soft = np.clip(1 - soft_lambda * (1 - boxes.score), 0.0, 1.0)
    scores: Floats = np.where(filled & np.isfinite(boxes.score), soft, 1.0).astype(np.float32)
    return scores


def _origin(boxes: Boxes) -> Strings:
    return boxes.origin if boxes.origin is not None else np.zeros(len(boxes), np.str_)
