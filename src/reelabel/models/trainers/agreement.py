"""How well a student agrees with the labels of the validation split.

Those labels are no truth, so this is called agreement: the same sum that COCO calls AP.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from reelabel.models.trainers.album import Album, Picture
from reelabel.models.trainers.augment import canvas_wh, padded
from reelabel.models.trainers.data import Batches, sample
from reelabel.models.trainers.detector import as_input, back
from reelabel.models.trainers.folder import ModelCard
from reelabel.models.trainers.settings import TrainSettings
from reelabel.models.trainers.students import detect

_MOST = 200
"""Pictures that are looked at: enough to see a trend, few enough to look often."""


class Judge:
    """Compares what a student finds in the validation pictures with their labels.

    Args:
        album: the validation split.
        settings: for the seed that picks the pictures, and the memory for them.
        card: how pictures are given to the student.
    """

    def __init__(self, album: Album, settings: TrainSettings, card: ModelCard) -> None:
        self._album, self._card = album, card
        self._numbers = sample(range(len(album.pictures)), _MOST, settings.seed)
        self._pictures = Batches(album, settings, card.image_size) if album.pictures else None

    def agreement(self, student: nn.Module) -> float | None:
        """Return mean average precision over IoU .5 to .95, 0..1; None if there are no labels."""
        chosen = {i: self._album.pictures[i] for i in self._numbers}
        if not any(len(each.boxes) for each in chosen.values()):
            return None
        was_training = student.training
        student.eval()
        found = [note for i, each in chosen.items() for note in self._found(student, i, each)]
        student.train(was_training)
        return _average_precision(_truth(chosen, len(self._card.classes)), found)

    def _found(self, student: Any, number: int, picture: Picture) -> list[dict[str, Any]]:
        if self._pictures is None:
            return []
        image = self._pictures.image(number)
        size_wh = canvas_wh((image.shape[1], image.shape[0]), self._card.stride)
        device = next(student.parameters()).device
        with torch.autocast(device.type, enabled=False):
            said = detect(student, as_input([padded(image, size_wh)]).to(device), self._card)[0]
        boxes = back(said, picture.size_wh, self._card.image_size)
        return [
            _note(number, int(label), box.tolist(), score=float(score))
            for box, score, label in zip(boxes.xyxy, boxes.score, boxes.class_id, strict=True)
        ]


def _note(number: int, label: int, xyxy: list[float], **more: Any) -> dict[str, Any]:
    x0, y0, x1, y1 = xyxy
    box = [x0, y0, x1 - x0, y1 - y0]
    area = box[2] * box[3]
    return {"image_id": number + 1, "category_id": label + 1, "bbox": box, "area": area, **more}


def _truth(chosen: dict[int, Picture], n_classes: int) -> dict[str, Any]:
    """Return the labels as COCO; an ignore region is a crowd of every class."""
    notes = []
    for number, each in chosen.items():
        for box, label in zip(each.boxes, each.labels, strict=True):
            notes.append(_note(number, int(label), box.tolist(), iscrowd=0))
        for box in each.ignore:
            notes += [_note(number, c, box.tolist(), iscrowd=1) for c in range(n_classes)]
    for i, note in enumerate(notes):
        note["id"] = i + 1
    return {
        "images": [
            {"id": i + 1, "width": each.size_wh[0], "height": each.size_wh[1]}
            for i, each in chosen.items()
        ],
        "annotations": notes,
        "categories": [{"id": c + 1, "name": str(c)} for c in range(n_classes)],
    }


def _average_precision(truth: dict[str, Any], found: list[dict[str, Any]]) -> float:
    from hotcoco import COCO, COCOeval  # noqa: PLC0415 -- slow to load

    if not found:
        return 0.0
    labels = COCO(truth)
    judged = COCOeval(labels, labels.load_res(found), "bbox")
    judged.evaluate()
    judged.accumulate()
    # By threshold, recall, class, area (0 = all), number of boxes (-1 = 100); -1 is "no labels".
    # What `summarize` adds to this is that it prints.
    precision = np.asarray((judged.eval or {})["precision"])[..., 0, -1]
    return float(precision[precision > -1].mean())
