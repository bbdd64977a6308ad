"""Random augmentation of a picture together with its boxes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, area, clip
from reelabel.training.augmentation import Augmentation
from reelabel.training.boxes.settings import BoxTrainSettings

VISIBLE = 0.3
"""A box of which less than this share stays in the picture becomes an ignore region."""

_MIN_SIDE = 2.0  # pixels; a smaller box holds no picture of its object


def sample(
    rng: np.random.Generator, settings: BoxTrainSettings, size_wh: tuple[int, int]
) -> Augmentation:
    """Return a random augmentation for a picture of this size."""
    scale = float(np.exp(rng.uniform(np.log(settings.scale_min), np.log(settings.scale_max))))
    mirrored = rng.random() < settings.flip
    # As far as the scaled picture reaches beyond its old edges, and a little more.
    reach = abs(1 - scale) / 2 + settings.shift
    moved = rng.uniform(-reach, reach, 2)
    w, h = size_wh
    shift_x, shift_y = (0.5 - scale / 2 + moved) * (w, h)
    gain = 1 + rng.uniform(-settings.colour_gain, settings.colour_gain, 3)
    return Augmentation(
        scale_xy=(-scale if mirrored else scale, scale),
        shift_xy=(float(shift_x) + (scale * w if mirrored else 0.0), float(shift_y)),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        brightness=float(rng.uniform(-settings.brightness, settings.brightness)),
    )


def crop_around(
    augmentation: Augmentation,
    rng: np.random.Generator,
    objects: Floats,
    *,
    size_wh: tuple[int, int],
    canvas_wh: tuple[int, int],
) -> Augmentation:
    """Return the augmentation shifted so that an object lies on the canvas.

    Args:
        augmentation: with any shift.
        rng: chooses the object, or a random place if there is none, and its place on the canvas.
        objects: ``(n, 4)`` xyxy in pixels of the picture before the augmentation.
        size_wh: of that picture.
        canvas_wh: of the result.
    """
    if len(objects):
        box = objects[int(rng.integers(len(objects)))]
        centre = (box[:2] + box[2:]) / 2
    else:
        centre = rng.uniform(0, 1, 2) * size_wh
    place = rng.uniform(0.2, 0.8, 2) * canvas_wh
    shift = place - centre * np.array(augmentation.scale_xy)
    return replace(augmentation, shift_xy=(float(shift[0]), float(shift[1])))


def augment_boxes(xyxy: Floats, augmentation: Augmentation) -> Floats:
    """Return the boxes after the geometric change, not yet clipped: ``(n, 4)`` -> ``(n, 4)``."""
    scale = np.array(augmentation.scale_xy * 2, np.float32)
    moved = xyxy * scale + np.array(augmentation.shift_xy * 2, np.float32)
    ordered = np.concatenate(
        (np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])), axis=1
    )
    return ordered.astype(np.float32)


def clip_visible(
    xyxy: Floats, size_wh: tuple[int, int]
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the boxes clipped to a picture, which of them are visible, and which partly so.

    A box is visible if at least `VISIBLE` of it is left and no side is below 2 pixels; partly
    visible if something of it is left, but not enough.

    Args:
        xyxy: ``(n, 4)``.
        size_wh: of the picture in pixels.

    Returns:
        ``(n, 4)`` float32, ``(n,)`` bool and ``(n,)`` bool.
    """
    clipped = clip(xyxy, size_wh).astype(np.float32)
    left = area(clipped)
    sides = clipped[:, 2:] - clipped[:, :2]
    visible = (left >= VISIBLE * area(xyxy)) & (sides.min(axis=1, initial=np.inf) >= _MIN_SIDE)
    return clipped, visible, (left > 0) & ~visible
