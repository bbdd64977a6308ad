"""Pieces of tracks, and joining them over gaps by where their velocities lead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from reelabel.temporal.assign import assign
from reelabel.temporal.sequence import Floats, Ints, centres

_TAIL = 6
"""Velocity is measured over so many boxes at a piece's end: longer lags, shorter is noisy."""
_BASE, _UNSURE, _TURN, _WIDEST = 0.35, 0.6, 0.04, 1.0
"""Allowed miss, in box sizes: at all, per frame without known velocity, per frame, and at most."""
_MIN_SIZE_PX = 8.0
_SIDE_RATIO = 2.0
_KINK, _STEADY = 0.6, 5
"""A course is cut where that of so many boxes before parts from that after by so many sizes."""
_TURN_COST, _GAP_COST = 0.5, 0.3
"""How a change of velocity, and a missing frame, lower what joining is worth."""
_GAP_PER_BOX = 3
"""So many missing frames may be closed per box of the shorter history: nobody knows where a
single box goes."""
_PAIRS_AT_ONCE = 500_000


@dataclass(frozen=True)
class Pieces:
    """Chains of boxes, one per frame at most; rows are in order of frames.

    Attributes:
        frame: ``(n,)`` ascending.
        centre: ``(n, 2)`` the middle of each box in pixels.
        log_wh: ``(n, 2)`` the logarithm of its sides, so that differences are ratios.
        key: ``(n,)`` only pieces of equal keys are joined.
        root: ``(n,)`` the piece of each box, named by its first row.
    """

    frame: Ints
    centre: Floats
    log_wh: Floats
    key: Ints
    root: Ints

    @classmethod
    def joined(cls, frame: Ints, xyxy: Floats, key: Ints, links: tuple[Ints, Ints]) -> Pieces:
        """Make pieces from links (earlier row, later row); each row has one successor at most."""
        before = np.arange(len(frame))
        before[links[1]] = links[0]
        log_wh = np.log(np.maximum(xyxy[:, 2:] - xyxy[:, :2], 1))
        return cls(frame, centres(xyxy), log_wh, key, _roots(before))


@dataclass(frozen=True)
class _Ends:
    """Both ends of each piece.

    Attributes:
        first, last: rows of the first and the last box; `begins`, `over`: their frames.
        weight: over how many steps the velocities are measured, 0 = none is known.
        speed_first, speed_last: velocity at both ends, pixels per frame.
        fastest: the larger absolute velocity of both ends, in x and in y.
        largest: a size that no box exceeds, pixels.
    """

    first: Ints
    last: Ints
    begins: Ints
    over: Ints
    weight: Ints
    speed_first: Floats
    speed_last: Floats
    fastest: Floats
    largest: float


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
    ends = _ends(pieces)
    parts = [_fitting(pieces, ends, pairs, tolerance) for pairs in _near_in_time(pieces, ends, gap)]
    left, right, benefit = (np.concatenate(part) for part in zip(*parts, strict=True))
    taken = assign(left, right, benefit)
    before = np.arange(len(pieces.frame))
    before[ends.first[right[taken]]] = ends.first[left[taken]]
    return replace(pieces, root=_roots(before)[pieces.root])


def broken_at_kinks(pieces: Pieces) -> Pieces:
    """Cut pieces where the course before and the course after do not fit each other.

    Where two objects cross and one of them is missed, a piece may go on with the other. Cut there,
    both can be joined anew, now that their velocities are known.
    """
    if len(pieces.frame) < 2 * _STEADY:
        return pieces
    order = np.argsort(pieces.root, kind="stable")
    begins = np.r_[True, np.diff(pieces.root[order]) != 0]
    kink = _kinks(pieces, order, np.cumsum(begins))
    begins[1:] |= (kink > _KINK) & (kink >= _highest_near(kink, _TAIL // 2))
    root = np.empty_like(pieces.root)
    starts = np.flatnonzero(begins)
    root[order] = order[np.repeat(starts, np.diff(np.r_[starts, len(order)]))]
    return replace(pieces, root=root)


def _kinks(pieces: Pieces, order: Ints, piece: Ints) -> Floats:
    """Return for each pair of neighbours in `order` how far the courses part, in box sizes."""
    at = np.arange(len(order) - 1)
    low, high = np.maximum(at - _STEADY + 1, 0), np.minimum(at + _STEADY, len(order) - 1)
    whole = (piece[low] == piece[high]) & (at >= _STEADY - 1) & (at + _STEADY < len(order))
    before = _speed(pieces, order[low], order[at])
    after = _speed(pieces, order[at + 1], order[high])
    apart = np.hypot(*(after - before).T) * _STEADY
    return np.where(whole, apart / _size(pieces, order[at], order[at + 1]), 0.0)


def _highest_near(values: Floats, reach: int) -> Floats:
    padded = np.pad(values, reach)
    result: Floats = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=-1)
    return result


def _ends(pieces: Pieces) -> _Ends:
    order = np.argsort(pieces.root, kind="stable")  # rows ascend, and so do frames, inside a piece
    first, start, length = np.unique(pieces.root[order], return_index=True, return_counts=True)
    last = order[start + length - 1]
    reach = np.minimum(length, _TAIL) - 1
    speed_first = _speed(pieces, first, order[start + reach])
    speed_last = _speed(pieces, order[start + length - 1 - reach], last)
    return _Ends(
        first=first,
        last=last,
        begins=pieces.frame[first],
        over=pieces.frame[last],
        weight=reach,
        speed_first=speed_first,
        speed_last=speed_last,
        fastest=np.maximum(np.abs(speed_first), np.abs(speed_last)).T,
        largest=max(float(np.exp(pieces.log_wh.sum(axis=1).max() / 2)), _MIN_SIZE_PX),
    )


def _speed(pieces: Pieces, a: Ints, b: Ints) -> Floats:
    way = pieces.centre[b] - pieces.centre[a]
    result: Floats = way / np.maximum(pieces.frame[b] - pieces.frame[a], 1)[:, None]
    return result


def _near_in_time(pieces: Pieces, ends: _Ends, gap: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs (piece that ends, piece that starts soon after), in portions."""
    # `begins` is ascending, as pieces are named by their first row.
    low = np.searchsorted(ends.begins, ends.over, side="right")
    count = np.searchsorted(ends.begins, ends.over + gap, side="right") - low
    portion = np.cumsum(count) // _PAIRS_AT_ONCE
    for number in range(int(portion[-1]) + 1):
        these = np.flatnonzero(portion == number)
        left = np.repeat(these, count[these])
        inside = np.arange(len(left)) - np.repeat(
            np.cumsum(count[these]) - count[these], count[these]
        )
        right = np.repeat(low[these], count[these]) + inside
        same = pieces.key[ends.first[left]] == pieces.key[ends.first[right]]
        yield left[same], right[same]


def _fitting(
    pieces: Pieces, ends: _Ends, pairs: tuple[Ints, Ints], tolerance: float
) -> tuple[Ints, Ints, Floats]:
    """Return the pairs that may be one object, and what joining them is worth, 0..1.

    The way over a gap is the mean of the velocities before and after times its length, each
    velocity weighted by the boxes that it rests on.
    """
    # One test after the other, as most pairs fail the first ones.
    left, right = _reachable(pieces, ends, pairs)
    a, b = ends.last[left], ends.first[right]
    gap = pieces.frame[b] - pieces.frame[a]
    weight_a, weight_b = ends.weight[left], ends.weight[right]
    known = weight_a + weight_b
    allowed = np.minimum(_BASE + gap * (_UNSURE / (1 + known) + _TURN), _WIDEST) * tolerance
    scale = gap / np.maximum(known, 1)
    way = (scale * weight_a)[:, None] * ends.speed_last[left]
    way += (scale * weight_b)[:, None] * ends.speed_first[right]
    size = _size(pieces, a, b)
    miss = np.hypot(*(pieces.centre[b] - pieces.centre[a] - way).T) / (allowed * size)
    benefit = (1 - miss) / (1 + _GAP_COST * (gap - 1)) * _alike(pieces.log_wh[a], pieces.log_wh[b])
    turn = np.hypot(*(ends.speed_first[right] - ends.speed_last[left]).T)
    benefit /= 1 + _TURN_COST * turn * np.minimum(weight_a, weight_b) / size
    worth = benefit > 0
    return left[worth], right[worth], benefit[worth]


def _reachable(pieces: Pieces, ends: _Ends, pairs: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Return the pairs whose gap is short enough for what is known, and that lie near in x and y.

    The bound is loose: the mean velocity leads no farther than the faster one of both.
    """
    left, right = pairs
    gap = ends.begins[right] - ends.over[left]
    near = gap <= 1 + _GAP_PER_BOX * (ends.weight[left] + ends.weight[right] + 1)
    left, right, gap = left[near], right[near], gap[near]
    for axis in (0, 1):
        place = pieces.centre[:, axis]
        fastest = np.maximum(ends.fastest[axis][left], ends.fastest[axis][right])
        apart = np.abs(place[ends.first][right] - place[ends.last][left])
        near = apart <= gap * fastest + _WIDEST * ends.largest
        left, right, gap = left[near], right[near], gap[near]
    return left, right


def _size(pieces: Pieces, a: Ints, b: Ints) -> Floats:
    """Return the common size of two boxes, the square root of their mean area, in pixels."""
    size = np.exp((pieces.log_wh[a] + pieces.log_wh[b]).sum(axis=1) / 4)
    result: Floats = np.maximum(size, _MIN_SIZE_PX)
    return result


def _alike(log_wh_a: Floats, log_wh_b: Floats) -> Floats:
    """Return 1 for boxes of one shape, falling to 0 where a side differs by `_SIDE_RATIO`."""
    ratio = np.abs(log_wh_a - log_wh_b).max(axis=1, initial=0)
    result: Floats = np.maximum(1 - ratio / np.log(_SIDE_RATIO), 0)
    return result
