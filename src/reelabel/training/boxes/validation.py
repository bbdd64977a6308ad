"""Validation while training: agreement of a student with the labels of the validation split.

Those labels are pseudo-labels, so the result is called agreement: the figure that COCO calls AP.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reelabel.data.boxes import Boxes
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.scores import detection_scores
from reelabel.models.base import Image
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import as_input, detect, to_picture
from reelabel.models.students.inputs import canvas_wh, padded
from reelabel.models.students.targets import Student
from reelabel.models.students.torch_inference import torch_network
from reelabel.training.boxes.batches import PictureCache
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingSet
from reelabel.training.job import Map, as_is

_MAX_PICTURES = 200  # enough to see a trend, few enough to validate often
_TOGETHER = 8  # pictures that threads share

Item = tuple[int, Image]
"""The position of a picture in the validation split, and the picture, reduced to the input size."""


class BoxValidator(Dataset[Item]):
    """Up to 200 validation pictures, and the agreement of detections with their labels.

    Args:
        data: the validation split.
        settings: for the seed that picks the pictures, and the room for them.
        card: how pictures are given to the student.
    """

    def __init__(self, data: TrainingSet, settings: BoxTrainSettings, card: ModelCard) -> None:
        self._data = data
        # Steps are compared with each other alone; the mirrored view would take as long again.
        self._card = card.model_copy(update={"flip_test": False})
        self._numbers = _picked(len(data.pictures), settings.seed)
        self._cache = PictureCache(data, card.image_size, settings.cache_mb)
        self._found: dict[int, Boxes] = {}

    @property
    def has_labels(self) -> bool:
        """Whether there is anything to agree with."""
        return any(len(self._data.pictures[i].positive) for i in self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, position: int) -> Item:
        number = self._numbers[position]
        return number, self._cache.image(number)

    def loader(self) -> DataLoader[Item]:
        """Return the loader that yields lists of some pictures."""
        return DataLoader(self, batch_size=_TOGETHER, collate_fn=as_is)

    def add(self, student: Student, batch: list[Item], device: torch.device, each: Map) -> None:
        """Detect in some pictures and keep the results for `agreement`."""
        found = each(lambda item: self._detect(student, item, device), batch)
        self._found.update(zip((number for number, _ in batch), found, strict=True))

    def _detect(self, student: Student, item: Item, device: torch.device) -> Boxes:
        number, image = item
        size_wh = canvas_wh((image.shape[1], image.shape[0]), self._card.stride)
        with torch.autocast(device.type, enabled=False):
            images = as_input([padded(image, size_wh)])
            found = detect(torch_network(student, device), images, self._card)[0]
        size_wh = self._data.pictures[number].size_wh
        return to_picture(found, size_wh, self._card.image_size)

    def agreement(self) -> float:
        """Return mean average precision over IoU .5 to .95, 0..1, and discard the detections."""
        labels = [self._labels(number) for number in self._numbers]
        found = [self._found.get(number, Boxes.empty()) for number in self._numbers]
        self._found = {}
        ap = detection_scores(labels, found, self._data.classes).overall.ap
        return 0.0 if math.isnan(ap) else ap

    def _labels(self, number: int) -> KnownFrame:
        """Return the labels of a picture; its ignore regions are those of every class."""
        picture, classes = self._data.pictures[number], len(self._data.classes)
        positive, regions = picture.positive, picture.ignore
        xyxy = np.concatenate([positive.xyxy, np.tile(regions.xyxy, (classes, 1))])
        of_class = np.repeat(np.arange(classes), len(regions))
        state = [POSITIVE] * len(positive) + [IGNORE] * len(of_class)
        boxes = Boxes(
            xyxy,
            np.ones(len(xyxy), np.float32),
            np.concatenate([positive.class_id, of_class]),
            state=np.array(state, np.str_),
        )
        return KnownFrame("", number, boxes)


def _picked(count: int, seed: int) -> list[int]:
    """Return at most `_MAX_PICTURES` of so many positions, at random but always the same."""
    if count <= _MAX_PICTURES:
        return list(range(count))
    chosen = np.random.default_rng((seed, 3)).choice(count, _MAX_PICTURES, replace=False)
    return [int(i) for i in np.sort(chosen)]
