"""Which crops of a class look unlike the others: wrong boxes among right ones.

Embeddings of the crops are reduced to their principal components, then scored either by an
isolation forest (Liu, Ting and Zhou, "Isolation Forest", ICDM 2008) or by the distance to the
k-th nearest neighbour (Ramaswamy, Rastogi and Shim, SIGMOD 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import UsageError, nearest

METHODS = ("isolation_forest", "neighbours")

FEWEST = 10
"""With fewer crops than this there is no crowd to stand out from: nothing is an outlier."""


@dataclass(frozen=True)
class OutlierSettings:
    """How outliers are found.

    Attributes:
        method: one of `METHODS`.
        components: most principal components that are kept.
        contamination: the share 0..0.5 of crops to call outliers; None means the robust threshold.
        deviations: the robust threshold, in median absolute deviations above the median score
            (scaled to a normal distribution's sigma).
        neighbours: which nearest neighbour's distance counts.
        trees: number of trees of the forest.
        seed: the forest's seed.

    Raises:
        UsageError: if a value is outside its range.
    """

    method: str = "isolation_forest"
    components: int = 16
    contamination: float | None = None
    deviations: float = 3.5
    neighbours: int = 5
    trees: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(
                f"method is one of {', '.join(METHODS)}, but got {self.method!r}"
                f"{nearest(self.method, METHODS)}"
            )
        if self.contamination is not None and not 0 <= self.contamination <= 0.5:  # noqa: PLR2004 -- a half at most is odd
            raise UsageError(f"contamination is a share in 0..0.5, but got {self.contamination}")
        if min(self.components, self.neighbours, self.trees) < 1 or self.deviations <= 0:
            raise UsageError("components, neighbours, trees and deviations must be above 0")


@dataclass(frozen=True)
class Outliers:
    """What `find_outliers` found.

    Attributes:
        score: ``(n,)`` float64, higher is odder; comparable within one call only.
        mask: ``(n,)`` bool, True for outliers.
        threshold: the score above which a crop is an outlier; infinity if none can be.
    """

    score: NDArray[np.float64]
    mask: NDArray[np.bool_]
    threshold: float


def find_outliers(
    embeddings: NDArray[np.float32], settings: OutlierSettings | None = None
) -> Outliers:
    """Return how odd each crop is among all, and which are outliers.

    Args:
        embeddings: ``(n, d)`` float32, one row for each crop of one class.
        settings: see `OutlierSettings`.

    Raises:
        ValueError: if ``embeddings`` is not two-dimensional or holds NaN or infinity.
    """
    settings = settings or OutlierSettings()
    if embeddings.ndim != 2 or not np.isfinite(embeddings).all():  # noqa: PLR2004 -- (n, d)
        raise ValueError(f"expected finite embeddings (n, d), but got shape {embeddings.shape}")
    n = len(embeddings)
    if n < FEWEST:
        return Outliers(np.zeros(n), np.zeros(n, bool), np.inf)
    points = _principal(embeddings.astype(np.float64), settings.components)
    score = _forest(points, settings) if settings.method == METHODS[0] else _kth(points, settings)
    threshold = _threshold(score, settings)
    return Outliers(score, score > threshold, threshold)


def _principal(rows: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Return the coordinates along the directions of largest variance, strongest first."""
    centred = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction's sign is arbitrary: fix it, so that platforms agree.
    strongest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.where(strongest < 0, -1, 1)
    result: NDArray[np.float64] = centred @ directions[:components].T
    return result


def _forest(points: NDArray[np.float64], settings: OutlierSettings) -> NDArray[np.float64]:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 -- slow to import

    forest = IsolationForest(n_estimators=settings.trees, random_state=settings.seed)
    result: NDArray[np.float64] = -forest.fit(points).score_samples(points)
    return result


def _kth(points: NDArray[np.float64], settings: OutlierSettings) -> NDArray[np.float64]:
    from scipy.spatial import cKDTree  # noqa: PLC0415 -- slow to import

    k = min(settings.neighbours, len(points) - 1)
    # A point is its own nearest neighbour.
    distances, _ = cKDTree(points).query(points, k=k + 1)
    result: NDArray[np.float64] = distances[:, k]
    return result


def _threshold(score: NDArray[np.float64], settings: OutlierSettings) -> float:
    if settings.contamination is not None:
        odd = int(settings.contamination * len(score))
        return float(np.sort(score)[len(score) - 1 - odd])
    median = np.median(score)
    sigma = 1.4826 * np.median(np.abs(score - median))
    # Where more than half of the scores are equal, rounding alone must not make an outlier.
    return float(median + settings.deviations * sigma + 1e-9)
