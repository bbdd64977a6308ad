"""Calibration is measured as others measure it, and temperatures mend what they can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from reelabel.errors import UsageError
from reelabel.evaluation.classes.calibration import (
    TEMPERATURES,
    Confidences,
    calibrated,
    calibration_error,
    cross_calibrated,
    fit_temperature,
    reliability,
    squared_errors,
)
from reelabel.evaluation.classes.targets import target_of

SEEDS = st.integers(0, 10_000)


def calibrated_classes(seed, n=600, k=4):
    """Return probabilities of classes and classes that were drawn with them."""
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet(np.full(k, 0.7), n).astype(np.float32)
    drawn = (probability.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)
    return probability, target_of(drawn, k)


def calibrated_questions(seed, n=600, k=3):
    """Return probabilities of independent questions and truth that were drawn with them."""
    rng = np.random.default_rng(seed)
    probability = rng.random((n, k)).astype(np.float32)
    return probability, (rng.random((n, k)) < probability).astype(np.float32)


def error_of(found, n_bins=15):
    """Return the expected calibration error as it is defined, bin by bin."""
    order = np.argsort(found.confidence)
    parts = np.array_split(order, n_bins)
    gaps = [abs(found.right[p].mean() - found.confidence[p].mean()) * len(p) for p in parts]
    return sum(gaps) / len(order)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("n", [150, 600])
def test_the_error_is_that_of_bins_of_equal_mass(exclusive, n):
    """With different confidences all bins hold equally many found."""
    probability, target = calibrated_classes(1, n) if exclusive else calibrated_questions(1, n)
    found = Confidences.of(probability, target, exclusive=exclusive)
    of_bin = found.bins()
    assert np.ptp(np.bincount(of_bin)) <= 1
    gap = np.bincount(of_bin, found.right - found.confidence)
    error = calibration_error(gap, np.bincount(of_bin))
    assert error == pytest.approx(error_of(found), abs=1e-9)


def test_equal_confidences_share_a_bin():
    """The error does not depend on the order of moments that are equally sure."""
    probability = np.repeat(np.float32([[0.75, 0.25], [0.5, 0.5]]), 20, axis=0)
    target = target_of(np.tile([0, 0, 0, 1], 10), 2)
    curve = reliability(probability, target)
    assert curve.confidence == (0.5, 0.75)
    assert curve.accuracy == (0.75, 0.75)
    assert curve.count == (20, 20)


@given(SEEDS)
def test_the_curve_of_calibrated_probabilities_is_the_diagonal(seed):
    """Each bin is right about as often as its confidence, and everything is counted."""
    curve = reliability(*calibrated_classes(seed, 3000))
    assert sum(curve.count) == 3000
    assert np.abs(np.subtract(curve.confidence, curve.accuracy)).max() < 0.2
    assert np.abs(np.subtract(curve.confidence, curve.accuracy)).mean() < 0.06


def test_the_brier_score_equals_scikit_learn():
    """Several classes give 0..2, two classes half of that, questions the mean over the known."""
    for k in (2, 3, 5):
        probability, target = calibrated_classes(2, 50, k)
        expected = brier_score_loss(target.argmax(axis=1), probability, labels=range(k))
        assert squared_errors(probability, target, exclusive=True).mean() == pytest.approx(expected)
    probability, target = calibrated_questions(2, 50, 1)
    expected = brier_score_loss(target[:, 0], probability[:, 0])
    assert squared_errors(probability, target, exclusive=False).mean() == pytest.approx(expected)
    unknown = np.float32([[np.nan, 1]])
    assert squared_errors(np.float32([[0.3, 0.5]]), unknown, exclusive=False) == 0.25


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_a_temperature_is_found_again(exclusive, temperature):
    """Probabilities that were made too extreme, or too mild, come back."""
    make = calibrated_classes if exclusive else calibrated_questions
    probability, target = make(3, 4000)
    changed = calibrated(probability, temperature, exclusive=exclusive)
    found = fit_temperature(changed, target, exclusive=exclusive)
    assert found == pytest.approx(1 / temperature, rel=0.1)
    back = calibrated(changed, 1 / temperature, exclusive=exclusive)
    assert np.abs(back - probability).max() < 1e-3


@given(SEEDS, st.sampled_from([0.3, 1.0, 2.5]))
def test_no_other_temperature_has_a_lower_loss(seed, temperature):
    """The fitted temperature is the minimum of scikit-learn's log loss."""
    probability, target = calibrated_classes(seed, 100)
    changed = calibrated(probability, temperature).astype(np.float64)
    fitted = fit_temperature(changed, target)

    def loss(at):
        at_it = calibrated(changed, at).astype(np.float64)
        return log_loss(target, at_it / at_it.sum(axis=1, keepdims=True))

    assert loss(fitted) <= min(loss(fitted * 0.97), loss(fitted * 1.03)) + 1e-6


@given(SEEDS, st.floats(0.1, 10))
def test_a_temperature_keeps_the_most_probable_class(seed, temperature):
    """The class with the highest probability keeps it, and rows still sum to 1."""
    probability, _ = calibrated_classes(seed, 50)
    changed = calibrated(probability, temperature)
    top = probability.argmax(axis=1)[:, None]
    assert (np.take_along_axis(changed, top, axis=1)[:, 0] == changed.max(axis=1)).all()
    np.testing.assert_allclose(changed.sum(axis=1), 1, atol=1e-5)
    questions, _ = calibrated_questions(seed, 50)
    order = np.argsort(questions, axis=1)
    scaled = calibrated(questions, temperature, exclusive=False)
    assert (np.diff(np.take_along_axis(scaled, order, axis=1), axis=1) >= 0).all()


def test_certain_probabilities_stay_finite():
    """Probabilities of 0 and 1, right or wrong, give a temperature within the limits."""
    certain = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    low, high = TEMPERATURES
    right = fit_temperature(certain, target_of(np.array([0, 1, 2, 0]), 3))
    wrong = fit_temperature(certain, target_of(np.array([1, 2, 0, 1]), 3))
    assert low <= right < 1 < wrong <= high
    for temperature in (low, high):
        assert np.isfinite(calibrated(certain, temperature)).all()
        assert np.isfinite(calibrated(certain, temperature, exclusive=False)).all()


def test_unknown_truth_does_not_change_the_fit():
    """Moments of unknown truth are left out, and without any other the fit is refused."""
    probability, target = calibrated_classes(5, 100)
    unknown = np.full_like(target, np.nan)
    both = np.concatenate([probability, probability]), np.concatenate([target, unknown])
    assert fit_temperature(*both) == pytest.approx(fit_temperature(probability, target))
    for exclusive in (True, False):
        with pytest.raises(UsageError, match="expected moments of known truth"):
            fit_temperature(probability, unknown, exclusive=exclusive)


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_a_temperature_is_above_zero(temperature):
    """Other temperatures are refused."""
    with pytest.raises(UsageError, match="expected a temperature above 0"):
        calibrated(np.full((1, 2), 0.5), temperature)


def test_nothing_has_no_curve():
    """Without moments, or without truth, there is no bin."""
    for n in (0, 3):
        nothing = np.full((n, 2), 0.5), np.full((n, 2), np.nan)
        assert reliability(*nothing).count == ()
        assert reliability(*nothing, exclusive=False).count == ()
    assert np.isnan(calibration_error(np.zeros(0), np.zeros(0)))
    assert calibrated(np.zeros((0, 2), np.float32), 2).shape == (0, 2)


def grouped(seed, n_groups, exclusive, *, temperature=1.0):
    """Return probabilities at a temperature, drawn truth, and a group for each three moments."""
    make = calibrated_classes if exclusive else calibrated_questions
    probability, target = make(seed, 3 * n_groups)
    changed = calibrated(probability, temperature, exclusive=exclusive)
    return changed, target, np.repeat(np.arange(n_groups).astype(str), 3)


@pytest.mark.parametrize("exclusive", [True, False])
@given(SEEDS, st.integers(1, 50), st.sampled_from([0.2, 1.0, 4.0]))
def test_without_mistakes_nothing_becomes_surer(exclusive, seed, n_groups, temperature):
    """All answers right, the best plain temperature is 0: it tells nothing of how sure to be."""
    probability, target, groups = grouped(seed, n_groups, exclusive, temperature=temperature)
    if exclusive:
        target = target_of(probability.argmax(axis=1), probability.shape[1])
    else:
        target = (probability >= 0.5).astype(np.float32)
    assert fit_temperature(probability, target, exclusive=exclusive, groups=groups) == 1


@pytest.mark.parametrize("exclusive", [True, False])
@given(SEEDS, st.integers(1, 60), st.sampled_from([0.3, 1.0, 3.0]))
def test_groups_draw_the_temperature_towards_1(exclusive, seed, n_groups, temperature):
    """It lies between 1 and that of the plain fit, the nearer to 1 the fewer groups there are."""
    probability, target, groups = grouped(seed, n_groups, exclusive, temperature=temperature)
    plain = fit_temperature(probability, target, exclusive=exclusive)
    many = fit_temperature(probability, target, exclusive=exclusive, groups=groups)
    one = np.zeros(len(groups), np.str_)
    few = fit_temperature(probability, target, exclusive=exclusive, groups=one)
    low, high = min(plain, 1) - 1e-4, max(plain, 1) * 1.001
    assert low <= few <= high
    assert low <= many <= high
    assert abs(np.log(few)) <= abs(np.log(many)) + 1e-3


@given(SEEDS, st.integers(1, 3))
def test_a_few_groups_change_little(seed, n_groups):
    """Of up to three videos of a calibrated model no temperature comes that changes its answers.

    Where probabilities are nearly equal even a high temperature changes little.
    """
    probability, target, groups = grouped(seed, n_groups, exclusive=True)
    temperature = fit_temperature(probability, target, groups=groups)
    assert np.abs(calibrated(probability, temperature, exclusive=True) - probability).max() < 0.4


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_many_equal_groups_give_the_plain_fit(exclusive, temperature):
    """Five groups more among thousands make no difference."""
    given = grouped(7, 4000, exclusive, temperature=temperature)
    plain = fit_temperature(*given[:2], exclusive=exclusive)
    found = fit_temperature(*given[:2], exclusive=exclusive, groups=given[2])
    assert found == pytest.approx(plain, rel=0.01)


def test_no_group_is_scored_with_its_own_temperature():
    """What a group holds does not change its probabilities; one alone keeps them as they are."""
    probability, target, groups = grouped(3, 40, exclusive=True, temperature=0.3)
    found = cross_calibrated(probability, target, groups)
    own = groups == groups[0]
    other = target.copy()
    other[own] = np.roll(other[own], 1, axis=1)
    np.testing.assert_array_equal(cross_calibrated(probability, other, groups)[own], found[own])
    assert np.abs(found - probability).max() > 0.1
    alone = cross_calibrated(probability[own], target[own], groups[own])
    np.testing.assert_array_equal(alone, probability[own])
