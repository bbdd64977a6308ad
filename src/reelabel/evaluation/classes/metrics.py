"""Metrics of classifiers: top-k, precision, recall, F-beta, average precision, confusion matrix.

A metric that has several conventions follows one of them everywhere:

- A class that is neither true nor predicted has no precision, recall or F (NaN here, None in
  results), and is no part of a macro average. One that is predicted but never true, or true but
  never predicted, counts 0. This is scikit-learn's default, where labels are those that occur.
- Of exclusive classes the one with the highest probability is predicted, the first one of equals.
- Of multi-label classes those of the threshold and above are predicted: 0.5 is positive.
  torchmetrics takes 0.5 for negative, and values above 1 for logits, to which it applies a sigmoid;
  here they are an error.
- A class whose truth is not known in a moment is left out of that class's metrics there.
- Micro averages are of multi-label classes alone: of exclusive ones all equal top-1 accuracy.

See ``docs/decisions/0011-metrics-of-classifiers.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Ints
from reelabel.data.boxes import Floats as Singles
from reelabel.evaluation.classes.targets import UNKNOWN, check_scored, class_ids

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Indicators:
    """Which classes are predicted and which are true; both False where truth is not known.

    Attributes:
        predicted: ``(n, k)`` bool.
        true: ``(n, k)`` bool.
    """

    predicted: Bools
    true: Bools

    @classmethod
    def exclusive(cls, probability: Singles, target: Singles) -> Indicators:
        """Return the indicators of one class in each moment, which has the highest probability.

        Args:
            probability: ``(n, k)`` in 0..1, rows sum to 1.
            target: ``(n, k)`` 1, 0 or NaN, one class true in each row.

        Raises:
            UsageError: if a value or a shape is not so.
        """
        check_scored(probability, target, exclusive=True)
        true = class_ids(target)
        known = (true != UNKNOWN)[:, None]
        classes = np.arange(probability.shape[1])
        top = probability.argmax(axis=1) if len(classes) else true
        return cls(known & (top[:, None] == classes), known & (true[:, None] == classes))

    @classmethod
    def multilabel(
        cls, probability: Singles, target: Singles, threshold: float = 0.5
    ) -> Indicators:
        """Return the indicators of any number of classes in each moment.

        Args:
            probability: ``(n, k)`` in 0..1.
            target: ``(n, k)`` 1, 0 or NaN.
            threshold: a class of this probability, or a higher one, is predicted.

        Raises:
            UsageError: if a value or a shape is not so.
        """
        check_scored(probability, target, exclusive=False)
        return cls((probability >= threshold) & ~np.isnan(target), target == 1)

    def counts(self) -> Counts:
        """Return how often each class is right, predicted and true."""
        hits = self.predicted & self.true
        return Counts(*(one.sum(axis=0, dtype=np.float64) for one in (hits, *vars(self).values())))


@dataclass(frozen=True)
class Counts:
    """How often each class is right, predicted and true.

    Attributes:
        hits: ``(..., k)`` float64, true positives.
        predicted: ``(..., k)`` float64, true and false positives.
        true: ``(..., k)`` float64, true positives and false negatives.
    """

    hits: Floats
    predicted: Floats
    true: Floats

    def occurs(self) -> Bools:
        """Return which classes are true or predicted: ``(..., k)`` bool."""
        result: Bools = (self.predicted > 0) | (self.true > 0)
        return result

    def micro(self) -> Counts:
        """Return the counts of all classes together: ``(..., 1)``."""
        return Counts(*(one.sum(axis=-1, keepdims=True) for one in vars(self).values()))


@dataclass(frozen=True)
class Rates:
    """Precision, recall and F of each class, NaN where a class is not defined.

    Attributes:
        precision: ``(..., k)`` in 0..1.
        recall: ``(..., k)`` in 0..1.
        f1: ``(..., k)`` in 0..1.
        f_beta: ``(..., k)`` in 0..1; recall counts ``beta`` times as much as precision.
    """

    precision: Floats
    recall: Floats
    f1: Floats
    f_beta: Floats

    @classmethod
    def of(cls, counts: Counts, beta: float = 2.0, defined: Bools | None = None) -> Rates:
        """Return the rates of counts: ``(..., k)``.

        Args:
            counts: of each class.
            beta: weight of recall in F-beta, above 0.
            defined: ``(..., k)`` classes that have rates, in which 0 / 0 is 0; without it those
                that are true or predicted.
        """
        occurs = counts.occurs() if defined is None else defined
        hits, predicted, true = counts.hits, counts.predicted, counts.true

        def ratio(part: Floats, whole: Floats) -> Floats:
            return np.where(occurs, divided(part, whole, 0.0), np.nan)

        return cls(
            ratio(hits, predicted),
            ratio(hits, true),
            ratio(2 * hits, predicted + true),
            ratio((1 + beta**2) * hits, predicted + beta**2 * true),
        )

    def macro(self) -> Rates:
        """Return the mean over the classes that are defined: ``(...,)``, NaN if none is."""
        return Rates(*(mean_defined(one) for one in vars(self).values()))


def top_k_hits(probability: Singles, class_id: Ints, k: int) -> Bools:
    """Return whether the true class is among the ``k`` most probable ones: ``(n,)`` bool.

    Args:
        probability: ``(n, classes)`` in 0..1.
        class_id: ``(n,)`` the true class of each moment, all known.
        k: how many classes may be named; more than there are is all of them.

    Of equally probable classes the first ones count, as in `numpy.argmax`.
    """
    own = np.take_along_axis(probability, class_id[:, None], axis=1)
    earlier = np.arange(probability.shape[1]) < class_id[:, None]
    before = (probability > own) | ((probability == own) & earlier)
    result: Bools = before.sum(axis=1) < k
    return result


def top_k(probability: Singles, target: Singles, k: int = 1) -> float:
    """Return top-k accuracy in 0..1, NaN if no true class is known.

    Args:
        probability: ``(n, classes)`` in 0..1, rows sum to 1.
        target: ``(n, classes)`` 1, 0 or NaN.
        k: how many classes may be named; 1 is accuracy, all classes are always right.

    Raises:
        UsageError: if a value or a shape is not so.
    """
    check_scored(probability, target, exclusive=True)
    true = class_ids(target)
    known = true != UNKNOWN
    hits = top_k_hits(probability[known], true[known], k)
    return float(hits.mean()) if len(hits) else float("nan")


def confusion(indicators: Indicators) -> Ints:
    """Return how often each true class, a row, got each predicted one, a column: ``(k, k)``.

    Only for exclusive classes; moments of unknown truth are left out.
    """
    counts = indicators.true.T.astype(np.float64) @ indicators.predicted.astype(np.float64)
    return counts.astype(np.int64)


def average_precision(
    score: Singles, true: Bools, group: Ints | None = None, weights: Floats | None = None
) -> Floats:
    """Return the average precision of one class for each weighting of groups of moments: ``(b,)``.

    The sum over the distinct scores of precision times the rise of recall, without interpolation
    (Zhu 2004, "Recall, precision and average precision"; the definition of scikit-learn).

    Args:
        score: ``(n,)`` the class's probability.
        true: ``(n,)`` bool, whether the class is true.
        group: ``(n,)`` int64, the group of each moment, from 0; without it all are of one group.
        weights: ``(groups, b)`` float64, how often each group counts; without it once, and b is 1.

    Returns:
        ``(b,)`` in 0..1, NaN where nothing is true, or everything: any order gives 1 then.
    """
    group = np.zeros(len(score), np.int64) if group is None else group
    weights = np.ones((int(group.max(initial=0)) + 1, 1)) if weights is None else weights
    if not true.any() or true.all():
        return np.full(weights.shape[1], np.nan)
    wrong = np.bincount(group[~true], minlength=len(weights)) @ weights
    order = np.argsort(-score, kind="stable")
    score, true, group = score[order], true[order], group[order]
    # Equal scores are one step, which ends behind the last of them. Steps in which nothing is true
    # add nothing, so only the ends of the others are kept.
    ends = np.append(np.flatnonzero(score[1:] != score[:-1]) + 1, len(score))
    ends = np.unique(ends[np.searchsorted(ends, np.flatnonzero(true), side="right")])
    seen = _cumulative(group, ends, weights)
    hits = _cumulative(group[true], true.cumsum()[ends - 1], weights)
    rise = np.diff(hits, axis=0, prepend=0)
    found = divided((rise * divided(hits, seen, 0.0)).sum(axis=0), hits[-1], np.nan)
    return np.where(wrong > 0, found, np.nan)


def _cumulative(group: Ints, ends: Ints, weights: Floats) -> Floats:
    """Return the summed weights of the groups of all rows before each end: ``(ends, b)``."""
    from scipy.sparse import csr_array  # noqa: PLC0415 -- slow to import

    starts = np.append(0, ends)
    rows = (np.ones(starts[-1]), group[: starts[-1]], starts)
    steps = csr_array(rows, shape=(len(ends), len(weights))) @ weights
    result: Floats = np.cumsum(steps, axis=0)
    return result


def divided(part: Floats, whole: Floats, otherwise: float) -> Floats:
    """Return a quotient, and another value where the divisor is 0: ``(...,)`` -> ``(...,)``."""
    filled = np.full(np.broadcast_shapes(part.shape, whole.shape), otherwise)
    result: Floats = np.divide(part, whole, out=filled, where=whole > 0)
    return result


def mean_defined(values: Floats) -> Floats:
    """Return the mean over the last axis without NaN: ``(..., k)`` -> ``(...,)``, NaN if empty."""
    defined = ~np.isnan(values)
    return divided(
        np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(float), np.nan
    )
