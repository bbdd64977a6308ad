"""A student without a network: it remembers how the labelled boxes look.

With it the whole loop runs in seconds, without torch. It is no toy in one respect: what it finds
depends on its labels, so better labels make it better, and wrong ones worse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reelabel.data.boxes import Boxes, Floats, Ints
from reelabel.errors import UsageError
from reelabel.models.base import Image, Predict
from reelabel.models.trainers.album import Album, read_album, read_image
from reelabel.models.trainers.folder import ModelCard, fingerprint, is_finished, write_card
from reelabel.models.trainers.settings import TrainSettings

_SEEN = 64  # labelled boxes that are looked at: enough for a mean
_COLOUR_SPAN = 48.0  # a pixel this far from the remembered colour, per channel, is another thing


@dataclass
class FakeTrainer:
    """Remembers mean colour and mean sides of the boxes of each class."""

    settings: TrainSettings
    name: str = field(init=False, default="fake")
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        text = self.settings.model_dump_json()
        self.fingerprint = hashlib.sha256(f"fake:1:{text}".encode()).hexdigest()

    def fit(self, dataset_dir: Path, model_dir: Path, log: Callable[[float, str], None]) -> None:
        """Look at some labelled boxes and write `model.json`.

        Raises:
            MissingInput: if there is no data set.
            UsageError: if it has no positive labels.
        """
        if is_finished(model_dir):
            log(1.0, "already trained")
            return
        album = read_album(dataset_dir, "train", self.settings)
        if not album.labelled:
            raise UsageError(
                "expected pictures with positive labels to train on, but train.json has none: "
                "lower the thresholds of `clean`, or add footage"
            )
        card = ModelCard(
            kind="fake",
            classes=album.classes,
            image_size=self.settings.image_size,
            arch={"looks": _looks(album)},
            training={"pictures": len(album.pictures), "student": "fake"},
        )
        write_card(model_dir, card)
        log(1.0, f"remembered {len(album.labelled)} labelled pictures")


def _looks(album: Album) -> list[dict[str, Any] | None]:
    """Return for each class its mean colour and sides in pixels; None if it was never seen."""
    colours: list[list[Floats]] = [[] for _ in album.classes]
    sides: list[list[Floats]] = [[] for _ in album.classes]
    for number in album.labelled[:_SEEN]:
        picture = album.pictures[number]
        image = read_image(picture.path)
        for box, label in zip(picture.boxes, picture.labels, strict=True):
            colours[label].append(_middle_colour(image, box))
            sides[label].append((box[2:] - box[:2]).astype(np.float32))
    return [
        {
            "rgb": [round(float(v), 3) for v in np.mean(colour, axis=0)],
            "side_wh": [round(float(v), 3) for v in np.mean(side, axis=0)],
        }
        if colour
        else None
        for colour, side in zip(colours, sides, strict=True)
    ]


def _middle_colour(image: Image, box: Floats) -> Floats:
    """Return the mean colour of the middle ninth of a box."""
    h, w = image.shape[:2]
    third = (box[2:] - box[:2]) / 3
    x0, y0 = np.clip((box[:2] + third).astype(int), 0, (w - 1, h - 1))
    x1, y1 = np.ceil(box[2:] - third).astype(int)
    part = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    mean: Floats = part.reshape(-1, 3).mean(axis=0).astype(np.float32)
    return mean


@dataclass
class FakeDetector:
    """Finds blobs of the remembered colours; see `base.Detector` for the attributes."""

    model_dir: Path
    card: ModelCard
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False, default=None)
    in_order: bool = field(init=False, default=False)
    batch_size: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.name = f"student:{self.model_dir}"
        self.classes = self.card.classes
        self.fingerprint = fingerprint(self.model_dir)

    def open(self) -> Predict:
        """Return the function that finds blobs."""
        looks = list(self.card.arch["looks"])

        def predict(images: Sequence[Image]) -> list[Boxes]:
            return [_found(image, looks) for image in images]

        return predict


def _found(image: Image, looks: list[dict[str, Any] | None]) -> Boxes:
    said = [_blobs(image, look) for look in looks if look is not None]
    numbers = [i for i, look in enumerate(looks) if look is not None]
    xyxy = np.concatenate([np.zeros((0, 4), np.float32), *(boxes for boxes, _ in said)])
    score = np.concatenate([np.zeros(0, np.float32), *(scores for _, scores in said)])
    counts = [len(scores) for _, scores in said]
    class_id: Ints = np.repeat(np.array(numbers, np.int64), counts)
    return Boxes(xyxy, score, class_id)


def _blobs(image: Image, look: dict[str, Any]) -> tuple[Floats, Floats]:
    """Return boxes ``(n, 4)`` of connected pixels of one colour, and scores by their size."""
    rgb = np.array(look["rgb"], np.float32)
    alike = (np.abs(image.astype(np.float32) - rgb) <= _COLOUR_SPAN).all(axis=2)
    _, _, stats, _ = cv2.connectedComponentsWithStats(alike.astype(np.uint8))
    left_top, sides = stats[1:, :2].astype(np.float32), stats[1:, 2:4].astype(np.float32)
    wanted = np.array(look["side_wh"], np.float32)
    fit = np.minimum(sides, wanted) / np.maximum(sides, wanted)
    score = (fit.prod(axis=1) ** 0.5).astype(np.float32)
    clear = score >= 0.1  # noqa: PLR2004 -- a hundredth of the area is noise, not an object
    return np.concatenate((left_top, left_top + sides), axis=1)[clear], score[clear]
