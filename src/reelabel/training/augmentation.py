"""Random changes of a picture: where it lies on the canvas, and its colours."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from reelabel.models.base import Image
from reelabel.models.students.inputs import PAD


@dataclass(frozen=True)
class Augmentation:
    """A geometric change, ``x' = scale_x * x + shift_x``, and a change of colour.

    Attributes:
        scale_xy: factors; a negative one mirrors.
        shift_xy: in pixels of the result.
        gain: factor of each colour channel.
        brightness: added to all channels, of 255.
    """

    scale_xy: tuple[float, float] = (1.0, 1.0)
    shift_xy: tuple[float, float] = (0.0, 0.0)
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    brightness: float = 0.0


def augment_image(image: Image, augmentation: Augmentation, canvas_wh: tuple[int, int]) -> Image:
    """Return the augmented picture ``(h, w, 3)`` on a grey canvas of this size."""
    (sx, sy), (tx, ty) = augmentation.scale_xy, augmentation.shift_xy
    # Boxes count from the picture's edge, OpenCV from the middle of the first pixel.
    matrix = np.array([[sx, 0, tx + (sx - 1) / 2], [0, sy, ty + (sy - 1) / 2]])
    levels = np.arange(256)[:, None] * np.array(augmentation.gain)[None] + augmentation.brightness
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
