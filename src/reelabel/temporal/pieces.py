"""Pieces of tracks, and joining them over gaps by extrapolated velocity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from reelabel.data.sequence import Floats, Ints, centres
from reelabel.temporal.assign import assign

_TAIL = 7
"""A course is measured over so many boxes at a piece's end: longer lags, shorter is noisy."""
_BASE, _UNSURE, _TURN, _WIDEST = 0.45, 0.6, 0.06, 1.0
"""Allowed miss, in box sizes: at all, per frame without known velocity, per frame, and at most."""
_MIN_SIZE_PX = 8.0
_OTHER_SHAPE = 0.5
"""Boxes one of whose sides differs by so many box sizes are not one object."""
_KINK, _STEADY = 0.6, 5
"""A piece is split where the course of so many boxes before and after differs by so many sizes."""
_TURN_COST, _GAP_COST = 1.0, 0.45
"""How a change of velocity, and a missing frame, lower what joining is worth."""
_LEAST_WORTH = 0.01
"""Joining that is worth less, of 1, is not made: an object has rather come or gone."""
_GAP_PER_BOX = 3
"""So many missing frames may be closed per frame that the shorter history spans: a single box
has no velocity."""
_PAIRS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Pieces:
    """Chains of boxes, one per frame at most; rows are in order of frames.

    Attributes:
        frame: ``(n,)`` ascending.
        centre: ``(n, 2)`` the middle of each box in pixels.
        wh: ``(n, 2)`` its sides in pixels.
        key: ``(n,)`` only pieces of equal keys are joined.
        root: ``(n,)`` the piece of each box, named by its first row.
    """

    frame: Ints
    centre: Floats
    wh: Floats
    key: Ints
    root: Ints

    @classmethod
    def joined(cls, frame: Ints, xyxy: Floats, key: Ints, links: tuple[Ints, Ints]) -> Pieces:
        """Make pieces from links (earlier row, later row); each row has one successor at most."""
        before = np.arange(len(frame))
        before[links[1]] = links[0]
        return cls(frame, centres(xyxy), xyxy[:, 2:] - xyxy[:, :2], key, _roots(before))


class _End(NamedTuple):
    """One end of every piece, and the course there: straight through its last few boxes.

    Attributes:
        row: ``(pieces,)`` the outermost box; `frame`: its frame.
        centre: ``(pieces, 2)`` where the course ends, in pixels.
        speed: ``(pieces, 2)`` along it, in pixels per frame; 0 for a single box.
        wh: ``(pieces, 2)`` the mean sides of its boxes, in pixels.
        span: ``(pieces,)`` how many frames it covers; 0 for a single box.
    """

    row: Ints
    frame: Ints
    centre: Floats
    speed: Floats
    wh: Floats
    span: Ints


def _roots(before: Ints) -> Ints:
    """Follow pointers to earlier rows to their ends, doubling the stride each time."""
    while True:
        further = before[before]
        if np.array_equal(further, before):
            return before
        before = further


def join_once(pieces: Pieces, gap: int, tolerance: float = 1.0) -> Pieces:
    """Join pieces whose frames lie at most `gap` apart, each end with one start at most.

    `tolerance`, 0..1, is the share of the usual miss that is allowed.
    """
    if not len(pieces.frame):
        return pieces  # nothing to name portions after
    first, last = _ends(pieces)
    near = _near_in_time(pieces, first, last, gap)
    parts = [_fitting(first, last, pairs, tolerance) for pairs in near]
    left, right, benefit = (np.concatenate(part) for part in zip(*parts, strict=True))
    taken = assign(left, right, benefit)
    before = np.arange(len(pieces.frame))
    before[first.row[right[taken]]] = first.row[left[taken]]
    return replace(pieces, root=_roots(before)[pieces.root])


def broken_at_kinks(pieces: Pieces) -> Pieces:
    """Split pieces where the course before and the course after do not fit each other.

    Where two objects cross and one of them is missed, a piece may continue with the other. Split
    there, both can be joined again, now that their velocities are known.
    """
    if len(pieces.frame) < 2 * _STEADY:
        return pieces
    order = np.argsort(pieces.root, kind="stable")
    begins = np.r_[True, np.diff(pieces.root[order]) != 0]
    kink = _kinks(pieces, order, np.cumsum(begins))
    begins[1:] |= (kink > _KINK) & (kink >= _highest_near(kink, _STEADY // 2))
    root = np.empty_like(pieces.root)
    starts = np.flatnonzero(begins)
    root[order] = order[np.repeat(starts, np.diff(np.r_[starts, len(order)]))]
    return replace(pieces, root=root)


def _kinks(pieces: Pieces, order: Ints, piece: Ints) -> Floats:
    """Return for each pair of neighbours in `order` how far the courses diverge, in box sizes."""
    at = np.arange(len(order) - 1)
    low, high = np.maximum(at - _STEADY + 1, 0), np.minimum(at + _STEADY, len(order) - 1)
    whole = (piece[low] == piece[high]) & (at >= _STEADY - 1) & (at + _STEADY < len(order))
    before = _speed(pieces, order[low], order[at])
    after = _speed(pieces, order[at + 1], order[high])
    apart = np.hypot(*(after - before).T) * _STEADY
    return np.where(whole, apart / _size(pieces.wh[order[at]], pieces.wh[order[at + 1]]), 0.0)


def _highest_near(values: Floats, reach: int) -> Floats:
    padded = np.pad(values, reach)
    result: Floats = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=-1)
    return result


def _speed(pieces: Pieces, a: Ints, b: Ints) -> Floats:
    way = pieces.centre[b] - pieces.centre[a]
    result: Floats = way / np.maximum(pieces.frame[b] - pieces.frame[a], 1)[:, None]
    return result


def _ends(pieces: Pieces) -> tuple[_End, _End]:
    """Return the first and the last end of every piece."""
    order = np.argsort(pieces.root, kind="stable")  # rows ascend, and so do frames, inside a piece
    begins = np.flatnonzero(np.diff(pieces.root[order], prepend=-1))
    length = np.diff(begins, append=len(order))
    first = _end(pieces, order, begins, length)
    return first, _end(pieces, order[::-1], len(order) - begins - length, length)


def _end(pieces: Pieces, order: Ints, begins: Ints, length: Ints) -> _End:
    """Fit straight lines to the boxes that follow each of `begins` in `order`."""
    row = order[begins]
    frame, centre = pieces.frame[row], pieces.centre[row]
    # Sums over the boxes of a tail, from its end inwards: one order for both directions of time.
    n = np.minimum(length, _TAIL)
    time, time2, span = np.zeros((3, len(row)))
    way, way_time, wh = np.zeros((len(row), 2)), np.zeros((len(row), 2)), pieces.wh[row]
    these = np.arange(len(row))
    for k in range(1, _TAIL):
        these = these[n[these] > k]
        here = order[begins[these] + k]
        t = (pieces.frame[here] - frame[these]).astype(np.float64)
        c = pieces.centre[here] - centre[these]
        time[these] += t
        time2[these] += t * t
        way[these] += c
        way_time[these] += t[:, None] * c
        wh[these] += pieces.wh[here]
        span[these] = t
    spread = np.maximum(n * time2 - time * time, 1)[:, None]
    count, time = n[:, None], time[:, None]
    speed = np.where(count > 1, (count * way_time - time * way) / spread, 0)
    centre += (way - speed * time) / count
    return _End(row, frame, centre, speed, wh / count, np.abs(span).astype(np.int64))


def _near_in_time(pieces: Pieces, first: _End, last: _End, gap: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs (piece that ends, piece that starts soon after), in portions."""
    # Ascending, as pieces are named by their first row.
    low = np.searchsorted(first.frame, last.frame, side="right")
    count = np.searchsorted(first.frame, last.frame + gap, side="right") - low
    portion = np.cumsum(count) // _PAIRS_AT_ONCE
    key = pieces.key[first.row]
    for number in range(int(portion[-1]) + 1):
        these = np.flatnonzero(portion == number)
        counts = count[these]
        left = np.repeat(these, counts)
        inside = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
        right = np.repeat(low[these], counts) + inside
        same = key[left] == key[right]
        yield left[same], right[same]


def _fitting(
    first: _End, last: _End, pairs: tuple[Ints, Ints], tolerance: float
) -> tuple[Ints, Ints, Floats]:
    """Return the pairs that may be one object, and what joining them is worth, 0..1.

    The way over a gap is the mean of the velocities before and after times its length, each
    velocity weighted by the frames that it rests on.
    """
    # One test after the other, as most pairs fail the first ones.
    left, right = _reachable(first, last, pairs)
    gap = first.frame[right] - last.frame[left]
    span_a, span_b = last.span[left], first.span[right]
    known = span_a + span_b
    allowed = np.minimum(_BASE + gap * (_UNSURE / (1 + known) + _TURN), _WIDEST) * tolerance
    scale = gap / np.maximum(known, 1)
    speed_a, speed_b = last.speed[left], first.speed[right]
    way = (scale * span_a)[:, None] * speed_a + (scale * span_b)[:, None] * speed_b
    size = _size(last.wh[left], first.wh[right])
    miss = np.hypot(*(first.centre[right] - last.centre[left] - way).T) / (allowed * size)
    other = np.abs(first.wh[right] - last.wh[left]).max(axis=1, initial=0) / (_OTHER_SHAPE * size)
    turn = np.hypot(*(speed_b - speed_a).T) * np.minimum(span_a, span_b) / size
    benefit = np.maximum(1 - miss, 0) * np.maximum(1 - other, 0)
    benefit /= (1 + _GAP_COST * (gap - 1)) * (1 + _TURN_COST * turn)
    worth = benefit > _LEAST_WORTH
    return left[worth], right[worth], benefit[worth]


def _reachable(first: _End, last: _End, pairs: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Return the pairs whose gap is short enough for what is known, and that lie near in x and y.

    The bound is loose: the mean velocity reaches no farther than the faster one of both.
    """
    left, right = pairs
    gap = first.frame[right] - last.frame[left]
    near = gap <= 1 + _GAP_PER_BOX * (last.span[left] + first.span[right] + 1)
    left, right, gap = left[near], right[near], gap[near]
    widest = _WIDEST * max(float(_size(first.wh, last.wh).max()), _MIN_SIZE_PX)
    for axis in (0, 1):
        fastest = np.maximum(np.abs(last.speed[left, axis]), np.abs(first.speed[right, axis]))
        apart = np.abs(first.centre[right, axis] - last.centre[left, axis])
        near = apart <= gap * fastest + widest
        left, right, gap = left[near], right[near], gap[near]
    return left, right


def _size(wh_a: Floats, wh_b: Floats) -> Floats:
    """Return the common size of two boxes, the square root of their mean area, in pixels."""
    area = (wh_a * wh_b).prod(axis=1)
    result: Floats = np.maximum(np.sqrt(np.sqrt(area)), _MIN_SIZE_PX)
    return result
