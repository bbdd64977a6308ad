"""Unusual crops are outliers, and a handful of crops has none."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from reelabel.labels.outliers import OutlierSettings, find_outliers

METHODS = ("isolation_forest", "neighbours")


def crowd(n=120, planted=4):
    """Return embeddings whose last rows lie far from the others."""
    rows = np.random.default_rng(0).standard_normal((n, 32)).astype(np.float32)
    rows[n - planted :, :3] += 15
    rows[n - planted :, 3:] += np.random.default_rng(1).standard_normal((planted, 29)) * 4
    return rows


@pytest.mark.parametrize("method", METHODS)
def test_contamination_is_how_many(method):
    """With a share asked for, that many crops are outliers, and they are the planted ones."""
    found = find_outliers(crowd(), OutlierSettings(method=method, contamination=4 / 120))
    assert np.flatnonzero(found.mask).tolist() == [116, 117, 118, 119]
    assert (found.mask == (found.score > found.threshold)).all()


@pytest.mark.parametrize("method", METHODS)
def test_robust_threshold_finds_the_planted(method):
    """Without a share, the planted ones are found and few others."""
    found = find_outliers(crowd(), OutlierSettings(method=method, deviations=3.5))
    assert found.mask[116:].all()
    assert found.mask.sum() <= 8


@pytest.mark.parametrize("method", METHODS)
def test_results_repeat(method):
    """The same crops and seed give the same scores."""
    first, second = (find_outliers(crowd(), OutlierSettings(method=method)) for _ in range(2))
    assert (first.score == second.score).all()


@pytest.mark.parametrize("n", [0, 1, 9])
def test_few_crops_have_no_outlier(n):
    """Below ten crops nothing is an outlier, however unusual."""
    rows = np.zeros((n, 8), np.float32)
    rows[:1] = 1e6
    found = find_outliers(rows, OutlierSettings(contamination=0.5))
    assert not found.mask.any()
    assert found.score.shape == (n,)


@pytest.mark.parametrize("method", METHODS)
def test_equal_crops_have_no_outlier(method):
    """Where all crops are the same none stands out."""
    assert not find_outliers(
        np.ones((30, 8), np.float32), OutlierSettings(method=method)
    ).mask.any()


def test_wrong_settings_and_input_are_refused():
    """Unknown methods, shares above a half and NaN are refused."""
    for wrong in ({"method": "forest"}, {"contamination": 0.7}, {"trees": 0}, {"deviations": 0}):
        with pytest.raises(ValidationError):
            OutlierSettings(**wrong)
    with pytest.raises(ValueError, match="finite"):
        find_outliers(np.full((20, 4), np.nan, np.float32))
