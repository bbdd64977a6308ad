"""Metrics equal those of scikit-learn and torchmetrics, and each difference is stated here."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from reelabel.errors import UsageError
from reelabel.evaluation.classes.metrics import (
    Indicators,
    Rates,
    average_precision,
    confusion,
    top_k,
)
from reelabel.evaluation.classes.targets import class_ids, target_of

K = 6
SEEDS = st.integers(0, 10_000)


def exclusive(seed, n=40, k=K, used=K):
    """Return probabilities and class ids; only the first classes are ever true."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, used, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), true] += 1
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return probability.astype(np.float32), true


def multilabel(seed, n=40, k=K, *, steps=10, unknown=0.2):
    """Return probabilities with many ties and targets of which some are unknown."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n, k)) < 0.4).astype(np.float32)
    target[:2] = [[1], [0]]
    score = (rng.random((n, k)) + target).astype(np.float32) / 2
    target[2:][rng.random((n - 2, k)) < unknown] = np.nan
    return (score * steps).round() / steps, target


def rates_of(probability, true, beta=2.0):
    """Return the rates of exclusive classes."""
    return Rates.of(Indicators.exclusive(probability, target_of(true, K)).counts(), beta)


@given(SEEDS, st.integers(1, K))
def test_exclusive_classes_equal_scikit_learn(seed, used):
    """Accuracy, confusion, and rates of each class and their macro average are scikit-learn's."""
    probability, true = exclusive(seed, used=used)
    predicted = probability.argmax(axis=1)
    indicators = Indicators.exclusive(probability, target_of(true, K))
    expected = sk.confusion_matrix(true, predicted, labels=range(K))
    assert confusion(indicators).tolist() == expected.tolist()
    assert top_k(probability, target_of(true, K)) == sk.accuracy_score(true, predicted)
    occur = np.union1d(true, predicted)
    for beta in (0.5, 1.0, 2.0):
        rates = Rates.of(indicators.counts(), beta)
        theirs = sk.precision_recall_fscore_support(
            true, predicted, beta=beta, labels=occur, zero_division=0
        )
        for ours, other in zip((rates.precision, rates.recall, rates.f_beta), theirs, strict=False):
            np.testing.assert_allclose(ours[occur], other)
            assert np.isnan(np.delete(ours, occur)).all()
        macro = sk.fbeta_score(true, predicted, beta=beta, average="macro", zero_division=0)
        assert rates.macro().f_beta == pytest.approx(macro)
    assert rates.macro().f1 == pytest.approx(sk.f1_score(true, predicted, average="macro"))


@given(SEEDS, st.integers(1, K - 1))
def test_top_k_equals_scikit_learn(seed, k):
    """Top-k accuracy is scikit-learn's; with as many as there are classes it is 1."""
    probability, true = exclusive(seed)
    expected = sk.top_k_accuracy_score(true, probability, k=k, labels=range(K))
    assert top_k(probability, target_of(true, K), k) == pytest.approx(expected)
    assert top_k(probability, target_of(true, K), K + 3) == 1


def test_equal_probabilities_go_to_the_first_class():
    """Top-1 and the confusion matrix agree about ties: the first class is predicted."""
    even = np.full((3, 3), 1 / 3, np.float32)
    target = target_of(np.array([0, 1, 2]), 3)
    assert [top_k(even, target, k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert confusion(Indicators.exclusive(even, target)).tolist() == [[1, 0, 0]] * 3


@given(SEEDS, st.floats(0.05, 0.95))
def test_multilabel_classes_equal_scikit_learn(seed, threshold):
    """Rates per class, macro and micro are scikit-learn's on the moments of known truth."""
    probability, target = multilabel(seed)
    counts = Indicators.multilabel(probability, target, threshold).counts()
    rates, micro = Rates.of(counts, 0.5), Rates.of(counts.micro(), 0.5)
    known = ~np.isnan(target)
    per_class = [
        sk.precision_recall_fscore_support(
            target[known[:, c], c],
            probability[known[:, c], c] >= threshold,
            beta=0.5,
            average="binary",
            zero_division=0,
        )[:3]
        for c in range(K)
    ]
    np.testing.assert_allclose(
        [rates.precision, rates.recall, rates.f_beta], np.transpose(per_class)
    )
    together = sk.precision_recall_fscore_support(
        target[known], probability[known] >= threshold, average="binary", beta=0.5, zero_division=0
    )
    found = [float(one[0]) for one in (micro.precision, micro.recall, micro.f_beta)]
    assert found == pytest.approx(together[:3])


@given(SEEDS, st.integers(2, 30))
def test_average_precision_equals_scikit_learn_with_ties_and_weights(seed, steps):
    """Average precision is scikit-learn's, also where groups are counted several times or never."""
    rng = np.random.default_rng(seed)
    probability, target = multilabel(seed, k=1, steps=steps, unknown=0)
    score, true = probability[:, 0], target[:, 0] == 1
    assert average_precision(score, true) == pytest.approx(sk.average_precision_score(true, score))
    group = rng.integers(0, 5, len(score))
    weights = rng.integers(0, 3, (5, 4)).astype(float)
    for found, times in zip(average_precision(score, true, group, weights), weights.T, strict=True):
        if (times[group] * true).sum() and (times[group] * ~true).sum():
            expected = sk.average_precision_score(true, score, sample_weight=times[group])
            assert found == pytest.approx(expected)
        else:
            assert np.isnan(found)


@pytest.mark.train
@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_agrees_where_conventions_do(seed):
    """Macro rates, confusion and top-k of exclusive classes, and mAP, are those of torchmetrics."""
    torch = pytest.importorskip("torch")
    tm = pytest.importorskip("torchmetrics.functional.classification")
    probability, true = exclusive(seed, used=4)
    given_, truth = torch.tensor(probability), torch.tensor(true)
    rates = rates_of(probability, true).macro()
    for ours, theirs in (
        (rates.precision, tm.multiclass_precision(given_, truth, K)),
        (rates.recall, tm.multiclass_recall(given_, truth, K)),
        (rates.f1, tm.multiclass_f1_score(given_, truth, K)),
        (rates.f_beta, tm.multiclass_fbeta_score(given_, truth, 2.0, K)),
        (
            top_k(probability, target_of(true, K), 3),
            tm.multiclass_accuracy(given_, truth, K, average="micro", top_k=3),
        ),
    ):
        assert float(ours) == pytest.approx(float(theirs), abs=1e-6)
    scores, target = multilabel(seed, unknown=0)
    found = [average_precision(scores[:, c], target[:, c] == 1)[0] for c in range(K)]
    expected = tm.multilabel_average_precision(torch.tensor(scores), torch.tensor(target).long(), K)
    assert np.mean(found) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.train
def test_differences_from_other_libraries():
    """What others count or convert in silence is left out, counted otherwise, or an error here."""
    torch = pytest.importorskip("torch")
    tm = pytest.importorskip("torchmetrics.functional.classification")
    # A class that is neither true nor predicted: listed, scikit-learn counts it as 0.
    true, predicted = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 3, 3, 2])
    probability = np.eye(K, dtype=np.float32)[predicted]
    ours = rates_of(probability, true).macro().f1
    listed = sk.f1_score(true, predicted, labels=range(K), average="macro", zero_division=0)
    assert ours == pytest.approx(listed * K / 4)
    theirs = tm.multiclass_f1_score(torch.tensor(predicted), torch.tensor(true), K)
    assert ours == pytest.approx(float(theirs))

    # A probability of exactly 0.5: negative for torchmetrics, positive here.
    half = np.full((1, 1), 0.5, np.float32)
    assert Rates.of(Indicators.multilabel(half, np.ones((1, 1))).counts()).recall.item() == 1
    assert tm.binary_recall(torch.tensor([0.5]), torch.tensor([1])).item() == 0

    # Scores above 1: torchmetrics applies a sigmoid to all of them, so that 0.4 becomes 0.6.
    scores = np.array([[0.4], [1.2]], np.float32)
    assert tm.binary_precision(torch.tensor(scores[:, 0]), torch.tensor([0, 1])).item() == 0.5
    with pytest.raises(UsageError, match=r"row 1, class 0 has 1\.2"):
        Indicators.multilabel(scores, np.array([[0.0], [1.0]]))

    # A class without a true moment: average precision 0 in both libraries, not defined here.
    with pytest.warns(UserWarning, match="No positive class"):
        assert sk.average_precision_score([0, 0], [0.1, 0.9]) == 0
    with pytest.warns(UserWarning, match="No positive samples"):
        theirs = tm.multilabel_average_precision(
            torch.tensor([[0.1, 0.5], [0.9, 0.2]]), torch.tensor([[0, 1], [0, 0]]), 2
        )
    assert theirs.item() == 0.5
    assert np.isnan(average_precision(np.array([0.1, 0.9]), np.zeros(2, bool)))

    # A class that is true of all: average precision 1 in both libraries, whatever the scores are.
    assert sk.average_precision_score([1, 1], [0.1, 0.9]) == 1
    everywhere = tm.multilabel_average_precision(
        torch.tensor([[0.1, 0.2], [0.9, 0.7]]), torch.ones(2, 2, dtype=torch.long), 2
    )
    assert everywhere.item() == 1
    assert np.isnan(average_precision(np.array([0.1, 0.9]), np.ones(2, bool)))

    # Equal probabilities: scikit-learn takes the last class, numpy's argmax and ours the first.
    even = np.full((1, 3), 1 / 3)
    assert sk.top_k_accuracy_score([2], even, k=1, labels=range(3)) == 1
    assert top_k(even, target_of(np.array([2]), 3)) == 0


def test_classes_that_do_not_occur_have_no_rates():
    """Neither true nor predicted is not defined; predicted but never true counts 0."""
    probability = np.eye(3, dtype=np.float32)[[0, 1]]
    rates = Rates.of(Indicators.exclusive(probability, target_of(np.array([0, 0]), 3)).counts())
    assert rates.f1[:2].tolist() == pytest.approx([2 / 3, 0])
    assert np.isnan(rates.f1[2])
    assert rates.macro().f1 == pytest.approx(1 / 3)


def test_unknown_truth_is_left_out():
    """Moments of unknown truth change nothing; all unknown leaves nothing defined."""
    probability, true = exclusive(0)
    with_unknown = np.where(np.arange(len(true)) % 3 == 0, -1, true)
    known = with_unknown >= 0
    indicators = Indicators.exclusive(probability, target_of(with_unknown, K))
    same = Indicators.exclusive(probability[known], target_of(true[known], K))
    assert (confusion(indicators) == confusion(same)).all()
    nothing = np.full((2, K), np.nan)
    assert np.isnan(top_k(probability[:2], nothing))
    assert np.isnan(Rates.of(Indicators.exclusive(probability[:2], nothing).counts()).macro().f1)


@given(SEEDS)
def test_the_order_of_moments_and_classes_does_not_matter(seed):
    """Permuted moments give the same metrics, relabelled classes the same in their order."""
    rng = np.random.default_rng(seed)
    probability, true = exclusive(seed)
    rates = rates_of(probability, true)
    rows, classes = rng.permutation(len(true)), rng.permutation(K)
    np.testing.assert_array_equal(rates_of(probability[rows], true[rows]).f1, rates.f1)
    renamed = rates_of(probability[:, classes], np.argsort(classes)[true])
    np.testing.assert_array_equal(renamed.f1, rates.f1[classes])
    assert top_k(probability[:, classes], target_of(np.argsort(classes)[true], K), 2) == top_k(
        probability, target_of(true, K), 2
    )
    scores, target = multilabel(seed, k=1, unknown=0)
    order = rng.permutation(len(scores))
    assert average_precision(scores[order, 0], target[order, 0] == 1) == pytest.approx(
        average_precision(scores[:, 0], target[:, 0] == 1)
    )


@given(SEEDS, st.floats(0.1, 10))
def test_averages_lie_between_the_classes(seed, beta):
    """Macro and micro averages lie within those of the classes, F within precision and recall."""
    probability, target = multilabel(seed)
    counts = Indicators.multilabel(probability, target).counts()
    rates, micro = Rates.of(counts, beta), Rates.of(counts.micro(), beta)
    for name in ("precision", "recall"):
        of_class = getattr(rates, name)
        for average in (getattr(rates.macro(), name), getattr(micro, name)[0]):
            assert of_class.min() - 1e-9 <= average <= of_class.max() + 1e-9
    low = np.minimum(rates.precision, rates.recall)
    high = np.maximum(rates.precision, rates.recall)
    assert ((low - 1e-9 <= rates.f_beta) & (rates.f_beta <= high + 1e-9)).all()


@settings(max_examples=20)
@given(st.lists(st.integers(-1, K - 1)))
def test_class_ids_and_targets_are_two_forms_of_one(ids):
    """Class ids come back from their target, in which an unknown class is NaN throughout."""
    given_ids = np.array(ids, np.int64)
    assert class_ids(target_of(given_ids, K)).tolist() == ids
    assert (np.isnan(target_of(given_ids, K)).all(axis=1) == (given_ids == -1)).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([np.nan, 0.5], "row 1, class 0 has nan: give probabilities, not logits"),
        ([0.5, -0.1], "row 1, class 1 has -0.1"),
        ([0.5, 1.1], "row 1, class 1 has 1.1"),
        ([0.9, 0.9], "row 1 sums to 1.8: give a softmax"),
    ],
)
def test_wrong_probabilities_are_named(row, message):
    """NaN, values outside 0..1, and rows of exclusive classes without the sum 1 are an error."""
    probability = np.array([[0.5, 0.5], row], np.float32)
    with pytest.raises(UsageError, match=message):
        Indicators.exclusive(probability, target_of(np.array([0, 1]), 2))


def test_wrong_targets_are_named():
    """Other values than 1, 0 and NaN, two exclusive classes, other shapes and ids are an error."""
    even = np.full((2, 2), 0.5)
    with pytest.raises(UsageError, match=r"row 1, class 0 has 0\.3"):
        Indicators.multilabel(even, np.array([[0, 1], [0.3, 1]]))
    with pytest.raises(UsageError, match=r"row 1 has \[0, 1\]: score .* as multi-label"):
        Indicators.exclusive(even, np.array([[0, 1], [1, 1]]))
    with pytest.raises(UsageError, match=r"got \(2, 2\) and \(2,\)"):
        Indicators.multilabel(even, np.zeros(2))
    with pytest.raises(UsageError, match=r"0 to 1, or -1 for unknown, but row 1 has 2"):
        target_of(np.array([0, 2]), 2)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (2, 0)])
def test_nothing_to_score_is_no_error(shape):
    """Without moments or classes metrics are not defined."""
    empty = np.zeros(shape, np.float32)
    unknown = np.full(shape, np.nan)
    assert np.isnan(top_k(empty, unknown))
    for indicators in (Indicators.exclusive(empty, unknown), Indicators.multilabel(empty, unknown)):
        assert np.isnan(Rates.of(indicators.counts()).macro().f1)
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0, bool)))
