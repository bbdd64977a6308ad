"""The features of frames, brought to the moments that a classifier judges."""

from __future__ import annotations

import numpy as np

from reelabel.data.boxes import Floats, Ints
from reelabel.data.classes import Moments


def moment_features(moments: Moments, pts: Ints, vectors: Floats) -> Floats:
    """Return the mean feature ``(n, d)`` of the frames in each moment of one video.

    A moment without a frame that has features takes those of the frame that is nearest to its
    middle.

    Args:
        moments: ``(n,)`` of one video.
        pts: ``(m,)`` time stamps of the frames that have features, at least one.
        vectors: ``(m, d)`` their features.
    """
    order = np.argsort(pts, kind="stable")
    pts, vectors = pts[order], vectors[order]
    first = np.searchsorted(pts, moments.pts, side="left")
    last = np.searchsorted(pts, moments.until_pts, side="right")
    middle = (moments.pts + moments.until_pts) // 2
    nearest = _nearest(pts, middle)
    first, last = np.where(last > first, first, nearest), np.where(last > first, last, nearest + 1)
    sums = np.concatenate([
        np.zeros((1, vectors.shape[1])),
        np.cumsum(vectors, axis=0, dtype=float),
    ])
    means: Floats = ((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32)
    return means


def _nearest(pts: Ints, wanted: Ints) -> Ints:
    """Return the position of the time stamp that is nearest to each wanted one."""
    right = np.searchsorted(pts, wanted).clip(0, len(pts) - 1)
    left = (right - 1).clip(0)
    nearer: Ints = np.where(wanted - pts[left] <= pts[right] - wanted, left, right)
    return nearer
