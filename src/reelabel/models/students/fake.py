"""A student without a network: it stores colour and size of the labelled boxes.

With it the whole loop runs in seconds and without torch. What it finds depends on its labels, so
better labels make it better, and wrong ones worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reelabel.data.boxes import Boxes, Floats, Ints
from reelabel.models.base import Image, Predict
from reelabel.models.students.box_family import BoxOnePassFamily
from reelabel.models.students.folder import ModelCard

_MAX_EXAMPLES = 64  # pictures: enough for a mean
_COLOUR_SPAN = 48.0  # a pixel this far from the remembered colour, per channel, is another thing

Appearance = dict[str, Any]
"""Of the boxes of one class: mean ``rgb``, 3 numbers in 0..255, and ``side_wh``, 2 in pixels."""


class FakeFamily(BoxOnePassFamily):
    """Stores mean colour and mean sides of the boxes of each class; finds such blobs."""

    name = "fake"
    purpose = "stores mean colours, for tests and the tutorial"
    reduces_input = False

    def learn(
        self, examples: Iterable[tuple[Image, Boxes]], classes: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return the appearance of each class; None for one without labels."""
        colours: list[list[Floats]] = [[] for _ in classes]
        sides: list[list[Floats]] = [[] for _ in classes]
        for image, boxes in islice(examples, _MAX_EXAMPLES):
            for box, label in zip(boxes.xyxy, boxes.class_id, strict=True):
                colours[label].append(_middle_colour(image, box))
                sides[label].append((box[2:] - box[:2]).astype(np.float32))
        return {"appearance": [_mean(c, s) for c, s in zip(colours, sides, strict=True)]}

    def open(self, model_dir: Path, card: ModelCard) -> Predict:
        """Return the function that finds blobs; all it needs is in the card."""
        del model_dir
        appearance: list[Appearance | None] = list(card.arch["appearance"])

        def predict(images: Sequence[Image]) -> list[Boxes]:
            return [_found(image, appearance) for image in images]

        return predict


def _mean(colours: list[Floats], sides: list[Floats]) -> Appearance | None:
    if not colours:
        return None
    return {
        "rgb": [round(float(v), 3) for v in np.mean(colours, axis=0)],
        "side_wh": [round(float(v), 3) for v in np.mean(sides, axis=0)],
    }


def _middle_colour(image: Image, box: Floats) -> Floats:
    """Return the mean colour of the middle ninth of a box."""
    h, w = image.shape[:2]
    third = (box[2:] - box[:2]) / 3
    x0, y0 = np.clip((box[:2] + third).astype(int), 0, (w - 1, h - 1))
    x1, y1 = np.ceil(box[2:] - third).astype(int)
    part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    mean: Floats = part.reshape(-1, 3).mean(axis=0).astype(np.float32)
    return mean


def _found(image: Image, appearance: list[Appearance | None]) -> Boxes:
    blobs = [_blobs(image, each) for each in appearance if each is not None]
    numbers = [i for i, each in enumerate(appearance) if each is not None]
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(boxes for boxes, _ in blobs)])
    score = np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in blobs)])
    counts = [len(scores) for _, scores in blobs]
    class_id: Ints = np.repeat(np.array(numbers, np.int64), counts)
    return Boxes(xyxy, score, class_id)


def _blobs(image: Image, appearance: Appearance) -> tuple[Floats, Floats]:
    """Return boxes ``(n, 4)`` of connected pixels of one colour, and scores by their size."""
    rgb = np.array(appearance["rgb"], np.float32)
    alike = (np.abs(image.astype(np.float32) - rgb) <= _COLOUR_SPAN).all(axis=2)
    _, _, stats, _ = cv2.connectedComponentsWithStats(alike.astype(np.uint8))
    left_top, sides = stats[1:, :2].astype(np.float32), stats[1:, 2:4].astype(np.float32)
    expected = np.array(appearance["side_wh"], np.float32)
    likeness = np.minimum(sides, expected) / np.maximum(sides, expected)
    score = (likeness.prod(axis=1) ** 0.5).astype(np.float32)
    clear = score >= 0.1  # noqa: PLR2004 -- a hundredth of the area is noise, not an object
    return np.concatenate((left_top, left_top + sides), axis=1)[clear], score[clear]


FAMILY = FakeFamily()
