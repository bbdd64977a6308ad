"""Near-duplicates: which row stands for which.

A *leader* is kept and stands for the rows that are near to it, to the leader itself. Nothing is
chained: with a ~ b ~ c but a !~ c, the leader a takes b and leaves c alone. So a slow pan keeps
one picture for each stretch of similar ones, however long it is.

Rows are taken by priority, highest first, ties by position. A row that is near to a leader
follows the first such leader; any other row becomes a leader. The result is therefore a function
of the rows and priorities alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_BLOCK = 512
_LEADERS_AT_ONCE = 2048
_PAIRS_AT_ONCE = 8192
# Rounding of a float32 product of unit vectors stays well below this; a pair inside the slack is
# only looked at again in float64.
_SLACK = 2e-5
_WIDTHS = (32, 48, 64, 96, 128, 192, 256)


@dataclass(frozen=True)
class Duplicates:
    """What `find_duplicates` and `hash_duplicates` found.

    Attributes:
        leader: ``(n,)`` int64, for each row the row that stands for it; itself if it is kept.
        similarity: ``(n,)`` float64, how near the row is to its leader: cosine for embeddings,
            the share of equal bits for hashes; 1 for a row that is kept.
    """

    leader: Ints
    similarity: NDArray[np.float64]

    @property
    def kept(self) -> Bools:
        """``(n,)`` bool: True for rows that stand for themselves."""
        result: Bools = self.leader == np.arange(len(self.leader))
        return result


def find_duplicates(
    embeddings: Floats, threshold: float, priority: NDArray[Any] | None = None
) -> Duplicates:
    """Return for each embedding the kept one that stands for it.

    Every pair that decides is found: what is left out beforehand is left out by a bound. With an
    orthonormal basis whose first k directions are P and the others Q, Cauchy-Schwarz gives
    ``a.b <= Pa.Pb + |Qa||Qb|``, a product of k + 1 numbers instead of all; only pairs whose bound
    reaches the threshold are compared in full, in float64. The basis is that of the principal
    directions; k is chosen on a sample by what it costs. Memory stays near twice the input.

    Args:
        embeddings: ``(n, d)`` float32, rows of length 1.
        threshold: cosine in -1..1 from which two rows are duplicates.
        priority: ``(n,)``, highest first to be kept (such as sharpness); None means row order.

    Raises:
        ValueError: if rows are not of length 1, or if shapes or the threshold do not fit.
    """
    order = _order(len(embeddings), priority)
    _check(embeddings, threshold)
    if len(embeddings) == 0:
        return Duplicates(order, np.zeros(0))
    rows = np.ascontiguousarray(embeddings[order], dtype=np.float32)
    leader, similarity = _Clusters(rows, threshold).run()
    return Duplicates(_unsorted(order[leader], order), _unsorted(similarity, order))


def hash_duplicates(
    hashes: NDArray[np.uint64], max_distance: int, priority: NDArray[Any] | None = None
) -> Duplicates:
    """Return for each perceptual hash the kept one that stands for it.

    Meant for the frames of one shot: the work grows with rows times leaders.

    Args:
        hashes: ``(n,)`` uint64, 64-bit hashes; their Hamming distance is the difference
            of two pictures.
        max_distance: bits in 0..64 by which duplicates may differ.
        priority: ``(n,)``, highest first to be kept; None means row order.

    Raises:
        ValueError: if shapes or the distance do not fit.
    """
    order = _order(len(hashes), priority)
    if hashes.ndim != 1 or not 0 <= max_distance <= 64:  # noqa: PLR2004 -- bits of a hash
        raise ValueError(
            f"expected (n,) hashes and a distance in 0..64, got {hashes.shape} and {max_distance}"
        )
    rows = hashes[order].astype(np.uint64)
    leader = np.arange(len(rows))
    distance = np.zeros(len(rows), np.int64)
    kept = np.zeros(len(rows), np.int64)
    count = 0
    for i, row in enumerate(rows):
        apart = np.bitwise_count(rows[kept[:count]] ^ row)
        near = np.flatnonzero(apart <= max_distance)
        if near.size:
            leader[i], distance[i] = kept[near[0]], apart[near[0]]
        else:
            kept[count] = i
            count += 1
    return Duplicates(_unsorted(order[leader], order), _unsorted(1 - distance / 64, order))


class _Clusters:
    """Leader clustering of rows that are already in order of priority."""

    def __init__(self, rows: Floats, threshold: float) -> None:
        self.rows = rows
        self.threshold = threshold
        self.short = _shortened(rows, threshold)
        self.leader = np.arange(len(rows))
        self.similarity = np.ones(len(rows))
        self.kept = np.zeros(len(rows), np.int64)
        # The leaders' short rows side by side, so that a product reads them in one go.
        self.kept_short = np.empty_like(self.short)
        self.count = 0

    def run(self) -> tuple[Ints, NDArray[np.float64]]:
        """Return each row's leader and the cosine between them."""
        for start in range(0, len(self.rows), _BLOCK):
            block = np.arange(start, min(start + _BLOCK, len(self.rows)))
            open_rows = self._follow_leaders(block)
            self._settle(open_rows)
        return self.leader, self.similarity

    def _follow_leaders(self, block: Ints) -> Ints:
        """Let rows follow leaders of earlier blocks; return the rows that found none."""
        for start in range(0, self.count, _LEADERS_AT_ONCE):
            stop = min(start + _LEADERS_AT_ONCE, self.count)
            row, column = _reaching(
                self.short[block], self.kept_short[start:stop], self.threshold - _SLACK
            )
            if row.size:
                self._follow(block[row], self.kept[start + column])
                block = block[self.leader[block] == block]
        return block

    def _settle(self, block: Ints) -> None:
        """Decide among rows of one block: the first is kept, those near to it follow, and so on."""
        row, column = _reaching(self.short[block], self.short[block], self.threshold - _SLACK)
        later = column > row
        row, column = row[later], column[later]
        starts = np.searchsorted(row, np.arange(len(block) + 1))
        for i in np.unique(row):
            if self.leader[block[i]] == block[i]:
                near = block[column[starts[i] : starts[i + 1]]]
                near = near[self.leader[near] == near]
                self._follow(near, np.full(len(near), block[i]))
        kept = block[self.leader[block] == block]
        self.kept[self.count : self.count + len(kept)] = kept
        self.kept_short[self.count : self.count + len(kept)] = self.short[kept]
        self.count += len(kept)

    def _follow(self, rows: Ints, leaders: Ints) -> None:
        """Let each row follow the first of the given leaders that truly is near.

        ``rows`` ascend, and the leaders of one row ascend.
        """
        for start in range(0, len(rows), _PAIRS_AT_ONCE):
            pair = slice(start, start + _PAIRS_AT_ONCE)
            row, leader = rows[pair], leaders[pair]
            cosine = np.einsum(
                "ij,ij->i", self.rows[row], self.rows[leader], dtype=np.float64, casting="safe"
            )
            near = (cosine >= self.threshold) & (self.leader[row] == row)
            first, at = np.unique(row[near], return_index=True)
            self.leader[first] = leader[near][at]
            self.similarity[first] = cosine[near][at]


def _reaching(a: Floats, b: Floats, least: float) -> tuple[Ints, Ints]:
    """Return row and column, in row order, of each product of rows that reaches ``least``."""
    bound = a @ b.T
    # Nearly all rows reach nothing: a maximum per row is faster than a mask of all.
    rows = np.flatnonzero(bound.max(axis=1, initial=-np.inf) >= least)
    inside, column = np.nonzero(bound[rows] >= least)
    return rows[inside], column


def _shortened(rows: Floats, threshold: float) -> Floats:
    """Return ``(n, k + 1)`` rows whose products bound those of the whole rows from above.

    The whole rows are returned where no k promises to save anything.
    """
    basis = _basis(rows)
    best, best_cost = rows.shape[1], float(rows.shape[1])
    sample = rows[:: max(1, len(rows) // 1024)][:1024] @ basis
    for k in (width for width in _WIDTHS if width < rows.shape[1]):
        bound = _with_rest(sample, k)
        reached = np.mean(bound @ bound.T >= threshold - _SLACK) - 1 / len(sample)
        # A full comparison of one gathered pair costs about as much as 30 in a product of matrices.
        cost = k + 1 + 30 * rows.shape[1] * max(0.0, float(reached))
        if cost < best_cost:
            best, best_cost = k, cost
    if best == rows.shape[1]:
        return rows
    short = np.empty((len(rows), best + 1), np.float32)
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        short[part] = _with_rest(rows[part] @ basis, best)
    return short


def _basis(rows: Floats) -> Floats:
    """Return ``(d, d)`` orthonormal columns, the directions that hold most of a sample first."""
    sample = rows[:: max(1, len(rows) // 4096)].astype(np.float64)
    _, vectors = np.linalg.eigh(sample.T @ sample)
    result: Floats = vectors[:, ::-1].astype(np.float32)
    return result


def _with_rest(turned: Floats, k: int) -> Floats:
    """Keep k coordinates of rows in the basis and append the length of what was left out."""
    rest = np.sqrt(np.einsum("ij,ij->i", turned[:, k:], turned[:, k:]))
    return np.concatenate([turned[:, :k], rest[:, None]], axis=1)


def _order(n: int, priority: NDArray[Any] | None) -> Ints:
    if priority is None:
        return np.arange(n)
    if priority.shape != (n,) or (priority.dtype.kind == "f" and np.isnan(priority).any()):
        raise ValueError(f"priority must be ({n},) without NaN, but got {priority.shape}")
    # Reversed twice, so that a stable sort leaves ties in row order for unsigned types too.
    result: Ints = (n - 1 - np.argsort(priority[::-1], kind="stable"))[::-1]
    return result


def _unsorted(values: NDArray[Any], order: Ints) -> NDArray[Any]:
    result = np.empty_like(values)
    result[order] = values
    return result


def _check(embeddings: Floats, threshold: float) -> None:
    if embeddings.ndim != 2:  # noqa: PLR2004 -- rows and columns
        raise ValueError(f"embeddings must be (n, d), but got {embeddings.shape}")
    if not -1 <= threshold <= 1:
        raise ValueError(f"threshold is a cosine in -1..1, but got {threshold}")
    length = np.sqrt(np.einsum("ij,ij->i", embeddings, embeddings, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(length - 1) < 1e-3))  # noqa: PLR2004 -- float16 rounding
    if wrong.size:
        raise ValueError(
            f"embeddings must be rows of length 1, but row {wrong[0]} has {length[wrong[0]]:.4g}: "
            "divide each row by its length first"
        )
