"""Boxes as arrays: the type that detectors return, and geometry on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Detections:
    """Boxes that a model said of one picture.

    Attributes:
        xyxy: ``(n, 4)`` float32, left, top, right, bottom in pixels of the picture given to the
            model; right and bottom are exclusive, so that width is ``right - left``.
        score: ``(n,)`` float32 in 0..1.
        class_id: ``(n,)`` int64, an index into the model's class names.

    The arrays are read-only. Index with a mask or with positions to select: ``d[d.score > 0.5]``.

    Raises:
        ValueError: if the shapes do not agree.
    """

    xyxy: Floats
    score: Floats
    class_id: Ints

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        for name, shape, dtype in (
            ("xyxy", (n, 4), np.float32),
            ("score", (n,), np.float32),
            ("class_id", (n,), np.int64),
        ):
            # A copy, so that making it read-only does not freeze the caller's array.
            array: NDArray[Any] = np.array(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, but got {array.shape}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls) -> Detections:
        """Return no boxes at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, which: NDArray[Any] | slice) -> Detections:
        return Detections(self.xyxy[which], self.score[which], self.class_id[which])

    def scaled(self, factor_xy: tuple[float, float]) -> Detections:
        """Return the same boxes in a picture that is larger by ``factor_xy``."""
        x, y = factor_xy
        return Detections(self.xyxy * np.array([x, y, x, y]), self.score, self.class_id)

    def clipped(self, size_wh: tuple[int, int]) -> Detections:
        """Return the boxes cut at the picture's edges; those with no area left are gone."""
        w, h = size_wh
        xyxy = np.clip(self.xyxy, 0, np.array([w, h, w, h], np.float32))
        return Detections(xyxy, self.score, self.class_id)[area(xyxy) > 0]


def area(xyxy: Floats) -> Floats:
    """Return the area in square pixels of each box: ``(n, 4)`` -> ``(n,)``."""
    sides = np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None)
    result: Floats = sides[:, 0] * sides[:, 1]
    return result


def iou(a: Floats, b: Floats) -> Floats:
    """Return intersection over union of each box of ``a`` with each of ``b``: ``(n, m)`` in 0..1.

    >>> iou(np.array([[0, 0, 2, 2]], np.float32), np.array([[1, 0, 3, 2]], np.float32)).round(3)
    array([[0.333]], dtype=float32)
    """
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    result: Floats = shared / np.maximum(union, 1e-9)
    return result


def intersection(a: Floats, b: Floats) -> Floats:
    """Return the shared area of each box of ``a`` with each of ``b``: ``(n, m)``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(high - low, 0, None)
    result: Floats = sides[..., 0] * sides[..., 1]
    return result
