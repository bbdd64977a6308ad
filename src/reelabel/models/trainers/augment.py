"""Random changes of a picture that carry its boxes along."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, area
from reelabel.models.base import Image
from reelabel.models.trainers.settings import TrainSettings

PAD = 114
"""Grey of everything outside the picture, the same in training and in use."""

VISIBLE = 0.3
"""A box of which less than this share stays in the picture is ignored: too little to learn from."""

_SMALLEST_SIDE = 2.0  # pixels; a smaller box holds no picture of its object


@dataclass(frozen=True)
class Change:
    """One random change: ``x' = scale_x * x + shift_x`` (mirrored if negative), then colour."""

    scale_xy: tuple[float, float] = (1.0, 1.0)
    shift_xy: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    brightness: float = 0.0


def draw(rng: np.random.Generator, settings: TrainSettings, size_wh: tuple[int, int]) -> Change:
    """Return a random change for a picture of this size."""
    scale = float(np.exp(rng.uniform(np.log(settings.scale_min), np.log(settings.scale_max))))
    mirrored = rng.random() < settings.flip
    # As far as the picture, made larger or smaller, reaches over the old frame, and a little more.
    reach = abs(1 - scale) / 2 + settings.shift
    moved = rng.uniform(-reach, reach, 2)
    w, h = size_wh
    shift_x, shift_y = (0.5 - scale / 2 + moved) * (w, h)
    gain = 1 + rng.uniform(-settings.colour_gain, settings.colour_gain, 3)
    return Change(
        scale_xy=(-scale if mirrored else scale, scale),
        shift_xy=(float(shift_x) + (scale * w if mirrored else 0.0), float(shift_y)),
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        brightness=float(rng.uniform(-settings.brightness, settings.brightness)),
    )


def aimed(
    change: Change,
    rng: np.random.Generator,
    seen: tuple[Floats, tuple[int, int]],
    canvas: tuple[int, int],
) -> Change:
    """Return the change moved so that an object, or else a random place, lies on the canvas.

    Args:
        change: with any shift.
        rng: chooses the object and where it comes to lie.
        seen: what may be aimed at, boxes ``(n, 4)`` before the change, and their picture's size.
        canvas: width and height of what will be seen.
    """
    boxes, size_wh = seen
    if len(boxes):
        box = boxes[int(rng.integers(len(boxes)))]
        target = (box[:2] + box[2:]) / 2
    else:
        target = rng.uniform(0, 1, 2) * size_wh
    place = rng.uniform(0.2, 0.8, 2) * canvas
    shift = place - target * np.array(change.scale_xy)
    return replace(change, shift_xy=(float(shift[0]), float(shift[1])))


def change_image(image: Image, change: Change, canvas_wh: tuple[int, int]) -> Image:
    """Return the changed picture on a grey canvas of this size."""
    (sx, sy), (tx, ty) = change.scale_xy, change.shift_xy
    # Boxes count from the picture's edge, OpenCV from the middle of the first pixel.
    matrix = np.array([[sx, 0, tx + (sx - 1) / 2], [0, sy, ty + (sy - 1) / 2]])
    levels = np.arange(256)[:, None] * np.array(change.gain)[None] + change.brightness
    table = np.clip(np.round(levels), 0, 255).astype(np.uint8)[None]
    moved = cv2.warpAffine(
        cv2.LUT(image, table),
        matrix,
        canvas_wh,
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PAD, PAD, PAD),
    )
    result: Image = moved.astype(np.uint8, copy=False)
    return result


def change_boxes(xyxy: Floats, change: Change) -> Floats:
    """Return where the boxes come to lie, not yet cut: ``(n, 4)``."""
    scale = np.array(change.scale_xy * 2, np.float32)
    moved = xyxy * scale + np.array(change.shift_xy * 2, np.float32)
    ordered = np.concatenate(
        (np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])), axis=1
    )
    return ordered.astype(np.float32)


def cut(
    xyxy: Floats, size_wh: tuple[int, int]
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the boxes cut at the edges, which of them are still good, and which partly there.

    A box is good if at least `VISIBLE` of it is left and no side is below 2 pixels; partly there
    if something of it is left, but not enough.
    """
    w, h = size_wh
    clipped = np.clip(xyxy, 0, np.array([w, h, w, h], np.float32)).astype(np.float32)
    left = area(clipped)
    sides = clipped[:, 2:] - clipped[:, :2]
    good = (left >= VISIBLE * area(xyxy)) & (sides.min(axis=1, initial=np.inf) >= _SMALLEST_SIDE)
    return clipped, good, (left > 0) & ~good


def reduce(image: Image, image_size: int) -> Image:
    """Return the picture with this longest side, aspect kept."""
    w, h = fitted_wh((image.shape[1], image.shape[0]), image_size)
    if (w, h) == (image.shape[1], image.shape[0]):
        return image
    way = cv2.INTER_AREA if w < image.shape[1] else cv2.INTER_LINEAR
    result: Image = cv2.resize(image, (w, h), interpolation=way).astype(np.uint8, copy=False)
    return result


def fitted_wh(size_wh: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Return the size with this longest side and (nearly) the same aspect.

    >>> fitted_wh((1280, 720), 480)
    (480, 270)
    """
    factor = image_size / max(size_wh)
    return max(1, round(size_wh[0] * factor)), max(1, round(size_wh[1] * factor))


def canvas_wh(size_wh: tuple[int, int], stride: int) -> tuple[int, int]:
    """Return the smallest size of whole strides that holds a picture.

    >>> canvas_wh((480, 270), 32)
    (480, 288)
    """
    return -(-size_wh[0] // stride) * stride, -(-size_wh[1] // stride) * stride


def padded(image: Image, size_wh: tuple[int, int]) -> Image:
    """Return the picture at the top left of a grey canvas."""
    canvas = np.full((size_wh[1], size_wh[0], 3), PAD, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas
