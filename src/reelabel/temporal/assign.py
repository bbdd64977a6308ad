"""Optimal one-to-one assignment over sparse choices: easy parts at once, hard parts exactly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reelabel.data.sequence import Bools, Floats, Ints

_DENSE_LIMIT = 1_000_000
"""A group whose matrix would have more cells than this is resolved best pair first."""


def assign(left: Ints, right: Ints, benefit: Floats) -> Bools:
    """Choose pairs such that no side is used twice and the sum of benefits is the largest.

    Args:
        left: ``(n,)`` one side of each possible pair, small numbers from 0 on.
        right: ``(n,)`` the other side, with numbers of its own.
        benefit: ``(n,)`` what the pair is worth, > 0.

    Returns:
        ``(n,)`` True for the chosen pairs.

    Pairs fall into groups that share nothing. Where every left side's best partner is the best of
    no other (or the other way round) those bests are the optimum; only groups with conflicts go
    through the Hungarian method. One of more than a thousand by a thousand is resolved best first.
    """
    chosen = np.zeros(len(left), bool)
    if not len(left):
        return chosen
    group = _groups(left, right)
    best_l, best_r = _best_of(left, right, benefit), _best_of(right, left, benefit)
    conflict_l = _clashing_groups(group[best_l], right[best_l], group.max() + 1)
    conflict_r = _clashing_groups(group[best_r], left[best_r], group.max() + 1)
    chosen[best_l[~conflict_l[group[best_l]]]] = True
    chosen[best_r[(conflict_l & ~conflict_r)[group[best_r]]]] = True
    for pairs in _members(group, np.flatnonzero(conflict_l & conflict_r)):
        chosen[pairs[_optimum(left[pairs], right[pairs], benefit[pairs])]] = True
    return chosen


def _groups(left: Ints, right: Ints) -> Ints:
    from scipy.sparse import coo_matrix  # noqa: PLC0415 -- slow to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 -- the same

    n_left, n_right = int(left.max()) + 1, int(right.max()) + 1
    shape = (n_left + n_right,) * 2
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right + n_left)), shape=shape)
    label = connected_components(graph, directed=False)[1]
    result: Ints = np.unique(label[left], return_inverse=True)[1].astype(np.int64)
    return result


def _best_of(side: Ints, other: Ints, benefit: Floats) -> Ints:
    """Return for each number in `side` the position of its best pair."""
    order = np.lexsort((other, -benefit, side))
    first = np.r_[True, side[order][1:] != side[order][:-1]]
    result: Ints = order[first]
    return result


def _clashing_groups(group: Ints, wanted: Ints, n_groups: int) -> Bools:
    """Return which groups hold a `wanted` number more than once."""
    result = np.zeros(n_groups, bool)
    result[group[np.bincount(wanted)[wanted] > 1]] = True
    return result


def _members(group: Ints, wanted: Ints) -> Iterator[Ints]:
    """Yield the positions of each wanted group."""
    order = np.argsort(group, kind="stable")
    low = np.searchsorted(group[order], wanted)
    high = np.searchsorted(group[order], wanted, side="right")
    for start, stop in zip(low, high, strict=True):
        yield order[start:stop]


def _optimum(left: Ints, right: Ints, benefit: Floats) -> Ints:
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 -- slow to import

    rows, at_row = np.unique(left, return_inverse=True)
    columns, at_column = np.unique(right, return_inverse=True)
    if len(rows) * len(columns) > _DENSE_LIMIT:
        return _best_first(at_row, at_column, benefit)
    matrix = np.zeros((len(rows), len(columns)))
    which = np.full(matrix.shape, -1)
    matrix[at_row, at_column], which[at_row, at_column] = benefit, np.arange(len(left))
    pairs = which[linear_sum_assignment(matrix, maximize=True)]
    result: Ints = pairs[pairs >= 0]
    return result


def _best_first(row: Ints, column: Ints, benefit: Floats) -> Ints:
    used_row, used_column = set[int](), set[int]()
    taken = []
    for pair in np.lexsort((column, row, -benefit)).tolist():
        if int(row[pair]) not in used_row and int(column[pair]) not in used_column:
            used_row.add(int(row[pair]))
            used_column.add(int(column[pair]))
            taken.append(pair)
    return np.array(taken, np.int64)
