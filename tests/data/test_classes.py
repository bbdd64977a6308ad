"""Moments and predictions keep their shapes, and refuse what is no probability."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.classes import Moments, Predictions


def moments(n=4):
    """Return windows of two videos."""
    pts = np.arange(n) * 10
    return Moments(np.array(["a", "b"])[np.arange(n) % 2], pts, pts + 5)


def test_selected_and_joined_moments_are_the_same_moments():
    """A selection by mask, positions or slice joins to what it was taken from."""
    of_all = moments()
    parts = [of_all[:1], of_all[np.array([1, 2])], of_all[of_all.pts > 20]]
    assert Moments.joined(parts) == of_all != of_all[::-1]
    assert Moments.joined([]) == Moments.empty()
    assert len(Moments.empty()) == 0


def test_selected_and_joined_predictions_are_the_same_predictions():
    """A selection of predictions keeps moments and probabilities together."""
    of_all = Predictions(moments(), np.arange(8).reshape(4, 2) / 7)
    joined = Predictions.joined([Predictions.empty(2), of_all[:2], of_all[2:]])
    assert joined == of_all != of_all[::-1]
    assert joined.probability.dtype == np.float32
    assert joined.n_classes == 2


def test_arrays_are_copies_that_cannot_be_changed():
    """Neither the caller nor a reader changes what is inside."""
    given = np.zeros((4, 2), np.float32)
    predictions = Predictions(moments(), given)
    given[:] = 1
    assert not predictions.probability.any()
    with pytest.raises(ValueError, match="read-only"):
        predictions.probability[0] = 1


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.2, np.inf])
def test_what_is_no_probability_is_refused_with_its_place(bad):
    """NaN, infinity and values outside 0..1 are named with row, video, time stamp and class."""
    values = np.full((4, 3), 0.5)
    values[3, 2] = bad
    with pytest.raises(ValueError, match=r"row 3 \(video b, pts 30\), class 2 has"):
        Predictions(moments(), values)


def test_shapes_must_agree():
    """Arrays of other lengths or dimensions, and moments that end early, are refused."""
    with pytest.raises(ValueError, match="must have shape"):
        Predictions(moments(), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="must have shape"):
        Predictions(moments(), np.zeros(4))
    with pytest.raises(ValueError, match="must have shape"):
        Moments(np.array(["a"]), np.zeros(2, int), np.zeros(1, int))
    with pytest.raises(ValueError, match=r"row 1 \(video a, pts 7\) ends at 6"):
        Moments(np.array(["a", "a"]), np.array([0, 7]), np.array([0, 6]))


def test_predictions_of_moments_come_in_their_order_and_none_is_missing():
    """Wanted moments get their own rows; one without a prediction is an error, not another row."""
    moments = Moments(np.array(["a", "a", "b"]), np.array([0, 5, 0]), np.array([0, 9, 0]))
    found = Predictions(moments, np.array([[0.1], [0.2], [0.3]], np.float32))
    assert found.of(moments[np.array([2, 0])]).probability.ravel().tolist() == pytest.approx([
        0.3,
        0.1,
    ])
    other = Moments(np.array(["b"]), np.array([5]), np.array([9]))
    assert moments.rows_of(other).tolist() == [-1]
    with pytest.raises(KeyError, match="b"):
        found.of(other)
