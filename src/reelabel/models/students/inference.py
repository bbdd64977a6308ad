"""Detection with a trained student: input, non-maximum suppression, mirrored test, boxes.

This module does not import torch: a student may run in ONNX Runtime alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image
from reelabel.models.detectors.suppress import suppress
from reelabel.models.mirror import joined, mirrored
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inputs import canvas_wh, fitted_wh, padded, reduce

Inputs = NDArray[np.float32]
"""Pictures ``(b, 3, height, width)`` float32, RGB, 0..255; sides are multiples of the stride."""
Network = Callable[[Inputs], list[Boxes]]
"""Returns what a network finds in each picture, in input pixels, before suppression."""


def detect(network: Network, images: Inputs, card: ModelCard) -> list[Boxes]:
    """Return the detections of a student, after suppression per class, best first.

    With ``card.flip_test`` the mirrored pictures are used too: a box that is found in both is the
    mean of its copies, weighted by score, so that errors of one edge are averaged out.

    Args:
        network: the student's.
        images: its input.
        card: thresholds, and whether to mirror.
    """
    found = [_suppressed(each, card) for each in network(images)]
    if not card.flip_test:
        return found
    flipped = network(np.ascontiguousarray(images[..., ::-1]))
    width = images.shape[-1]
    others = (mirrored(_suppressed(each, card), width) for each in flipped)
    return [joined(a, b, card.nms_iou) for a, b in zip(found, others, strict=True)]


def _suppressed(found: Boxes, card: ModelCard) -> Boxes:
    clear = found[found.score >= card.score_floor]
    return clear[suppress(clear.xyxy, clear.score, clear.class_id, card.nms_iou)]


class Predictor:
    """The function that detects."""

    def __init__(self, network: Network, card: ModelCard) -> None:
        self._network, self._card = network, card

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
        found = detect(self._network, as_input(ready), self._card)
        return [
            to_picture(each, (image.shape[1], image.shape[0]), self._card.image_size)
            for each, image in zip(found, images, strict=True)
        ]


def as_input(images: Sequence[Image]) -> Inputs:
    """Return pictures ``(h, w, 3)`` of one size as ``(b, 3, h, w)`` float32, 0..255."""
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2), dtype=np.float32)


def to_picture(found: Boxes, size_wh: tuple[int, int], image_size: int) -> Boxes:
    """Return detections as boxes in the pixels of the picture before it was reduced."""
    fitted = fitted_wh(size_wh, image_size)
    return found.scaled((size_wh[0] / fitted[0], size_wh[1] / fitted[1])).clipped(size_wh)
