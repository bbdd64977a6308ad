"""Validation while training: agreement of a student with the labels of the validation split.

Those labels are pseudo-labels, so the result is called agreement: the figure that COCO calls AP.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from reelabel.data.boxes import Boxes, xyxy_to_xywh
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
        found = [
            {**row, "score": float(score)}
            for i, boxes in self._found.items()
            for row, score in zip(_rows(i, boxes), boxes.score, strict=True)
        ]
        self._found = {}
        return _average_precision(self._labels(), found) if found else 0.0

    def _labels(self) -> dict[str, Any]:
        """Return the labels as COCO; an ignore region is a crowd of every class."""
        classes = range(len(self._data.classes))
        images, rows = [], []
        for number in self._numbers:
            picture = self._data.pictures[number]
            width, height = picture.size_wh
            images.append({"id": number + 1, "width": width, "height": height})
            rows += [{**row, "iscrowd": 0} for row in _rows(number, picture.positive)]
            for row in _rows(number, picture.ignore):
                rows += [{**row, "iscrowd": 1, "category_id": c + 1} for c in classes]
        annotations = [{**row, "id": i} for i, row in enumerate(rows, start=1)]
        categories = [{"id": c + 1, "name": str(c)} for c in classes]
        return {"images": images, "annotations": annotations, "categories": categories}


def _picked(count: int, seed: int) -> list[int]:
    """Return at most `_MAX_PICTURES` of so many positions, at random but always the same."""
    if count <= _MAX_PICTURES:
        return list(range(count))
    chosen = np.random.default_rng((seed, 3)).choice(count, _MAX_PICTURES, replace=False)
    return [int(i) for i in np.sort(chosen)]


def _rows(number: int, boxes: Boxes) -> list[dict[str, Any]]:
    """Return the boxes of one picture as COCO's annotations, without ids and scores."""
    xywh = xyxy_to_xywh(boxes.xyxy.astype(np.float64)).tolist()
    return [
        {
            "image_id": number + 1,
            "category_id": int(label) + 1,
            "bbox": box,
            "area": box[2] * box[3],
        }
        for box, label in zip(xywh, boxes.class_id, strict=True)
    ]


def _average_precision(labels: dict[str, Any], found: list[dict[str, Any]]) -> float:
    from hotcoco import COCO, COCOeval  # noqa: PLC0415 -- slow to load

    truth = COCO(labels)
    evaluation = COCOeval(truth, truth.load_res(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    # By threshold, recall, class, area (0 = all), number of boxes (-1 = 100); -1 is "no labels".
    # What `summarize` adds to this is that it prints.
    precision = np.asarray((evaluation.eval or {})["precision"])[..., 0, -1]
    return float(precision[precision > -1].mean())
