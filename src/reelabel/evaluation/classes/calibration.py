"""Whether probabilities are accuracies: calibration error, Brier score, temperature scaling.

A confidence is the predicted class's probability for exclusive classes, and that of every known
class of every moment for multi-label ones. Bins hold equally many values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Ints
from reelabel.data.boxes import Floats as Singles
from reelabel.errors import UsageError
from reelabel.evaluation.classes.metrics import divided
from reelabel.evaluation.classes.targets import check_scored, class_ids, known_moments

Floats = NDArray[np.float64]

N_BINS = 15
"""How many bins calibration is measured in (Guo et al. 2017, "On calibration of modern neural
networks"), of equal mass (Nixon et al. 2019, "Measuring calibration in deep learning")."""
TEMPERATURES = (0.05, 20.0)
"""The range of temperatures that are fitted; without mistakes the best one would be 0."""
PRIOR_GROUPS = 5
"""How many groups, of which the probabilities hold as they are, count beside those that are known.
So many right or wrong answers are within chance; with hundreds of groups they change nothing."""
_HALF_STEP = 2.0**-25
"""Half the distance from 1 to the float32 below it."""
N_FOLDS = 5
"""Parts of the groups, each of which is scored with the temperature of the others."""
_SMALLEST = 1e-37
"""Least probability: only what has no logarithm in float32 is kept away from 0, so that a
temperature does to probabilities what it would to the network's own logits."""


@dataclass(frozen=True)
class Confidences:
    """Probabilities that calibration is measured on, and whether each class was right.

    Attributes:
        confidence: ``(m,)`` float64 in 0..1.
        right: ``(m,)`` bool.
        row: ``(m,)`` int64, the moment that each belongs to.
    """

    confidence: Floats
    right: Bools
    row: Ints

    @classmethod
    def of(cls, probability: Singles, target: Singles, *, exclusive: bool) -> Confidences:
        """Return the probabilities of moments that count; unknown truth is left out.

        Args:
            probability: ``(n, k)`` in 0..1.
            target: ``(n, k)`` 1, 0 or NaN.
            exclusive: whether each moment has one class, so that only the most probable one counts.

        Raises:
            UsageError: if a value or a shape is not so.
        """
        check_scored(probability, target, exclusive=exclusive)
        if not exclusive:
            row, column = np.nonzero(~np.isnan(target))
            cells = probability[row, column].astype(np.float64)
            return cls(cells, target[row, column] == 1, row)
        row = np.flatnonzero(known_moments(target, exclusive=True))
        top = probability[row].argmax(axis=1) if len(row) else row
        return cls(probability[row, top].astype(np.float64), target[row, top] == 1, row)

    def bins(self, n_bins: int = N_BINS) -> Ints:
        """Return the bin of each confidence: ``(m,)`` int64 from 0, in rising order of confidence.

        Bins hold equally many, but equal confidences share one.
        """
        if not len(self.confidence):
            return np.zeros(0, np.int64)
        inner = np.linspace(0, 1, min(n_bins, len(self.confidence)) + 1)[1:-1]
        edges = np.quantile(self.confidence, inner, method="higher")
        result: Ints = np.searchsorted(edges, self.confidence, side="right").astype(np.int64)
        return result


@dataclass(frozen=True)
class Reliability:
    """Accuracy at each confidence, for a plot; bins that hold nothing are left out.

    Attributes:
        confidence: mean confidence of each bin, 0..1.
        accuracy: share of its classes that are right, 0..1.
        count: how many confidences it holds.
    """

    confidence: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    count: tuple[int, ...] = ()


def reliability(
    probability: Singles, target: Singles, *, exclusive: bool = True, n_bins: int = N_BINS
) -> Reliability:
    """Return the accuracy at each confidence.

    Args:
        probability: ``(n, k)`` in 0..1.
        target: ``(n, k)`` 1, 0 or NaN.
        exclusive: whether each moment has one class.
        n_bins: how many bins of equally many confidences.

    Raises:
        UsageError: if a value or a shape is not so.
    """
    found = Confidences.of(probability, target, exclusive=exclusive)
    of_bin = found.bins(n_bins)
    count = np.bincount(of_bin)
    filled = count > 0
    means = (
        (np.bincount(of_bin, values)[filled] / count[filled]).round(6).tolist()
        for values in (found.confidence, found.right)
    )
    confidence, accuracy = means
    return Reliability(tuple(confidence), tuple(accuracy), tuple(count[filled].tolist()))


def calibration_error(gap: Floats, count: Floats) -> Floats:
    """Return the expected calibration error: ``(..., bins)`` -> ``(...,)`` in 0..1, NaN if empty.

    It is never negative, so chance alone makes it greater than 0, the more the fewer values there
    are. `reelabel.evaluation.classes.scores.Resampled` removes that part.

    Args:
        gap: ``(..., bins)`` how many classes are right, minus the sum of their confidences.
        count: ``(..., bins)`` how many confidences there are.
    """
    return divided(np.abs(gap).sum(axis=-1), count.sum(axis=-1), np.nan)


def squared_errors(probability: Singles, target: Singles, *, exclusive: bool) -> Floats:
    """Return the Brier score of each moment: ``(n,)`` float64, 0 where truth is not known.

    For exclusive classes it is the sum over classes of the squared error, 0..2 (Brier 1950), and
    half of that with two classes, 0..1, as in scikit-learn. For multi-label classes it is the sum
    over the known ones, to be divided by how many are known.

    Args:
        probability: ``(n, k)`` in 0..1.
        target: ``(n, k)`` 1, 0 or NaN.
        exclusive: whether each moment has one class.
    """
    if exclusive:
        true = class_ids(target)
        target = np.where(true[:, None] < 0, np.nan, true[:, None] == np.arange(target.shape[1]))
    error: Floats = np.nansum((probability.astype(np.float64) - target) ** 2, axis=1)
    halved = exclusive and probability.shape[1] == 2  # noqa: PLR2004 -- a binary question
    return error / 2 if halved else error


def fit_temperature(
    probability: Singles,
    target: Singles,
    *,
    exclusive: bool = True,
    groups: NDArray[np.str_] | None = None,
) -> float:
    """Return the temperature with which probabilities have the lowest negative log-likelihood.

    Fit it on held-out folds, never on what is tested: there it would hide overconfidence.
    Source: Guo et al. 2017, "On calibration of modern neural networks". They fit on thousands of
    pictures. A few videos are no such sample: with groups, the fit is drawn towards 1 by
    `PRIOR_GROUPS`, and without any mistake, where the best temperature is 0, it is 1.

    Args:
        probability: ``(n, k)`` in 0..1, of moments that the model was not trained on.
        target: ``(n, k)`` 1, 0 or NaN.
        exclusive: whether each moment has one class.
        groups: ``(n,)`` what each moment is alike to, such as its video; None for the plain fit.

    Returns:
        Above 1 for probabilities that are too extreme, within `TEMPERATURES`.

    Raises:
        UsageError: if no truth is known, or a value or a shape is not so.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 -- slow to import

    check_scored(probability, target, exclusive=exclusive)
    known = known_moments(target, exclusive=exclusive)
    if not known.any():
        raise UsageError(
            "expected moments of known truth to fit a temperature on, but got none: "
            "label some held-out moments"
        )
    given, truth = probability[known], target[known]
    if groups is not None and not _has_mistakes(given, truth, exclusive=exclusive):
        return 1.0
    drawn = 0.0 if groups is None else PRIOR_GROUPS / len(np.unique(groups[known]))
    loss = _Loss(given, truth, exclusive=exclusive, drawn=drawn)
    # Convex in the inverse temperature, so that the bounded search finds the one minimum.
    low, high = (1 / t for t in reversed(TEMPERATURES))
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(1 / found.x)


def cross_calibrated(
    probability: Singles, target: Singles, groups: NDArray[np.str_], *, exclusive: bool = True
) -> Singles:
    """Return probabilities of which each group has the temperature that others give.

    So the calibration error can be stated of the moments that the temperature is fitted on.

    Args:
        probability: ``(n, k)`` in 0..1, of moments that the model was not trained on.
        target: ``(n, k)`` 1, 0 or NaN.
        groups: ``(n,)`` what each moment is alike to, such as its video.
        exclusive: whether each moment has one class.

    Returns:
        ``(n, k)`` float32 in 0..1.
    """
    names = np.unique(groups)
    fold = np.searchsorted(names, groups) % N_FOLDS
    known = known_moments(target, exclusive=exclusive)
    found = probability.astype(np.float32)
    for number in range(min(N_FOLDS, len(names))):
        own, others = fold == number, (fold != number) & known
        if others.any():
            fitted = fit_temperature(
                probability[others], target[others], exclusive=exclusive, groups=groups[others]
            )
            found[own] = calibrated(probability[own], fitted, exclusive=exclusive)
    return found


def _has_mistakes(probability: Singles, target: Singles, *, exclusive: bool) -> bool:
    """Return whether a known class of a moment is not the predicted one: ``(n, k)`` twice."""
    if exclusive:
        return bool((probability.argmax(axis=1) != class_ids(target)).any())
    wrong = (probability >= 0.5) != (target == 1)  # noqa: PLR2004 -- more likely than not
    return bool((wrong & ~np.isnan(target)).any())


class _Loss:
    """The negative log-likelihood at an inverse temperature, drawn towards that at 1.

    The second part is the expected loss on groups of which the probabilities hold as they are,
    which is lowest at 1, and convex as the first part is.
    """

    def __init__(
        self, probability: Singles, target: Singles, *, exclusive: bool, drawn: float
    ) -> None:
        self._logits = _logits(probability, exclusive=exclusive)
        self._target, self._exclusive, self._drawn = target, exclusive, drawn
        expected = _log_softmax(self._logits) if exclusive else _log_sigmoid(self._logits)
        self._expected = np.exp(expected)

    def __call__(self, inverse: float) -> float:
        scaled, target = self._logits * inverse, self._target
        loss = _negative_log_likelihood(scaled, target, exclusive=self._exclusive)
        if not self._drawn:
            return loss
        if self._exclusive:
            at_one = -(self._expected * _log_softmax(scaled)).sum(axis=1)
        else:
            no = (1 - self._expected) * _log_sigmoid(-scaled)
            at_one = -(self._expected * _log_sigmoid(scaled) + no)[~np.isnan(target)]
        return loss + self._drawn * float(at_one.mean())


def calibrated(probability: Singles, temperature: float, *, exclusive: bool = True) -> Singles:
    """Return probabilities at a temperature: ``(n, k)`` -> ``(n, k)`` float32 in 0..1.

    The order of a row's classes stays, except that those that float32 cannot tell apart become
    equal.

    Args:
        probability: ``(n, k)`` in 0..1.
        temperature: above 0; above 1 makes probabilities less extreme.
        exclusive: whether each moment has one class, so that rows sum to 1 again.

    Raises:
        UsageError: if the temperature is not above 0.
    """
    if not temperature > 0:
        raise UsageError(f"expected a temperature above 0, but got {temperature}: fit one")
    scaled = _logits(probability, exclusive=exclusive) / temperature
    log_odds = _log_softmax(scaled) if exclusive else _log_sigmoid(scaled)
    return np.exp(log_odds).astype(np.float32)


def _logits(probability: Singles, *, exclusive: bool) -> Floats:
    """Return logits that have these probabilities: ``(n, k)``."""
    inside = np.clip(probability.astype(np.float64), _SMALLEST, 1 - _HALF_STEP)
    result: Floats = np.log(inside) if exclusive else np.log(inside) - np.log1p(-inside)
    return result


def _negative_log_likelihood(logits: Floats, target: Singles, *, exclusive: bool) -> float:
    """Return the mean over moments, or over known classes of moments: ``(n, k)`` twice."""
    if exclusive:
        return float(-_log_softmax(logits)[target == 1].mean())
    signed = np.where(target == 1, logits, -logits)[~np.isnan(target)]
    return float(-_log_sigmoid(signed).mean())


def _log_softmax(logits: Floats) -> Floats:
    below = logits - logits.max(axis=1, keepdims=True, initial=-np.inf)
    result: Floats = below - np.log(np.exp(below).sum(axis=1, keepdims=True))
    return result


def _log_sigmoid(logits: Floats) -> Floats:
    result: Floats = -np.logaddexp(0, -logits)
    return result
