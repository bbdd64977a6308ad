"""How pictures become a classifier's input, in training and in prediction alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from pydantic import Field

from reelabel.config import Settings
from reelabel.models.base import Image

T = TypeVar("T")

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LONGEST = 4  # times the short side; the rest of a longer picture is cropped away anyway


class Preprocessing(Settings):
    """How a picture becomes an input of `size` by `size` pixels; part of `model.json`."""

    size: int = Field(ge=1)
    """Side of the input in pixels."""
    resize: Literal["crop", "stretch"] = "stretch"
    """crop: the middle square of the picture; stretch: all of it, without keeping its aspect."""
    crop: float = Field(1.0, gt=0, le=1)
    """Side of that square, as a share of the picture's short side."""
    interpolation: Literal["area", "bilinear", "bicubic"] = "area"
    """How pictures are resized; bilinear and bicubic as Pillow does, with a low-pass filter."""
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from each channel of 0..1."""
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Each channel is divided by this after that."""

    @property
    def short_px(self) -> int:
        """Short side of a reduced picture in pixels."""
        return round(self.size / self.crop) if self.resize == "crop" else self.size


def reduced(image: Image, how: Preprocessing) -> Image:
    """Return a picture ``(h, w, 3)`` in the size from which inputs are cut.

    That is the input's own size for ``stretch``; for ``crop`` the short side is `short_px`.
    """
    h, w = image.shape[:2]
    if how.resize == "stretch":
        return _resized(image, (how.size, how.size), how.interpolation)
    image = _inner(image, (min(w, _LONGEST * h), min(h, _LONGEST * w)))
    h, w = image.shape[:2]
    # Rounded down, as torchvision and timm do: other sides would move the middle.
    size_wh = (how.short_px * w // min(h, w), how.short_px * h // min(h, w))
    return _resized(image, size_wh, how.interpolation)


def middle(image: Image, how: Preprocessing) -> Image:
    """Return the input ``(size, size, 3)`` in the middle of a reduced picture ``(h, w, 3)``."""
    return _inner(image, (how.size, how.size))


def window_of(pictures: Sequence[T], frames: int) -> list[T]:
    """Return so many pictures of a window.

    From a longer one they are taken at even distances, first and last included; of a shorter one
    the last is repeated.

    >>> window_of("abcdefg", 3), window_of("ab", 4)
    (['a', 'd', 'g'], ['a', 'b', 'b', 'b'])
    """
    n = len(pictures)
    if n <= frames:
        return [*pictures, *(frames - n) * [pictures[-1]]]
    return [pictures[i] for i in np.linspace(0, n - 1, frames).round().astype(int)]


def _inner(image: Image, size_wh: tuple[int, int]) -> Image:
    """Return the middle of a picture that is not smaller than `size_wh`."""
    h, w = image.shape[:2]
    left, top = round((w - size_wh[0]) / 2), round((h - size_wh[1]) / 2)
    return image[top : top + size_wh[1], left : left + size_wh[0]]


def _resized(image: Image, size_wh: tuple[int, int], interpolation: str) -> Image:
    if (image.shape[1], image.shape[0]) == size_wh:
        return image
    if interpolation == "area":
        smaller = size_wh[0] < image.shape[1] or size_wh[1] < image.shape[0]
        flags = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        return _bytes(cv2.resize(image, size_wh, interpolation=flags))
    filters = {"bilinear": Pillow.Resampling.BILINEAR, "bicubic": Pillow.Resampling.BICUBIC}
    return _bytes(np.asarray(Pillow.fromarray(image).resize(size_wh, filters[interpolation])))


def _bytes(pixels: Any) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = pixels.astype(np.uint8, copy=False)
    return found
