"""How a picture becomes a student's input, in training and in detection alike."""

from __future__ import annotations

import cv2
import numpy as np

from reelabel.models.base import Image

STRIDE = 32
"""Input sides are multiples of this: the coarsest cell of any student, in pixels."""

PAD = 114
"""Grey level outside the picture."""


def reduce(image: Image, image_size: int) -> Image:
    """Return the picture ``(h, w, 3)`` with this longest side in pixels, aspect kept."""
    w, h = fitted_wh((image.shape[1], image.shape[0]), image_size)
    if (w, h) == (image.shape[1], image.shape[0]):
        return image
    interpolation = cv2.INTER_AREA if w < image.shape[1] else cv2.INTER_LINEAR
    resized = cv2.resize(image, (w, h), interpolation=interpolation)
    result: Image = resized.astype(np.uint8, copy=False)
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
    """Return the picture ``(h, w, 3)`` at the top left of a grey canvas of this size."""
    canvas = np.full((size_wh[1], size_wh[0], 3), PAD, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas
