"""Fitting a picture into a network's input, and the way back."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.models.base import Image


def letterbox(picture: Image, into: NDArray[np.float32], pad: float = 114.0) -> tuple[float, float]:
    """Write a picture into a network's input, aspect kept, at the top left.

    Args:
        picture: ``(h, w, 3)`` uint8, RGB.
        into: ``(3, height, width)`` float32, overwritten: BGR planes in 0..255.
        pad: the value beyond the picture.

    Returns:
        Factors x, y from network pixels to pixels of the picture.
    """
    height, width = into.shape[1:]
    h, w = picture.shape[:2]
    ratio = min(width / w, height / h)
    # Cut, not rounded, as YOLOX and NanoDet were trained; the tiny amount undoes float error.
    new_w, new_h = (max(1, int(side * ratio + 1e-6)) for side in (w, h))
    fitted = _resized(picture, (new_w, new_h))
    into[:, new_h:] = pad
    into[:, :, new_w:] = pad
    for plane, channel in zip(reversed(into), cv2.split(fitted), strict=True):
        plane[:new_h, :new_w] = channel
    return 1 / ratio, 1 / ratio


def _resized(picture: Image, size_wh: tuple[int, int]) -> Image:
    if picture.shape[1::-1] == size_wh:
        return picture
    resized: Image = cv2.resize(picture, size_wh, interpolation=cv2.INTER_LINEAR)
    return resized
