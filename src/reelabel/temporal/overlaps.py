"""Which boxes of neighbouring frames overlap, for all frames of a video at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Bools, Floats, Ints

_CELLS = 200_000
"""About so many pairs are compared at once: fits the processor's cache, limits the memory."""


class Neighbours(NamedTuple):
    """Which boxes are compared.

    Attributes:
        step: how many frames the second box lies after the first.
        earlier, later: ascending rows that may be the first and the second box; None = all.
    """

    step: int = 1
    earlier: Ints | None = None
    later: Ints | None = None


_ALL_NEXT = Neighbours()


def consecutive_overlaps(
    frame: Ints,
    xyxy: Floats,
    key: Ints,
    min_iou: float,
    *,
    which: Neighbours = _ALL_NEXT,
) -> tuple[Ints, Ints, Floats]:
    """Find pairs of boxes in frames ``t`` and ``t + step`` that overlap.

    Args:
        frame: ``(n,)`` ascending.
        xyxy: ``(n, 4)`` boxes in pixels.
        key: ``(n,)`` only boxes of equal keys are paired.
        min_iou: the smallest overlap that counts, > 0.
        which: the step, and which boxes are compared.

    Returns:
        Rows of the earlier box, rows of the later box, their overlap: three ``(pairs,)`` arrays.
    """
    # Single precision halves the time; the empty box at the end is what -1 in the tables means.
    compact = np.concatenate((xyxy, np.zeros((1, 4)))).astype(np.float32)
    parts = [_overlaps(compact, key, min_iou, rows) for rows in _chunks(frame, which)]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    left, right, iou = (np.concatenate(part) for part in zip(*parts, strict=True))
    return left, right, iou


class _Frames(NamedTuple):
    """Rows by frame: which frames have any, where each begins in `rows`, and how many it has."""

    rows: Ints
    present: Ints
    start: Ints
    counts: Ints

    @classmethod
    def of(cls, frame: Ints, rows: Ints | None) -> _Frames:
        rows = np.arange(len(frame)) if rows is None else rows
        begins = np.flatnonzero(np.diff(frame[rows], prepend=-1))
        return cls(rows, frame[rows[begins]], begins, np.diff(begins, append=len(rows)))

    def table(self, these: Ints) -> Ints:
        """Return the rows of some frames, ``(frames, widest)``, filled up with -1."""
        column = np.arange(int(self.counts[these].max()))
        there = column < self.counts[these][:, None]
        return np.where(
            there, self.rows[np.where(there, self.start[these][:, None] + column, 0)], -1
        )


def _chunks(frame: Ints, which: Neighbours) -> Iterator[tuple[Ints, Ints]]:
    """Yield tables of rows of earlier and of later frames, frame beside frame."""
    first, second = _Frames.of(frame, which.earlier), _Frames.of(frame, which.later)
    _, a, b = np.intersect1d(
        first.present + which.step, second.present, assume_unique=True, return_indices=True
    )
    at = 0
    while at < len(a):
        ahead = slice(at, at + 512)
        cells = int(first.counts[a[ahead]].max() * second.counts[b[ahead]].max())
        these = slice(at, at + min(512, max(1, _CELLS // cells)))
        yield first.table(a[these]), second.table(b[these])
        at = these.stop


def _overlaps(
    compact: NDArray[np.float32], key: Ints, min_iou: float, rows: tuple[Ints, Ints]
) -> tuple[Ints, Ints, Floats]:
    earlier, later = rows
    t, i, j = np.nonzero(_may_overlap(compact[earlier], compact[later], min_iou))
    left, right = earlier[t, i], later[t, j]
    iou = paired_iou(compact[left], compact[right]).astype(np.float64)
    good = (iou >= min_iou) & (key[left] == key[right])
    return left[good], right[good], iou[good]


def _may_overlap(earlier: NDArray[np.float32], later: NDArray[np.float32], min_iou: float) -> Bools:
    """Pre-filter: return which pairs may overlap by `min_iou`, ``(frames, boxes, boxes)``.

    No pair that reaches `min_iou` is lost; `reelabel.data.boxes.paired_iou` decides about the few
    that are left. Nearly all pairs fail here, so this dominates the time of linking: nothing is
    divided, and results are written over operands.
    """
    a, b = np.moveaxis(earlier, 2, 0)[..., None], np.moveaxis(later, 2, 0)[:, :, None]
    wide = np.minimum(a[2], b[2])
    wide -= np.maximum(a[0], b[0])
    np.maximum(wide, 0, out=wide)
    tall = np.minimum(a[3], b[3])
    tall -= np.maximum(a[1], b[1])
    wide *= tall
    # Shared area over the union is at least r if shared * (1 + r) is at least r * both areas. A
    # negative height fails like a small one; the bound is a little lower than rounding may reach.
    wide *= (1 + min_iou) / (0.999 * min_iou)
    both: Bools = wide > (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return both
