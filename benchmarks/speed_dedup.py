"""`find_duplicates` on planted vectors against numpy blocks; nothing may be missed."""

from __future__ import annotations

import sys

import numpy as np

from common import interleaved, table
from reelabel.labels.dedup import find_duplicates

THRESHOLD = 0.95


def planted(n: int, d: int = 512, seed: int = 0) -> np.ndarray:
    """Return unit rows of which a tenth are near-duplicates of others."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d), dtype=np.float32)
    copies = rng.permutation(n)[: n // 10]
    rows[copies] = rows[rng.integers(0, n, len(copies))] + 0.1 * rng.standard_normal(
        (len(copies), d), dtype=np.float32
    )
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def blocks(rows: np.ndarray, size: int = 2048) -> np.ndarray:
    """Return each row's leader by plain blocks of the upper triangle, first row first."""
    pairs = [
        (start + i, j)
        for start in range(0, len(rows), size)
        for i, j in zip(
            *np.nonzero(rows[start : start + size] @ rows[start:].T >= THRESHOLD), strict=True
        )
        for j in [start + j]
        if j > start + i
    ]
    leader = np.arange(len(rows))
    for i, j in sorted(pairs):
        if leader[i] == i and leader[j] == j:
            leader[j] = i
    return leader


def main() -> None:
    """Print the tables; ``--large`` adds 100,000 vectors (minutes)."""
    for n, times in ((20_000, 3), (100_000, 1))[: 2 if "--large" in sys.argv else 1]:
        rows = planted(n)
        same = np.array_equal(find_duplicates(rows, THRESHOLD).leader, blocks(rows))
        taken = interleaved(
            {
                "reelabel find_duplicates": lambda rows=rows: find_duplicates(rows, THRESHOLD),
                "numpy blocks": lambda rows=rows: blocks(rows),
            },
            times=times,
        )
        table(f"dedup, {n} vectors of 512, same leaders: {same}", taken, "numpy blocks")


if __name__ == "__main__":
    main()
