"""Several pictures in one, for galleries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reelabel.media.pictures import fit

Image = NDArray[np.uint8]
"""``(height, width, 3)`` uint8 RGB."""

_GAP_PX, _GREY = 4, 114  # the grey of letterbox bars


def montage(
    pictures: Sequence[Image], *, columns: int = 4, cell_wh: tuple[int, int] = (240, 180)
) -> Image:
    """Return pictures of any size side by side in rows, each as large as fits its cell.

    Args:
        pictures: ``(height, width, 3)`` uint8 RGB each; no pictures give one empty cell.
        columns: most pictures in a row.
        cell_wh: width and height of a cell in pixels.
    """
    columns = max(1, min(columns, len(pictures)))
    rows = max(1, -(-len(pictures) // columns))
    w, h = cell_wh
    size = (rows * (h + _GAP_PX) - _GAP_PX, columns * (w + _GAP_PX) - _GAP_PX, 3)
    sheet: Image = np.full(size, _GREY, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = (i // columns) * (h + _GAP_PX), (i % columns) * (w + _GAP_PX)
        sheet[y : y + h, x : x + w] = fit(picture, "letterbox", cell_wh)[0]
    return sheet
