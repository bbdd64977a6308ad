"""Detection with a trained student: input, non-maximum suppression, mirrored test, boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms, box_iou

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inputs import canvas_wh, fitted_wh, padded, reduce
from reelabel.models.students.settings import Device
from reelabel.models.students.targets import Found, Student


def detect(student: Student, images: Tensor, card: ModelCard) -> list[Found]:
    """Return the detections of a student in eval mode, after suppression per class.

    With ``card.flip_test`` the mirrored pictures are used too: a box that is found in both is the
    mean of its copies, weighted by score, so that errors of one edge are averaged out.

    Args:
        student: the network.
        images: ``(b, 3, height, width)`` float32, RGB, 0..255.
        card: thresholds, and whether to mirror.
    """
    with torch.inference_mode():
        found = [_suppressed(each, card) for each in student.forward_detect(images)]
        if not card.flip_test:
            return found
        mirrored = [_suppressed(each, card) for each in student.forward_detect(images.flip(-1))]
        width = images.shape[-1]
        return [_joined(a, b, width, card) for a, b in zip(found, mirrored, strict=True)]


def _joined(straight: Found, mirrored: Found, width: int, card: ModelCard) -> Found:
    x0, y0, x1, y1 = mirrored.xyxy.unbind(1)
    boxes = torch.cat((straight.xyxy, torch.stack((width - x1, y0, width - x0, y1), 1)))
    scores = torch.cat((straight.score, mirrored.score))
    labels = torch.cat((straight.class_id, mirrored.class_id))
    kept = batched_nms(boxes, scores, labels, card.nms_iou)
    same = (box_iou(boxes[kept], boxes) >= card.nms_iou) & (labels[kept, None] == labels[None])
    weight = same * scores
    mean = (weight @ boxes) / weight.sum(1, keepdim=True)
    return Found(mean, scores[kept], labels[kept])


def _suppressed(found: Found, card: ModelCard) -> Found:
    boxes, scores, labels = (found.xyxy.float(), found.score.float(), found.class_id)
    clear = scores >= card.score_floor
    boxes, scores, labels = boxes[clear], scores[clear], labels[clear]
    kept = batched_nms(boxes, scores, labels, card.nms_iou)
    return Found(boxes[kept], scores[kept], labels[kept])


def prepared_device() -> Device:
    """Return ``cuda`` if there is such a GPU, else ``cpu`` with torch set to one thread.

    More threads than one wait for each other as soon as anything else runs.
    """
    if torch.cuda.is_available():
        return "cuda"
    torch.set_num_threads(1)
    return "cpu"


class Predictor:
    """The function that detects; each has its own copy of the network."""

    def __init__(self, student: nn.Module, card: ModelCard, device: Device) -> None:
        self._student = cast("Student", student)
        self._card, self._device = card, device

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """Return the detections in each picture ``(h, w, 3)``, in its own pixels."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, image in enumerate(images):
            groups[self._canvas(image)].append(i)
        found: dict[int, Boxes] = {}
        for size_wh, numbers in groups.items():
            for start in range(0, len(numbers), self._card.batch_size):
                part = numbers[start : start + self._card.batch_size]
                found.update(
                    zip(part, self._batch([images[i] for i in part], size_wh), strict=True)
                )
        return [found[i] for i in range(len(images))]

    def _canvas(self, image: Image) -> tuple[int, int]:
        fitted = fitted_wh((image.shape[1], image.shape[0]), self._card.image_size)
        return canvas_wh(fitted, self._card.stride)

    def _batch(self, images: Sequence[Image], size_wh: tuple[int, int]) -> list[Boxes]:
        ready = [padded(reduce(each, self._card.image_size), size_wh) for each in images]
        found = detect(self._student, as_input(ready).to(self._device), self._card)
        return [
            to_picture(each, (image.shape[1], image.shape[0]), self._card.image_size)
            for each, image in zip(found, images, strict=True)
        ]


def as_input(images: Sequence[Image]) -> Tensor:
    """Return pictures ``(h, w, 3)`` of one size as ``(b, 3, h, w)`` float32, 0..255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()


def to_picture(found: Found, size_wh: tuple[int, int], image_size: int) -> Boxes:
    """Return detections as boxes in the pixels of the picture before it was reduced."""
    fitted = fitted_wh(size_wh, image_size)
    boxes, scores, labels = (each.cpu().numpy() for each in found)
    scale_xy = (size_wh[0] / fitted[0], size_wh[1] / fitted[1])
    return Boxes(boxes, scores, labels).scaled(scale_xy).clipped(size_wh)
