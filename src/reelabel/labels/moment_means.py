"""Values of sampled frames, brought to the moments that a classifier judges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints
from reelabel.data.classes import Moments


def frames_in(moments: Moments, pts: Ints) -> tuple[Ints, Ints]:
    """Return the first frame of each moment ``(n,)`` and the first one after it ``(n,)``.

    A moment in which no frame lies has the frame that is nearest to its middle.

    Args:
        moments: ``(n,)`` of one video.
        pts: ``(m,)`` time stamps of frames, ascending, at least one.
    """
    first = np.searchsorted(pts, moments.pts, side="left")
    last = np.searchsorted(pts, moments.until_pts, side="right")
    nearest = _nearest(pts, (moments.pts + moments.until_pts) // 2)
    some = last > first
    return np.where(some, first, nearest), np.where(some, last, nearest + 1)


def moment_means(moments: Moments, pts: Ints, values: NDArray[Any]) -> Floats:
    """Return the mean ``(n, d)`` float32 of the frames of each moment of one video.

    NaN is left out; where all values of a moment are NaN its mean is NaN.

    Args:
        moments: ``(n,)`` of one video.
        pts: ``(m,)`` time stamps of frames, ascending, at least one.
        values: ``(m, d)`` of these frames.
    """
    first, last = frames_in(moments, pts)
    known = ~np.isnan(values)
    total, count = (_between(part, first, last) for part in (np.where(known, values, 0), known))
    means = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    result: Floats = means.astype(np.float32)
    return result


def _between(values: NDArray[Any], first: Ints, last: Ints) -> NDArray[np.float64]:
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, dtype=np.float64, out=sums[1:])
    result: NDArray[np.float64] = sums[last] - sums[first]
    return result


def _nearest(pts: Ints, wanted: Ints) -> Ints:
    """Return the position of the time stamp that is nearest to each wanted one."""
    right = np.searchsorted(pts, wanted).clip(0, len(pts) - 1)
    left = (right - 1).clip(0)
    nearer: Ints = np.where(wanted - pts[left] <= pts[right] - wanted, left, right)
    return nearer
