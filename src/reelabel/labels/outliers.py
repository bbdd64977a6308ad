"""Which crops of a class look unlike the others: wrong boxes among right ones.

Embeddings of the crops are reduced to their principal components, then scored either by an
isolation forest (Liu, Ting and Zhou, "Isolation Forest", ICDM 2008) or by the distance to the
k-th nearest neighbour (Ramaswamy, Rastogi and Shim, SIGMOD 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Ints
from reelabel.data.states import IGNORE
from reelabel.labels.rules import Decisions

FEWEST = 10
"""With fewer crops than this there is no distribution to deviate from: nothing is an outlier."""


class OutlierSettings(Settings):
    """How crops that look unlike the others of their class are found."""

    enabled: bool = False
    """Ignore boxes whose crop looks unlike all others of their class in the video."""
    method: Literal["isolation_forest", "neighbours"] = "isolation_forest"
    """Isolation forest, or the distance to the nearest neighbours."""
    components: int = Field(16, ge=1, le=4096)
    """Principal components of the embeddings that are kept, at most."""
    contamination: float | None = Field(None, ge=0, le=0.5)
    """The share of crops that are outliers; none means the robust threshold."""
    deviations: float = Field(4.0, gt=0)
    """The robust threshold: median absolute deviations above the median score, scaled to standard
    deviations of a normal distribution."""
    neighbours: int = Field(5, ge=1)
    """Which nearest neighbour's distance counts."""
    trees: int = Field(100, ge=1, le=10_000)
    """Number of trees of the forest."""


_DEFAULTS = OutlierSettings()


@dataclass(frozen=True)
class Outliers:
    """What `find_outliers` found.

    Attributes:
        score: ``(n,)`` float64, higher is more unusual; comparable within one call only.
        mask: ``(n,)`` bool, True for outliers.
        threshold: the score above which a crop is an outlier; infinity if none can be.
    """

    score: NDArray[np.float64]
    mask: NDArray[np.bool_]
    threshold: float


def find_outliers(
    embeddings: NDArray[np.float32], settings: OutlierSettings = _DEFAULTS, seed: int = 0
) -> Outliers:
    """Return how unusual each crop is among all, and which are outliers.

    Args:
        embeddings: ``(n, d)`` float32, one row for each crop of one class.
        settings: see `OutlierSettings`.
        seed: of the isolation forest.

    Raises:
        ValueError: if ``embeddings`` is not two-dimensional or holds NaN or infinity.
    """
    if embeddings.ndim != 2 or not np.isfinite(embeddings).all():  # noqa: PLR2004 -- (n, d)
        raise ValueError(f"expected finite embeddings (n, d), but got shape {embeddings.shape}")
    n = len(embeddings)
    if n < FEWEST:
        return Outliers(np.zeros(n), np.zeros(n, bool), np.inf)
    points = _principal(embeddings.astype(np.float64), settings.components)
    by_forest = settings.method == "isolation_forest"
    score = _forest(points, settings, seed) if by_forest else _kth(points, settings)
    threshold = _threshold(score, settings)
    return Outliers(score, score > threshold, threshold)


@dataclass(frozen=True)
class Crops:
    """Crops of boxes.

    Attributes:
        row: ``(k,)`` int64, the box of each.
        class_id: ``(k,)`` int64, its class.
        embeddings: ``(k, d)`` float32.
    """

    row: Ints
    class_id: Ints
    embeddings: NDArray[np.float32]


def ignore_outliers(
    decisions: Decisions, crops: Crops, settings: OutlierSettings, seed: int = 0
) -> Decisions:
    """Return the decisions about ``(n,)`` boxes, with those ignored whose crops are outliers.

    Args:
        decisions: what the rules decided.
        crops: ``(k,)`` crops of positive boxes; each class is tested by itself.
        settings: how outliers are found.
        seed: of the isolation forest.
    """
    state, rule, reason = decisions.copies()
    for class_id in np.unique(crops.class_id):
        of_class = crops.class_id == class_id
        found = find_outliers(crops.embeddings[of_class], settings, seed)
        scores = found.score[found.mask]
        for i, score in zip(crops.row[of_class][found.mask], scores, strict=True):
            state[i], rule[i] = IGNORE, "outlier"
            reason[i] = f"looks unlike other crops: {score:.3g} > {found.threshold:.3g}"
    return Decisions(state, rule, reason)


def _principal(rows: NDArray[np.float64], components: int) -> NDArray[np.float64]:
    """Return the coordinates along the directions of largest variance, strongest first."""
    centred = rows - rows.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    # A direction's sign is arbitrary: fix it, so that platforms agree.
    strongest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.where(strongest < 0, -1, 1)
    result: NDArray[np.float64] = centred @ directions[:components].T
    return result


def _forest(
    points: NDArray[np.float64], settings: OutlierSettings, seed: int
) -> NDArray[np.float64]:
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 -- slow to import

    forest = IsolationForest(n_estimators=settings.trees, random_state=seed)
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
        count = int(settings.contamination * len(score))
        return float(np.sort(score)[len(score) - 1 - count])
    median = np.median(score)
    sigma = 1.4826 * np.median(np.abs(score - median))
    # Where more than half of the scores are equal, rounding alone must not make an outlier.
    return float(median + settings.deviations * sigma + 1e-9)
