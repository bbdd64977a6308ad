"""Camera motion: by how much the whole picture moved between two frames.

Phase correlation (Kuglin and Hines, 1975) of reduced grey pictures. A shift is accepted only if its
peak is distinct and the shifted picture fits better: a passing object is no camera motion.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.temporal.pictures import Grey

_MIN_SIDE_PX = 16
_MIN_RESPONSE = 0.05  # height of the correlation peak, 0..1
_MIN_SHIFT_PX = 0.15  # smaller shifts (in the reduced picture) count as none
_MAX_RESIDUAL = 0.85  # share of the difference that may be left after the shift is undone


def global_shift(earlier: Grey, later: Grey) -> tuple[float, float]:
    """Return by how many pixels (x, y) the content moved from one picture to the next.

    Args:
        earlier: uint8 ``(height, width)``; some 160 to 320 pixels wide is enough.
        later: a picture of the same size.

    Returns:
        ``(0.0, 0.0)`` where there is no global motion, or none that can be measured.

    Raises:
        ValueError: if the sizes differ.
    """
    if earlier.shape != later.shape:
        raise ValueError(
            f"expected pictures of one size, but got {earlier.shape} and {later.shape}"
        )
    if min(earlier.shape) < _MIN_SIDE_PX or earlier.std() < 1 or later.std() < 1:
        return 0.0, 0.0
    a, b = earlier.astype(np.float32), later.astype(np.float32)
    (x, y), response = phase_shift(a, b)
    small = max(abs(x), abs(y)) < _MIN_SHIFT_PX
    if small or response < _MIN_RESPONSE:
        return 0.0, 0.0
    accepted = _residual(a, b, (x, y)) <= _MAX_RESIDUAL
    return (x, y) if accepted else (0.0, 0.0)


def phase_shift(
    earlier: NDArray[np.float32], later: NDArray[np.float32]
) -> tuple[tuple[float, float], float]:
    """Return the shift by phase correlation, whether or not the content moved as a whole.

    Args:
        earlier: float32 ``(height, width)``, 2 pixels a side at least.
        later: a picture of the same size.

    Returns:
        By how many pixels (x, y) the content moved, and the height of the peak, 0..1.
    """
    height, width = (_even_side(side) for side in earlier.shape)
    # It writes into what it is given.
    (x, y), response = cv2.phaseCorrelate(
        earlier[:height, :width].copy(), later[:height, :width].copy(), _window((height, width))
    )
    return (float(x), float(y)), float(response)


@cache
def _even_side(side: int) -> int:
    """Return the largest even side up to `side` that is transformed without padding.

    Padded to an odd length, OpenCV's peak lies half a pixel beside the true shift.
    """
    while side % 2 or cv2.getOptimalDFTSize(side) != side:
        side -= 1
    return side


@cache
def _window(shape: tuple[int, int]) -> NDArray[Any]:
    return np.asarray(cv2.createHanningWindow((shape[1], shape[0]), cv2.CV_32F))


def _residual(a: NDArray[np.float32], b: NDArray[np.float32], shift: tuple[float, float]) -> float:
    """Return how much of the difference is left after `a` was shifted: 0 = none, 1 = all."""
    height, width = a.shape
    x, y = shift
    moved = cv2.warpAffine(a, np.array([[1, 0, x], [0, 1, y]], np.float32), (width, height))
    left, right = max(0, int(np.ceil(x))), width + min(0, int(np.floor(x)))
    top, bottom = max(0, int(np.ceil(y))), height + min(0, int(np.floor(y)))
    inside = np.s_[top:bottom, left:right]
    if right - left < width // 3 or bottom - top < height // 3:
        return 1.0  # hardly anything left to compare
    apart = float(np.abs(a[inside] - b[inside]).mean())
    return float(np.abs(moved[inside] - b[inside]).mean()) / max(apart, 1e-6)
