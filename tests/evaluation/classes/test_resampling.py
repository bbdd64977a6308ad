"""Intervals hold the truth as often as they should, and p-values agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.evaluation.classes.resampling import (
    group_weights,
    interval,
    p_value,
    percentile_level,
)
from reelabel.evaluation.intervals import percentiles


def accuracies(seed, n_groups):
    """Return how many of ten moments of each group are right; groups differ in difficulty."""
    rng = np.random.default_rng(seed)
    return rng.binomial(10, rng.beta(4, 1, n_groups))


def coverage(n_groups, trials=1000):
    """Return how often intervals hold the accuracy of all groups, 0.8; with percentiles too."""
    held = np.zeros(2)
    for trial in range(trials):
        right = accuracies(trial, n_groups)
        samples = right @ group_weights(n_groups, 300, trial) / (10 * n_groups)
        both = interval(right.mean() / 10, samples, n_groups), percentiles(samples)
        held += [low <= 0.8 <= high for low, high in both]
    return held / trials


def test_intervals_hold_the_truth():
    """Intervals over 25 groups hold it in about 95 %, over 6 in more than plain percentiles do."""
    few, many = coverage(6), coverage(25)
    assert few[0] > few[1] + 0.03
    assert few[0] >= 0.88
    assert 0.92 <= many[0] <= 0.98


def test_few_groups_widen_intervals():
    """The share of resamples that is kept falls to the level as groups become many."""
    levels = [percentile_level(n) for n in (2, 5, 20, 10_000)]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == pytest.approx(0.95, abs=1e-4)


@given(st.integers(2, 40), st.integers(0, 999))
def test_the_p_value_is_where_the_interval_leaves_out_zero(n_groups, seed):
    """Below 0.05 the interval of 95 % leaves out 0, clearly above it does not."""
    samples = np.random.default_rng(seed).normal(1, 0.5, 999)
    low, high = percentiles(samples, percentile_level(n_groups))
    p = p_value(samples, n_groups)
    assert 0 < p <= 1
    if p < 0.045:
        assert low > 0 or high < 0
    if p > 0.055 and percentile_level(n_groups) < 0.995:
        assert low <= 0 <= high
