"""Bootstrap over groups: intervals of metrics, and whether the difference of two models is real.

The moments of a video are alike, and so are videos of one source or duplicates. Whole groups are
drawn, with replacement (cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", JRSS B
2007). A resample is a weight for each group: how often it was drawn.

Percentiles over few groups are too narrow, so they are taken further out, as far as Student's t
lies outside the normal distribution (Hesterberg, "What teachers should know about the bootstrap",
The American Statistician 2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelabel.evaluation.intervals import percentiles

Floats = NDArray[np.float64]

FEWEST_GROUPS = 2
"""With fewer groups nothing can be drawn, and there is no interval."""


def group_weights(n_groups: int, n_resamples: int, seed: int) -> Floats:
    """Return how often each group is drawn in each resample: ``(n_groups, n_resamples)``."""
    if not n_groups:
        return np.zeros((0, n_resamples))
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), n_resamples)
    return np.ascontiguousarray(drawn.T, np.float64)


def interval(
    value: float, samples: Floats, n_groups: int, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the interval of a metric, None where it cannot be drawn.

    If every resample is perfect, or wholly wrong, the interval is that of a proportion: what share
    of such groups could have been missed by ``n_groups`` draws (Clopper and Pearson 1934).

    Args:
        value: the metric of the sample, in 0..1 if it has the bounds 0 and 1.
        samples: ``(b,)`` the metric of each resample; NaN is left out.
        n_groups: how many groups it rests on.
        level: share of the resamples that the interval is to hold, 0..1.
    """
    known = samples[~np.isnan(samples)]
    if n_groups < FEWEST_GROUPS or not len(known) or np.isnan(value):
        return None
    missed = 1 - ((1 - level) / 2) ** (1 / n_groups)
    if value == 1 and (known == 1).all():
        return 1 - missed, 1.0
    if value == 0 and (known == 0).all():
        return 0.0, missed
    return percentiles(known, percentile_level(n_groups, level))


def percentile_level(n_groups: int, level: float = 0.95) -> float:
    """Return the share of resamples between percentiles that hold the truth with this level.

    >>> [round(percentile_level(n), 4) for n in (3, 10, 1000)]
    [1.0, 0.9829, 0.9504]
    """
    from scipy.special import ndtr, stdtrit  # noqa: PLC0415 -- slow to import

    outside = stdtrit(n_groups - 1, (1 + level) / 2) * np.sqrt(n_groups / (n_groups - 1))
    return float(1 - 2 * ndtr(-outside))


def p_value(differences: Floats, n_groups: int) -> float:
    """Return how easily chance alone makes such differences of two models, 0..1.

    It is 1 minus the level of the widest interval that leaves out 0, both sides counted. Fewer than
    six groups never give less than 0.05 with 500 resamples, as in a test of signs.

    Args:
        differences: ``(b,)`` the difference in each resample; NaN is left out.
        n_groups: how many groups it rests on.
    """
    from scipy.special import ndtri, stdtr  # noqa: PLC0415 -- slow to import

    known = differences[~np.isnan(differences)]
    if n_groups < FEWEST_GROUPS or not len(known):
        return 1.0
    opposed = min((known <= 0).sum(), (known >= 0).sum())
    share = min((opposed + 1) / (len(known) + 1), 0.5)
    outside = ndtri(share) * np.sqrt((n_groups - 1) / n_groups)
    return float(2 * stdtr(n_groups - 1, outside))


def holm(p_values: Floats) -> Floats:
    """Return p-values of several comparisons that hold together: ``(m,)`` -> ``(m,)`` in 0..1.

    Below 0.05 such a value keeps the chance of any false difference below 5 % (Holm 1979, "A simple
    sequentially rejective multiple test procedure").

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted
