"""NanoDet-m (a small anchor-free detector with generalised focal loss): in and out.

Two outputs for each of the strides 8, 16 and 32: class scores ``1 x n x classes`` and, for each
of the four sides, a distribution over distances of 0..7 strides, ``1 x n x 32`` before softmax
(Li et al., "Generalized Focal Loss", 2020). The distance is the mean of the distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image
from reelabel.models.detectors.letterbox import letterbox
from reelabel.models.detectors.yolox import grid

_STRIDES = (8, 16, 32)
_BINS = 8
_SIDES = 4
_MEAN_BGR = np.array([103.53, 116.28, 123.675], np.float32)[:, None, None]
_STD_BGR = np.array([57.375, 57.12, 58.395], np.float32)[:, None, None]


@dataclass(frozen=True)
class NanoDet:
    """The NanoDet-m family.

    Attributes:
        size_wh: the network's input in pixels.
        n_classes: how many classes it has.
    """

    name: ClassVar[str] = "nanodet"
    nms_iou: ClassVar[float] = 0.6

    size_wh: tuple[int, int]
    n_classes: int

    @classmethod
    def recognise(
        cls, size_wh: tuple[int, int], outputs: Sequence[NDArray[np.float32]]
    ) -> NanoDet | None:
        """Return the family's reading of a network, or None if it is another.

        Args:
            size_wh: the network's input in pixels.
            outputs: what it gives for a plain grey picture.
        """
        rows = [len(grid(size_wh, [stride])) for stride in _STRIDES]
        if [o.shape[1:2] for o in outputs] != [(n,) for n in rows] * 2:
            return None
        widths = [o.shape[2] for o in outputs if o.ndim == 3]  # noqa: PLR2004 -- batch, cell, column
        if widths != [widths[0]] * 3 + [_SIDES * _BINS] * 3:
            return None
        return cls(size_wh, widths[0])

    def prepare(self, picture: Image, into: NDArray[np.float32]) -> tuple[float, float]:
        """Write a picture into the input ``(3, h, w)``; return factors back to its pixels."""
        back = letterbox(picture, into, pad=0.0)
        into -= _MEAN_BGR
        into /= _STD_BGR
        return back

    def decode(
        self, outputs: Sequence[NDArray[np.float32]], floor: float, asked: NDArray[np.int64]
    ) -> Boxes:
        """Return the boxes of one picture in network pixels, before suppression.

        Each cell gives one box, of its best class among those asked for.

        Args:
            outputs: three arrays ``(n, classes)``, then three ``(n, 32)``.
            floor: boxes with a lower score are dropped.
            asked: ``(k,)`` the classes to choose among.
        """
        scores = np.concatenate(outputs[:3])
        class_id = asked[scores[:, asked].argmax(axis=1)]
        best = scores[np.arange(len(scores)), class_id]
        good = np.flatnonzero(best >= floor)
        xyxy = self._boxes(np.concatenate(outputs[3:])[good], good)
        return Boxes(xyxy, np.clip(best[good], 0, 1), class_id[good])

    def _boxes(self, raw: NDArray[np.float32], cells: NDArray[np.int64]) -> NDArray[np.float32]:
        odds = np.exp(raw.reshape(-1, _SIDES, _BINS) - raw.max(axis=1)[:, None, None])
        steps = (odds @ np.arange(_BINS, dtype=np.float32)) / odds.sum(axis=2)
        places = grid(self.size_wh, _STRIDES)[cells]
        stride = places[:, 2:]
        centre = (places[:, :2] + 0.5) * stride - 0.5
        away = steps * stride
        return np.concatenate([centre - away[:, :2], centre + away[:, 2:]], axis=1)
