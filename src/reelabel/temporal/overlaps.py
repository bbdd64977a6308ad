"""Which boxes of neighbouring frames overlap, for all frames of a video at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reelabel.temporal.sequence import Floats, Ints, paired_iou

_CELLS = 400_000
"""About so many pairs are compared at once: fits the processor's cache, bounds the memory."""


def consecutive_overlaps(
    frame: Ints, xyxy: Floats, key: Ints, min_iou: float, step: int = 1
) -> tuple[Ints, Ints, Floats]:
    """Find pairs of boxes in frames ``t`` and ``t + step`` that overlap.

    Args:
        frame: ``(n,)`` ascending.
        xyxy: ``(n, 4)`` boxes in pixels.
        key: ``(n,)`` only boxes of equal keys are paired.
        min_iou: the smallest overlap that counts, > 0.

    Returns:
        Rows of the earlier box, rows of the later box, their overlap: three ``(pairs,)`` arrays.
    """
    # Single precision halves the time; the empty box at the end is what -1 in the tables means.
    compact = np.concatenate((xyxy, np.zeros((1, 4)))).astype(np.float32)
    parts = [_overlaps(compact, key, min_iou, rows) for rows in _chunks(frame, step)]
    if not parts:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    left, right, iou = (np.concatenate(part) for part in zip(*parts, strict=True))
    return left, right, iou


def _chunks(frame: Ints, step: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield rows of earlier and later frames as two tables, ``(frames, widest)``, -1 = none."""
    if not len(frame):
        return
    present, start, count = np.unique(frame, return_index=True, return_counts=True)
    after = np.searchsorted(present, present + step)
    follows = np.flatnonzero(np.append(present, -1)[after] == present + step)
    after = after[follows]
    at = 0
    while at < len(follows):
        ahead = slice(at, at + 512)
        widest = int(np.maximum(count[follows[ahead]], count[after[ahead]]).max())
        these = slice(at, at + min(512, max(1, _CELLS // widest**2)))
        yield _table(start, count, follows[these]), _table(start, count, after[these])
        at = these.stop


def _table(start: Ints, count: Ints, which: Ints) -> Ints:
    column = np.arange(int(count[which].max()))
    table = start[which][:, None] + column
    return np.where(column < count[which][:, None], table, -1)


def _overlaps(
    compact: NDArray[np.float32], key: Ints, min_iou: float, rows: tuple[Ints, Ints]
) -> tuple[Ints, Ints, Floats]:
    earlier, later = rows
    iou = paired_iou(compact[earlier][:, :, None], compact[later][:, None, :])
    t, i, j = np.nonzero(iou >= min_iou)
    left, right = earlier[t, i], later[t, j]
    same = key[left] == key[right]
    return left[same], right[same], iou[t, i, j][same].astype(np.float64)
