"""Copy-paste augmentation: labelled objects, with a feathered edge, in other labelled pictures.

There are no masks here: what is pasted is the ellipse in the box, and a rim around it that fades.
Sources: Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method" (arXiv
2012.07177); for small objects Kisantal et al. 2019 (arXiv 1902.07296).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, Floats, iou
from reelabel.models.base import Image
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingPicture, TrainingSet

RIM = 0.35
"""Width of the rim in which a pasted object fades out, as a share of half its sides."""
MOST_PASTED = 3
"""Objects that are pasted into one picture at most."""
_TRIES = 8
_LARGEST_SCALE = 1.3  # an object is pasted between 1 / 1.3 and 1.3 times as large as it was cut
_MIN_SIDE = 2  # pixels; a smaller object holds no picture


@dataclass(frozen=True)
class CutObject:
    """An object that was cut from a picture.

    Attributes:
        image: ``(h, w, 3)`` uint8, the object and its rim.
        alpha: ``(h, w)`` float32 in 0..1, how much of it covers what it is pasted on.
        xyxy: ``(4,)`` float32, its box in pixels of `image`.
    """

    image: Image
    alpha: NDArray[np.float32]
    xyxy: Floats

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image in pixels."""
        return self.image.shape[1], self.image.shape[0]

    def scaled(self, factor: float) -> CutObject:
        """Return the object larger by a factor."""
        size_wh = tuple(max(1, round(side * factor)) for side in self.size_wh)
        real = np.array(size_wh) / self.size_wh
        image = cv2.resize(self.image, size_wh, interpolation=cv2.INTER_LINEAR)
        alpha = cv2.resize(self.alpha, size_wh, interpolation=cv2.INTER_LINEAR)
        xyxy = (self.xyxy * np.tile(real, 2)).astype(np.float32)
        return CutObject(image.astype(np.uint8), alpha.astype(np.float32), xyxy)

    def mirrored(self) -> CutObject:
        """Return the object with left and right exchanged."""
        x1, y1, x2, y2 = self.xyxy.tolist()
        xyxy = np.array([self.size_wh[0] - x2, y1, self.size_wh[0] - x1, y2], np.float32)
        return CutObject(self.image[:, ::-1], self.alpha[:, ::-1], xyxy)


def cut_object(image: Image, xyxy: Floats) -> CutObject | None:
    """Return an object of a picture with its rim, None if it is too small.

    Args:
        image: ``(h, w, 3)``.
        xyxy: ``(4,)`` its box in pixels; what lies outside the picture is left out.
    """
    sides = xyxy[2:] - xyxy[:2]
    if sides.min() < _MIN_SIDE:
        return None
    rim = RIM * sides / 2
    left, top = np.maximum(np.floor(xyxy[:2] - rim), 0).astype(int).tolist()
    right, bottom = np.ceil(xyxy[2:] + rim).astype(int).tolist()
    part = image[top:bottom, left:right]
    box = (xyxy - np.array([left, top] * 2)).astype(np.float32)
    if min(part.shape[:2]) < _MIN_SIDE:
        return None
    return CutObject(part, _alpha((part.shape[1], part.shape[0]), box), box)


def _alpha(size_wh: tuple[int, int], xyxy: Floats) -> NDArray[np.float32]:
    """Return 1 in the ellipse of the box, falling to 0 over the rim."""
    centre, half = (xyxy[:2] + xyxy[2:]) / 2, (xyxy[2:] - xyxy[:2]) / 2
    x = (np.arange(size_wh[0]) + 0.5 - centre[0]) / half[0]
    y = (np.arange(size_wh[1]) + 0.5 - centre[1]) / half[1]
    radius = np.hypot(x[None], y[:, None])
    alpha: NDArray[np.float32] = np.clip((1 + RIM - radius) / RIM, 0, 1).astype(np.float32)
    return alpha


def free_corner(
    cut: CutObject, size_wh: tuple[int, int], taken: Floats, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return a random left top corner at which an object covers no label, None if none is found.

    Args:
        cut: the object.
        size_wh: of the picture to paste into.
        taken: ``(n, 4)`` xyxy of what must stay uncovered, in pixels of that picture.
        rng: chooses the place.
    """
    room_x, room_y = size_wh[0] - cut.size_wh[0], size_wh[1] - cut.size_wh[1]
    if min(room_x, room_y) < 0:
        return None
    for _ in range(_TRIES):
        x, y = (int(rng.integers(0, room + 1)) for room in (room_x, room_y))
        place = np.array([[x, y, x + cut.size_wh[0], y + cut.size_wh[1]]], np.float32)
        if not len(taken) or not iou(place, taken).any():
            return x, y
    return None


def paste(image: Image, cut: CutObject, corner_xy: tuple[int, int]) -> Floats:
    """Paste an object into a picture, which is changed, and return its box there: ``(4,)`` xyxy."""
    (x, y), (width, height) = corner_xy, cut.size_wh
    under = image[y : y + height, x : x + width]
    alpha = cut.alpha[..., None]
    under[:] = np.round(alpha * cut.image + (1 - alpha) * under).astype(np.uint8)
    return (cut.xyxy + np.array([x, y] * 2, np.float32)).astype(np.float32)


class ObjectPaster:
    """Pastes labelled objects of a training set into its pictures.

    Args:
        data: the training set.
        settings: share of the pictures that get objects, and whether these are mirrored.
        image_of: returns the picture of a number, ``(h, w, 3)``, as it is trained on.
    """

    def __init__(
        self, data: TrainingSet, settings: BoxTrainSettings, image_of: Callable[[int], Image]
    ) -> None:
        self._data, self._settings, self._image_of = data, settings, image_of

    def example(self, number: int, rng: np.random.Generator) -> tuple[TrainingPicture, Image]:
        """Return a picture and its labels, with up to `MOST_PASTED` further objects or without.

        Args:
            number: of the picture.
            rng: decides whether, which, how large and where.
        """
        picture, image = self._data.pictures[number], self._image_of(number)
        if rng.random() >= self._settings.copy_paste:
            return picture, image
        image = image.copy()
        for _ in range(int(rng.integers(1, MOST_PASTED + 1))):
            picture = self._with_another(picture, image, rng)
        return picture, image

    def _with_another(
        self, picture: TrainingPicture, image: Image, rng: np.random.Generator
    ) -> TrainingPicture:
        """Paste one object into `image` where there is room; return the labels with it."""
        label, cut = self._cut(rng)
        if cut is None:
            return picture
        factor = _reduction(picture, image)
        size_wh = (image.shape[1], image.shape[0])
        corner = free_corner(cut, size_wh, picture.boxes.xyxy * factor, rng)
        if corner is None:
            return picture
        added = replace(label, xyxy=paste(image, cut, corner)[None] / factor)
        return replace(picture, boxes=Boxes.concatenated([picture.boxes, added]))

    def _cut(self, rng: np.random.Generator) -> tuple[Boxes, CutObject | None]:
        """Return a random label, and its object, scaled and mirrored at random."""
        number = self._data.labelled[int(rng.integers(len(self._data.labelled)))]
        source, image = self._data.pictures[number], self._image_of(number)
        which = int(rng.integers(len(source.positive)))
        label = source.positive[which : which + 1]
        cut = cut_object(image, label.xyxy[0] * _reduction(source, image))
        limit = float(np.log(_LARGEST_SCALE))
        factor, is_mirrored = np.exp(rng.uniform(-limit, limit)), rng.random() < self._settings.flip
        if cut is not None:
            cut = cut.scaled(float(factor))
            cut = cut.mirrored() if is_mirrored else cut
        return label, cut


def _reduction(picture: TrainingPicture, image: Image) -> Floats:
    """Return the factors ``(4,)`` from pixels of a picture's file to those of its reduced copy."""
    size_wh = np.array([image.shape[1], image.shape[0]], np.float32)
    return np.tile(size_wh / np.array(picture.size_wh, np.float32), 2)
