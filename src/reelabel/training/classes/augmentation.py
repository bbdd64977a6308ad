"""Random augmentation of an example: one change for all pictures of a window."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from reelabel.data.boxes import Ints
from reelabel.models.students.classes.inputs import Preprocessing
from reelabel.training.augmentation import Augmentation
from reelabel.training.classes.settings import ClassTrainSettings

_DIRECTIONS = frozenset({
    "anticlockwise", "ccw", "clockwise", "counterclockwise", "cw", "east", "eastward",
    "eastwards", "left", "leftward", "leftwards", "right", "rightward", "rightwards", "west",
    "westward", "westwards",
})  # fmt: skip


def flip_share(settings: ClassTrainSettings, classes: Sequence[str]) -> float:
    """Return the share of examples that are mirrored: as set, else .5, 0 with directions.

    >>> flip_share(ClassTrainSettings(), ["dog", "cat"])
    0.5
    >>> flip_share(ClassTrainSettings(), ["turns_left", "turns_right"])
    0.0
    """
    if settings.flip is not None:
        return settings.flip
    words = {word for name in classes for word in re.findall("[a-z]+", name.lower())}
    return 0.0 if words & _DIRECTIONS else 0.5


def sample(
    rng: np.random.Generator,
    settings: ClassTrainSettings,
    how: Preprocessing,
    *,
    size_wh: tuple[int, int],
    flip: float,
) -> Augmentation:
    """Return a random crop, mirroring and colour for a reduced picture.

    The crop becomes the whole input. It keeps `crop_min` to all of the area that can be used: the
    picture, or where inputs are squares from its middle, the largest square.

    Args:
        rng: draws.
        settings: ranges.
        how: the input.
        size_wh: of the reduced picture.
        flip: share of examples that are mirrored.
    """
    w, h = size_wh
    aspect = float(np.exp(rng.uniform(-1, 1) * np.log(settings.crop_aspect)))
    side = (float(rng.uniform(settings.crop_min, 1)) * min(w, h) ** 2) ** 0.5
    crop_w, crop_h = min(side * aspect**0.5, w), min(side / aspect**0.5, h)
    left, top = rng.uniform(0, 1, 2) * (w - crop_w, h - crop_h)
    scale_x, scale_y = how.size / crop_w, how.size / crop_h
    mirrored = rng.random() < flip
    gain = 1 + rng.uniform(-settings.colour_gain, settings.colour_gain, 3)
    return Augmentation(
        scale_xy=(-scale_x if mirrored else scale_x, scale_y),
        shift_xy=(
            float(scale_x * (left + crop_w) if mirrored else -scale_x * left),
            -scale_y * top,
        ),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        brightness=float(rng.uniform(-settings.brightness, settings.brightness)),
    )


def positions(rng: np.random.Generator, length: int, frames: int, jitter: float) -> Ints:
    """Return which pictures of a window are taken ``(min(frames, length),)``, in order.

    They lie at even distances between a first and a last one, which random shifts move inwards.

    Args:
        rng: draws.
        length: number of pictures in the window.
        frames: number of pictures that are wanted.
        jitter: share of the window that both shifts may take away together.
    """
    if length < frames:
        return np.arange(length)
    room = jitter * (length - 1) / 2
    first, last = rng.uniform(0, room), length - 1 - rng.uniform(0, room)
    found: Ints = np.linspace(first, last, frames).round().astype(np.int64)
    return found
