"""Pairs of boxes of the same frame: what overlaps what, without a loop over the frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reelabel.data.boxes import Ints

_AT_ONCE = 250_000
"""Pairs that are returned together, about."""


def pairs_within(groups: Sequence[Ints]) -> Iterator[tuple[Ints, Ints]]:
    """Yield the pairs of each group, so many at a time that memory is bounded.

    Pairs come group by group, in the order of the first, then of the second member.

    Args:
        groups: numbers of boxes in an order that matters, such as the best first.

    Yields:
        The first and the second box of each pair: ``(n,)`` twice.
    """
    if not len(groups):
        return
    sizes = np.array([len(group) for group in groups])
    ordered = np.concatenate(groups)
    followers = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(ordered)) - 1
    block = np.cumsum(followers) // _AT_ONCE
    for part in np.split(np.arange(len(ordered)), np.flatnonzero(np.diff(block)) + 1):
        first = np.repeat(part, followers[part])
        begin = np.cumsum(followers[part]) - followers[part]
        second = first + 1 + np.arange(len(first)) - np.repeat(begin, followers[part])
        yield ordered[first], ordered[second]
