"""Confident learning: it agrees with the published implementation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.tags.contradicts import confident_joint, find_contradictions, mean_by


def noisy(seed, classes, rows):
    """Return probabilities and labels of which a fifth is drawn at random."""
    rng = np.random.default_rng(seed)
    label = np.r_[np.arange(classes), rng.integers(0, classes, rows - classes)]
    true = np.where(rng.random(rows) < 0.2, rng.integers(0, classes, rows), label)
    certainty = rng.uniform(0.3, 8) * rng.random((rows, 1))
    probability = rng.dirichlet(np.full(classes, 0.7), rows) + certainty * np.eye(classes)[true]
    return probability / probability.sum(axis=1, keepdims=True), label


def test_agrees_with_the_published_implementation():
    """Of all rows of 100 random inputs 99 % get the same answer as from cleanlab."""
    cleanlab = pytest.importorskip("cleanlab.filter")
    rng = np.random.default_rng(0)
    same, issues = [], 0
    for seed in range(100):
        inputs = noisy(seed, int(rng.integers(2, 7)), int(rng.integers(20, 400)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = cleanlab.find_label_issues(
                inputs[1], inputs[0], filter_by="prune_by_noise_rate", n_jobs=1
            )
        same.append(find_contradictions(*inputs).mask == expected)
        issues += expected.sum()
    assert np.concatenate(same).mean() >= 0.99
    assert issues > 1000  # or agreement would mean nothing


@given(seed=st.integers(0, 9999), classes=st.integers(2, 6), rows=st.integers(6, 200))
def test_the_joint_counts_every_label_once(seed, classes, rows):
    """Rows of the confident joint add up to the number of labels of each class."""
    probability, label = noisy(seed, classes, rows)
    joint = confident_joint(probability, label)
    assert (joint >= 0).all()
    assert joint.sum(axis=1).tolist() == np.bincount(label, minlength=classes).tolist()


@given(seed=st.integers(0, 9999), classes=st.integers(2, 6), rows=st.integers(6, 200))
def test_only_less_probable_labels_are_doubted(seed, classes, rows):
    """A doubted label has a more probable class beside it: the one that is suggested."""
    probability, label = noisy(seed, classes, rows)
    found = find_contradictions(probability, label)
    at = np.arange(rows)
    assert (found.suggested == probability.argmax(axis=1)).all()
    assert (found.margin[found.mask] > 0).all()
    apart = probability[at, found.suggested] - probability[at, label]
    np.testing.assert_allclose(found.margin[found.mask], apart[found.mask])


def test_certain_and_right_labels_are_not_doubted():
    """Where every label is the most probable class nothing is doubted; a swapped one is."""
    label = np.arange(40) % 2
    probability = np.where(label[:, None] == np.arange(2), 0.9, 0.1)
    assert not find_contradictions(probability, label).mask.any()
    label[3] = 0
    assert np.flatnonzero(find_contradictions(probability, label).mask).tolist() == [3]


def test_classes_without_labels_are_no_error():
    """A column of which no row has the label is never counted."""
    probability = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
    joint = confident_joint(probability, np.array([0, 1, 1]))
    assert joint[:, 2].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("probability", "label"),
    [
        (np.full((3, 2), np.nan), np.zeros(3, int)),
        (np.full((3, 2), 0.5), np.zeros(2, int)),
        (np.full((3, 2), 0.5), np.full(3, 2)),
        (np.full((3, 2), 0.5), np.full(3, -1)),
    ],
)
def test_inputs_that_do_not_fit_are_refused(probability, label):
    """NaN, other lengths and labels out of range are errors."""
    with pytest.raises(ValueError, match="expected"):
        find_contradictions(probability, label)


def test_nothing_is_no_error():
    """Without rows nothing is doubted."""
    assert find_contradictions(np.zeros((0, 3)), np.zeros(0, int)).mask.shape == (0,)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 99))
def test_means_of_units(units, seed):
    """Each unit has the mean of its rows."""
    unit = np.unique(units, return_inverse=True)[1]
    values = np.random.default_rng(seed).random((len(unit), 3))
    expected = [values[unit == u].mean(axis=0) for u in range(unit.max() + 1)]
    np.testing.assert_allclose(mean_by(unit, values), expected)
