"""Every metric for any weighting of the groups, from sums over the moments of each group.

A resample is then a weighted sum of a few numbers per group, however many moments there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats as Singles
from reelabel.data.boxes import Ints, Strings
from reelabel.errors import UsageError
from reelabel.evaluation.classes.calibration import Confidences, calibration_error, squared_errors
from reelabel.evaluation.classes.figures import (
    OVERALL_MEASURES,
    ClassMeasure,
    OverallMeasure,
    ScoreSettings,
)
from reelabel.evaluation.classes.metrics import (
    Counts,
    Indicators,
    Rates,
    average_precision,
    divided,
    mean_defined,
    top_k_hits,
)
from reelabel.evaluation.classes.targets import check_scored, class_ids, known_moments

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Metrics for each weighting, NaN where one is not defined.

    Attributes:
        overall: metric -> ``(b,)`` float64.
        classes: metric -> ``(b, k)`` float64.
        ece_noise: ``(b,)`` float64, the calibration error that would remain if the sample had none:
            what the weighting alone adds.
    """

    overall: dict[OverallMeasure, Floats]
    classes: dict[ClassMeasure, Floats]
    ece_noise: Floats


@dataclass(frozen=True)
class Scored:
    """Moments of known truth, with what a model predicts.

    Attributes:
        probability: ``(n, k)`` float32 in 0..1.
        target: ``(n, k)`` float32, 1, 0 or NaN.
        group: ``(n,)`` int64, the group of each moment, from 0.
        n_groups: how many groups there are.
        settings: how they are scored.
    """

    probability: Singles
    target: Singles
    group: Ints
    n_groups: int
    settings: ScoreSettings

    @classmethod
    def of(
        cls, probability: Singles, target: Singles, groups: Strings, settings: ScoreSettings
    ) -> Scored:
        """Return the moments of known truth.

        Args:
            probability: ``(n, k)`` in 0..1.
            target: ``(n, k)`` 1, 0 or NaN.
            groups: ``(n,)`` names of groups.
            settings: how they are scored.

        Raises:
            UsageError: if shapes or values are not so; it names the first place.
        """
        check_scored(probability, target, exclusive=settings.exclusive)
        if probability.shape[1] != len(settings.classes):
            raise UsageError(
                f"expected probabilities of {len(settings.classes)} classes "
                f"({', '.join(settings.classes)}), but got {probability.shape[1]} columns: "
                "give one for each class name"
            )
        if np.shape(groups) != (len(target),):
            raise UsageError(
                f"expected a group for each of {len(target)} moments, but got "
                f"{np.shape(groups)}: give one name for each"
            )
        known = known_moments(target, exclusive=settings.exclusive)
        names, group = np.unique(groups[known], return_inverse=True)
        return cls(probability[known], target[known], group, len(names), settings)

    def indicators(self) -> Indicators:
        """Return which classes are predicted and which are true."""
        if self.settings.exclusive:
            return Indicators.exclusive(self.probability, self.target)
        return Indicators.multilabel(self.probability, self.target, self.settings.threshold)

    def by_group(self, values: NDArray[Any], group: Ints | None = None) -> Floats:
        """Return the sum of the rows of each group: ``(m, s)`` -> ``(n_groups, s)``.

        Args:
            values: ``(m, s)`` one row for each moment, or for each confidence.
            group: ``(m,)`` the group of each row; without it those of the moments.
        """
        group = self.group if group is None else group
        total = np.zeros((self.n_groups, values.shape[1]))
        order = np.argsort(group, kind="stable")
        found, first = np.unique(group[order], return_index=True)
        if len(found):
            total[found] = np.add.reduceat(values[order], first, axis=0, dtype=np.float64)
        return total


def measure(scored: Scored, weights: Floats) -> Measured:
    """Return every metric for each weighting of the groups.

    A class that is true in the sample, but in none of the groups that a resample draws, is not
    defined there, so that rare classes do not pull macro averages down by chance.

    Args:
        scored: what is scored.
        weights: ``(groups, b)`` float64, how often each group counts.
    """
    counts, rates = _counted(scored, weights)
    classes: dict[ClassMeasure, Floats] = dict(zip(_RATES, vars(rates).values(), strict=True))
    overall: dict[OverallMeasure, Floats] = {}
    if scored.settings.exclusive:
        overall |= _accuracies(scored, weights) | _of_positive(classes, scored.settings)
    overall |= _named("macro", rates.macro())
    if not scored.settings.exclusive:
        micro = Rates.of(counts.micro(), scored.settings.beta)
        overall |= _named("micro", micro.macro())
        classes["ap"] = _average_precisions(scored, weights)
        overall["map"] = mean_defined(classes["ap"])
    overall["brier"] = _brier(scored, weights)
    overall["ece"], noise = _calibration_errors(scored, weights)
    return Measured(overall, classes, noise)


_RATES: tuple[ClassMeasure, ...] = ("precision", "recall", "f1", "f_beta")


def _counted(scored: Scored, weights: Floats) -> tuple[Counts, Rates]:
    """Return the weighted counts of classes, and their rates: ``(b, k)``."""
    indicators = scored.indicators()
    one_each = (indicators.predicted & indicators.true, indicators.predicted, indicators.true)
    sums = [scored.by_group(one) for one in one_each]
    counts = Counts(*(weights.T @ one for one in sums))
    _, predicted, true = (one.sum(axis=0) > 0 for one in sums)
    defined = np.where(true, counts.true > 0, predicted)
    return counts, Rates.of(counts, scored.settings.beta, defined)


def _named(average: str, rates: Rates) -> dict[OverallMeasure, Floats]:
    names = {f"{average}_{name}": values for name, values in vars(rates).items()}
    return {name: names[name] for name in OVERALL_MEASURES if name in names}


def _of_positive(
    classes: dict[ClassMeasure, Floats], settings: ScoreSettings
) -> dict[OverallMeasure, Floats]:
    """Return the rates of the positive class of a binary question."""
    if settings.positive is None:
        return {}
    column = settings.classes.index(settings.positive)
    return {
        "precision": classes["precision"][:, column],
        "recall": classes["recall"][:, column],
        "f1": classes["f1"][:, column],
        "f_beta": classes["f_beta"][:, column],
    }


def _accuracies(scored: Scored, weights: Floats) -> dict[OverallMeasure, Floats]:
    """Return top-1, and top-k unless it allows all classes."""
    true = class_ids(scored.target)
    hits = [
        top_k_hits(scored.probability, true, k) if len(true) else np.zeros(0, bool)
        for k in (1, scored.settings.top_k)
    ]
    sums = scored.by_group(np.stack([*hits, np.ones(len(true), bool)], axis=1)).T @ weights
    found: dict[OverallMeasure, Floats] = {"top1": divided(sums[0], sums[2], np.nan)}
    if scored.settings.top_k < len(scored.settings.classes):
        found["top_k"] = divided(sums[1], sums[2], np.nan)
    return found


def _average_precisions(scored: Scored, weights: Floats) -> Floats:
    """Return the average precision of each class: ``(b, k)``; unknown truth is left out."""
    columns = []
    for score, target in zip(scored.probability.T, scored.target.T, strict=True):
        known = ~np.isnan(target)
        columns.append(
            average_precision(score[known], target[known] == 1, scored.group[known], weights)
        )
    return np.stack([*columns, np.zeros(weights.shape[1])], axis=1)[:, : len(columns)]


def _brier(scored: Scored, weights: Floats) -> Floats:
    """Return the Brier score: ``(b,)``."""
    exclusive = scored.settings.exclusive
    error = squared_errors(scored.probability, scored.target, exclusive=exclusive)
    count = np.ones(len(error)) if exclusive else (~np.isnan(scored.target)).sum(axis=1)
    squared, total = scored.by_group(np.stack([error, count], axis=1)).T @ weights
    return divided(squared, total, np.nan)


def _calibration_errors(scored: Scored, weights: Floats) -> tuple[Floats, Floats]:
    """Return the calibration error, and what remains around the sample's own: ``(b,)`` each.

    The bins are those of the whole sample.
    """
    chosen = scored.settings
    found = Confidences.of(scored.probability, scored.target, exclusive=chosen.exclusive)
    in_bin = found.bins(chosen.n_bins)[:, None] == np.arange(chosen.n_bins)
    group = scored.group[found.row]
    gap = scored.by_group(in_bin * (found.right - found.confidence)[:, None], group)
    size = scored.by_group(in_bin, group)
    mean = divided(gap.sum(axis=0), size.sum(axis=0), 0.0)
    gap, size = weights.T @ gap, weights.T @ size
    return calibration_error(gap, size), calibration_error(gap - size * mean, size)
