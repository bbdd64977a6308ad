"""Classifiers of single pictures as functions of windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError
from reelabel.models.base import Classify, Image, Window

Judge = Callable[[Sequence[Image]], NDArray[np.float32]]
"""Pictures in, ``(n, classes)`` probabilities out."""

ROOM = 3
"""A picture of 3:1 that is fitted into this multiple of a short side still has that side."""


def per_picture(judge: Judge, classes: int, batch_size: int) -> Classify:
    """Return a function that gives each window the mean over its pictures.

    Args:
        judge: is given at most `batch_size` pictures at once.
        classes: number of columns.
        batch_size: of the pictures.
    """

    def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
        pictures = [picture for window in windows for picture in window]
        parts = [pictures[i : i + batch_size] for i in range(0, len(pictures), batch_size)]
        rows = np.concatenate([np.zeros((0, classes), np.float32), *map(judge, parts)])
        ends = np.cumsum([len(window) for window in windows])
        starts = np.concatenate([[0], ends[:-1]]).astype(int)
        means = [rows[a:b].mean(axis=0) for a, b in zip(starts, ends, strict=False)]
        return np.array(means, np.float32).reshape(-1, classes)

    return classify


def sound(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return probabilities ``(n, k)`` within 0..1.

    Raises:
        ModelError: if some are no numbers.
    """
    if not np.isfinite(rows).all():
        raise ModelError(
            f"expected probabilities from {name}, but got values that are no numbers: set its "
            "option 'precision' to float32 if it has one, or name another model"
        )
    return np.clip(rows, 0, 1).astype(np.float32, copy=False)
