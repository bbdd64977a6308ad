"""YOLOX (Ge et al., "YOLOX: Exceeding YOLO Series in 2021"): what goes in, and what comes out.

One output ``1 x n x (5 + classes)``, a row per cell of three grids with strides 8, 16 and 32:
centre x, y, width, height, objectness, class scores. Exported without decoding, a centre is
relative to its cell and a size is a logarithm, both in strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image
from reelabel.models.detectors.letterbox import letterbox

STRIDES = (8, 16, 32)
"""Pixels per cell of the grids, finest first."""
_COLUMNS_BEFORE_CLASSES = 5
_MAX_LOG_SIZE = 20.0


def grid(size_wh: tuple[int, int], strides: Sequence[int]) -> NDArray[np.float32]:
    """Return ``(n, 3)`` float32: column, row and stride of every cell, finest grid first.

    >>> grid((16, 8), [8])
    array([[0., 0., 8.],
           [1., 0., 8.]], dtype=float32)
    """
    levels = []
    for stride in strides:
        columns, rows = (-(-side // stride) for side in size_wh)
        y, x = np.mgrid[:rows, :columns]
        levels.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], axis=1))
    return np.concatenate(levels).astype(np.float32)


def unrolled(raw: NDArray[np.float32], cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return boxes in pixels, ``(n, 4)`` xyxy, of raw outputs.

    Args:
        raw: ``(n, 4)``: a centre relative to its cell and the logarithm of a size, in strides.
        cells: ``(n, 3)`` of `grid`.
    """
    stride = cells[:, 2:]
    centre = (raw[:, :2] + cells[:, :2]) * stride
    half = np.exp(np.minimum(raw[:, 2:], _MAX_LOG_SIZE)) * stride / 2
    return np.concatenate([centre - half, centre + half], axis=1)


@dataclass(frozen=True)
class Yolox:
    """The YOLOX family.

    Attributes:
        size_wh: the network's input in pixels.
        n_classes: how many classes it has.
        decoded: True if the network was exported with the decoding inside.
    """

    name: ClassVar[str] = "yolox"
    nms_iou: ClassVar[float] = 0.65

    size_wh: tuple[int, int]
    n_classes: int
    decoded: bool

    @classmethod
    def recognise(
        cls, size_wh: tuple[int, int], outputs: Sequence[NDArray[np.float32]]
    ) -> Yolox | None:
        """Return the family's reading of a network, or None if it is another.

        Args:
            size_wh: the network's input in pixels.
            outputs: what it gives for a plain grey picture.
        """
        cells = len(grid(size_wh, STRIDES))
        if len(outputs) != 1 or outputs[0].ndim != 3:  # noqa: PLR2004 -- batch, cell, column
            return None
        _, rows, columns = outputs[0].shape
        if rows != cells or columns <= _COLUMNS_BEFORE_CLASSES:
            return None
        # Decoded centres spread over the picture; raw ones stay within a few strides of zero.
        decoded = float(np.mean(outputs[0][..., :2])) > min(size_wh) / 8
        return cls(size_wh, columns - _COLUMNS_BEFORE_CLASSES, decoded)

    @cached_property
    def _grid(self) -> NDArray[np.float32]:
        return grid(self.size_wh, STRIDES)

    def prepare(self, picture: Image, into: NDArray[np.float32]) -> tuple[float, float]:
        """Write a picture into the input ``(3, h, w)``; return factors back to its pixels."""
        return letterbox(picture, into)

    def decode(
        self, outputs: Sequence[NDArray[np.float32]], floor: float, asked: NDArray[np.int64]
    ) -> Boxes:
        """Return the boxes of one picture in network pixels, before suppression.

        Each cell gives one box, of its best class among those asked for, so that one object does
        not come back under several names; the score is objectness times class score.

        Args:
            outputs: one array ``(n, 5 + classes)``.
            floor: boxes with a lower score are dropped.
            asked: ``(k,)`` the classes to choose among.
        """
        cells = np.flatnonzero(outputs[0][:, 4] >= floor)  # a class score is at most 1
        rows = outputs[0][cells]
        class_id = asked[rows[:, 5 + asked].argmax(axis=1)]
        score = rows[:, 4] * rows[np.arange(len(rows)), 5 + class_id]
        good = score >= floor
        xyxy = self._boxes(rows[good, :4], self._grid[cells[good]])
        return Boxes(xyxy, np.clip(score[good], 0, 1), class_id[good])

    def _boxes(self, raw: NDArray[np.float32], cells: NDArray[np.float32]) -> NDArray[np.float32]:
        if not self.decoded:
            return unrolled(raw, cells)
        centre, size = raw[:, :2], raw[:, 2:]
        return np.concatenate([centre - size / 2, centre + size / 2], axis=1)
