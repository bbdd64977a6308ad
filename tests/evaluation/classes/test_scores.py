"""Scores are those of the sample, and their intervals hold the truth as often as they should."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from reelabel.data.classes import Moments, Predictions
from reelabel.errors import UsageError
from reelabel.evaluation.classes.calibration import calibrated
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.resampling import (
    group_weights,
    interval,
)
from reelabel.evaluation.classes.scores import score
from reelabel.evaluation.classes.sums import Scored, measure
from reelabel.evaluation.classes.targets import target_of

NAMES = ("ant", "bee", "cat")
K = len(NAMES)


def sample(seed, n_groups=12, per_group=5, *, exclusive=True, hard=1.2):
    """Return predictions, target and groups; moments of a group share class and difficulty."""
    rng = np.random.default_rng(seed)
    n = n_groups * per_group
    true = np.repeat(rng.integers(0, K, n_groups), per_group)
    logits = np.repeat(rng.normal(size=(n_groups, K)) * hard, per_group, axis=0)
    logits += rng.normal(size=(n, K))
    logits[np.arange(n), true] += 2
    groups = np.repeat([f"g{i:05d}" for i in range(n_groups)], per_group)
    pts = np.tile(np.arange(per_group), n_groups)
    odds = np.exp(logits)
    probability = odds / odds.sum(axis=1, keepdims=True) if exclusive else odds / (1 + odds)
    return Predictions(Moments(groups, pts, pts), probability), target_of(true, K), groups


def drawn(data, chosen, seed):
    """Return our metrics of a draw of groups, and the rows that this draw repeats."""
    predictions, target, groups = data
    scored = Scored.of(predictions.probability, target, groups, chosen)
    weights = group_weights(scored.n_groups, 3, seed)
    names = np.unique(groups[~np.isnan(target).all(axis=1)])
    times = [weights[names == group, 1].sum() for group in groups]
    return measure(scored, weights), np.repeat(np.arange(len(target)), np.int64(times))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_resample_is_scored_as_if_its_moments_were_repeated(seed):
    """Metrics from sums over groups are scikit-learn's on the repeated moments."""
    data = sample(seed)
    found, rows = drawn(data, ScoreSettings(NAMES, top_k=2), seed)
    probability, true = data[0].probability[rows], data[1][rows].argmax(axis=1)
    predicted = probability.argmax(axis=1)
    top2 = sk.top_k_accuracy_score(true, probability, k=2, labels=range(K))
    assert found.overall["top1"][1] == pytest.approx(sk.accuracy_score(true, predicted))
    assert found.overall["top_k"][1] == pytest.approx(top2)
    exact = probability.astype(float) / probability.sum(axis=1, keepdims=True, dtype=float)
    brier = sk.brier_score_loss(true, exact, labels=range(K))
    assert found.overall["brier"][1] == pytest.approx(brier, abs=1e-5)
    occur = np.unique(true)
    recall = sk.recall_score(true, predicted, labels=occur, average=None)
    np.testing.assert_allclose(found.classes["recall"][1, occur], recall)
    never_true = np.setdiff1d(data[0].probability.argmax(axis=1), data[1].argmax(axis=1))
    macro = recall.sum() / (len(recall) + len(never_true))
    assert found.overall["macro_recall"][1] == pytest.approx(macro)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_multilabel_resample_is_scored_as_if_its_moments_were_repeated(seed):
    """So are average precision and micro averages, with unknown truth left out."""
    predictions, target, groups = sample(seed, exclusive=False)
    target[np.random.default_rng(seed).random(target.shape) < 0.2] = np.nan
    chosen = ScoreSettings(NAMES, exclusive=False)
    found, rows = drawn((predictions, target, groups), chosen, seed)
    probability, truth = predictions.probability[rows], target[rows]
    known = ~np.isnan(truth)
    micro = sk.f1_score(truth[known], probability[known] >= 0.5, zero_division=0)
    assert found.overall["micro_f1"][1] == pytest.approx(micro)
    brier = sk.brier_score_loss(truth[known], probability[known], pos_label=1)
    assert found.overall["brier"][1] == pytest.approx(brier)
    each = [
        sk.average_precision_score(truth[known[:, c], c], probability[known[:, c], c])
        for c in range(K)
        if (truth[:, c] == 1).any()
    ]
    assert found.overall["map"][1] == pytest.approx(np.mean(each))


def test_each_kind_of_classes_has_its_metrics():
    """Micro averages and mAP are of multi-label classes, top-1 and the matrix of exclusive ones."""
    exclusive = score(*sample(0), ScoreSettings(NAMES, top_k=2))
    multilabel = score(*sample(0, exclusive=False), ScoreSettings(NAMES, exclusive=False))
    both = {"macro_precision", "macro_recall", "macro_f1", "macro_f_beta", "brier", "ece"}
    micro = {"micro_precision", "micro_recall", "micro_f1", "micro_f_beta"}
    assert set(exclusive.overall) == both | {"top1", "top_k"}
    assert set(multilabel.overall) == both | micro | {"map"}
    assert sum(map(sum, exclusive.confusion)) == exclusive.moments == 60
    assert multilabel.confusion == ()
    assert exclusive.classes["ant"].ap is None is not multilabel.classes["ant"].ap
    assert "top_k" not in score(*sample(0), ScoreSettings(NAMES, top_k=3)).overall


def test_a_binary_question_has_the_rates_of_its_positive_class():
    """The positive class is named, and its rates stand beside the macro average."""
    predictions, _, groups = sample(1)
    first = predictions.probability[:, :1]
    binary = Predictions(predictions.moments, np.hstack([first, 1 - first]))
    target = target_of(np.arange(60) % 2, 2)
    scores = score(binary, target, groups, ScoreSettings(("no", "yes"), positive="yes"))
    true, predicted = np.arange(60) % 2, binary.probability.argmax(axis=1)
    assert scores.overall["f1"].value == pytest.approx(sk.f1_score(true, predicted), abs=1e-6)
    assert (
        scores.overall["recall"] == scores.classes["yes"].recall != scores.overall["macro_recall"]
    )
    assert scores.positive == "yes"


def test_scores_are_the_same_again():
    """Equal seeds give equal intervals, whatever the order of moments; another seed, others."""
    predictions, target, groups = sample(2)
    chosen = ScoreSettings(NAMES)
    order = np.random.default_rng(0).permutation(len(groups))
    first = score(predictions, target, groups, chosen)
    again = score(predictions[order], target[order], groups[order], chosen)
    assert first == again
    assert first.overall != score(predictions, target, groups, replace(chosen, seed=1)).overall


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 4))
def test_no_figure_is_nan_and_intervals_surround_accuracy(seed, exclusive, n_groups):
    """Few groups, rare classes and unknown truth leave None; one group has no interval."""
    predictions, target, groups = sample(seed, n_groups, 3, exclusive=exclusive)
    rng = np.random.default_rng(seed)
    target[rng.random(len(target)) < 0.3] = np.nan
    scores = score(predictions, target, groups, ScoreSettings(NAMES, exclusive))
    assert "nan" not in str(asdict(scores))
    for name, figure in scores.overall.items():
        if scores.groups < 2:
            assert figure.low is figure.high is None
        elif name in {"top1", "brier"}:
            assert figure.low <= figure.value <= figure.high
        if figure.value is not None and figure.low is not None:
            assert figure.low <= figure.high


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("case", ["no moments", "no truth", "one class", "one group", "absent"])
def test_degenerate_samples_have_scores(case, exclusive):
    """Nothing to score, one class, one group and a class without examples are no error."""
    predictions, target, groups = sample(3, exclusive=exclusive)
    names = NAMES
    if case == "no moments":
        predictions, target, groups = predictions[:0], target[:0], groups[:0]
    elif case == "no truth":
        target = np.full_like(target, np.nan)
    elif case == "one class":
        only = np.ones((len(groups), 1), np.float32)
        predictions, target, names = Predictions(predictions.moments, only), only, ("it",)
    elif case == "one group":
        groups = np.full(len(groups), "g")
    else:
        target = target_of(target.argmax(axis=1).clip(0, 1), K)
    scores = score(predictions, target, groups, ScoreSettings(names, exclusive))
    assert "nan" not in str(asdict(scores))
    first = scores.overall["macro_f1"]
    if case in {"no moments", "no truth"}:
        assert (scores.moments, scores.groups) == (0, 0)
        assert {figure.value for figure in scores.overall.values()} == {None}
    elif case == "one class":
        assert first.value == 1
    elif case == "one group":
        assert first.value is not None is first.low
        assert scores.overall["ece"].value is None is not scores.ece_raw
    else:
        assert scores.classes["cat"].true == 0
        assert scores.classes["cat"].recall.low is None
        assert scores.classes["cat"].recall.value == 0


def test_a_rare_class_does_not_pull_resamples_down():
    """Macro recall is perfect in every resample of a perfect model, whatever classes it draws."""
    target = target_of(np.repeat([0, 0, 0, 0, 0, 1], 2), 2)
    groups = np.repeat(list("abcdef"), 2)
    scored = Scored.of(target, target, groups, ScoreSettings(("common", "rare")))
    assert (measure(scored, group_weights(6, 200, 0)).overall["macro_recall"] == 1).all()


def test_a_perfect_score_has_an_interval():
    """Without a mistake in n groups the interval is that of a proportion; more groups narrow it."""
    groups = np.array([f"g{i}" for i in range(20)])
    pts = np.zeros(20, int)
    target = target_of(np.arange(20) % 2, 2)
    scores = score(
        Predictions(Moments(groups, pts, pts), target), target, groups, ScoreSettings(("a", "b"))
    )
    figure = scores.overall["top1"]
    assert (figure.value, figure.low, figure.high) == (1, pytest.approx(0.025 ** (1 / 20)), 1)
    assert interval(0.0, np.zeros(9), 20) == (0, pytest.approx(1 - 0.025 ** (1 / 20)))
    assert interval(1.0, np.ones(9), 1) is None


def calibrated_scores(seed, n_groups, temperature):
    """Return scores of probabilities at a temperature; at 1 classes are drawn with them."""
    rng = np.random.default_rng(seed)
    n = 4 * n_groups
    probability = rng.dirichlet(np.ones(K), n).astype(np.float32)
    true = (probability.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, K - 1)
    groups = np.repeat([f"g{i}" for i in range(n_groups)], 4)
    moments = Moments(groups, np.arange(n), np.arange(n))
    changed = Predictions(moments, calibrated(probability, temperature))
    return score(changed, target_of(true, K), groups, ScoreSettings(NAMES))


@pytest.mark.parametrize(("temperature", "error"), [(1.0, 0.0), (0.4, 0.17)])
def test_chance_is_taken_out_of_the_calibration_error(temperature, error):
    """Calibrated probabilities have an error of about 0, others theirs, also in small samples."""
    assert calibrated_scores(99, 20_000, temperature).ece_raw == pytest.approx(error, abs=0.01)
    scores = [calibrated_scores(seed, 50, temperature) for seed in range(40)]
    raw = np.mean([one.ece_raw for one in scores])
    figures = [one.overall["ece"] for one in scores]
    corrected = np.mean([one.value for one in figures])
    assert abs(corrected - error) < 0.6 * (raw - error) or abs(corrected - error) < 0.01
    assert np.mean([one.low <= error + 0.02 and error <= one.high for one in figures]) >= 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a", "b")}, "2 classes .* but got 3 columns"),
        ({"classes": ("a", "a", "b")}, "expected different class names"),
        ({"beta": 0}, "expected beta above 0"),
        ({"positive": "bea"}, "got 'bea' .did you mean 'bee'"),
        ({"positive": "bee"}, "two exclusive classes, .* but got 3 exclusive classes"),
    ],
)
def test_wrong_settings_are_refused(change, message):
    """Each message names what was expected."""
    with pytest.raises(UsageError, match=message):
        score(*sample(0), replace(ScoreSettings(NAMES), **change))


def test_groups_belong_to_moments():
    """Another number of groups, or a video in two groups, is refused."""
    predictions, target, groups = sample(0)
    with pytest.raises(UsageError, match="a target and a group for each of 60 moments"):
        score(predictions, target, groups[1:], ScoreSettings(NAMES))
    with pytest.raises(UsageError, match="expected one group for each video"):
        score(predictions, target, groups[::-1][np.r_[1:60, 0]], ScoreSettings(NAMES))
    with pytest.raises(UsageError, match="a group for each of 60 moments"):
        Scored.of(predictions.probability, target, groups[1:], ScoreSettings(NAMES))
