"""What every embedder ends with: rows of length 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from reelabel.models.base import Embed, Image


def one_by_one(vector_of: Callable[[Image], NDArray[np.float32]], dimensions: int) -> Embed:
    """Return the function that embeds pictures by one that returns ``(dimensions,)`` of each."""

    def embed(pictures: Sequence[Image]) -> NDArray[np.float32]:
        rows = [vector_of(picture) for picture in pictures]
        return unit_rows(np.array(rows, np.float32).reshape(-1, dimensions))

    return embed


def unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows ``(n, d)`` scaled to length 1; a row of zeros, or of no numbers, points along d.

    >>> unit_rows(np.array([[3, 4], [0, 0]], np.float32)).round(1)
    array([[0.6, 0.8],
           [0. , 1. ]], dtype=float32)
    """
    sound: NDArray[np.float32] = np.where(np.isfinite(rows), rows, 0).astype(np.float32)
    # Squares of very small numbers vanish in single precision.
    length = np.sqrt(np.square(sound, dtype=np.float64).sum(axis=1))
    sound[length == 0, -1] = 1
    length[length == 0] = 1
    result: NDArray[np.float32] = (sound / length[:, None]).astype(np.float32)
    return result
