"""Losses and figures of classifiers: unknown targets have no part, and known oracles agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from torch.nn import functional  # noqa: E402 -- torch

from reelabel.training.classes.losses import (  # noqa: E402 -- torch
    exclusive_loss,
    multi_label_loss,
)
from reelabel.training.classes.validation import (  # noqa: E402 -- torch
    accuracy,
    mean_average_precision,
)

pytestmark = pytest.mark.train
NAN = float("nan")
seeds = st.integers(0, 10_000)


def drawn(seed, n=6, k=4):
    """Return outputs and the numbers of right classes."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, k, generator=rng), torch.randint(0, k, (n,), generator=rng)


@given(seed=seeds, smoothing=st.sampled_from([0.0, 0.1, 0.5]))
def test_known_classes_give_torchs_cross_entropy(seed, smoothing):
    """With one right class each, and weight 1, the loss is torch's, label smoothing included."""
    outputs, right = drawn(seed)
    target = functional.one_hot(right, 4).float()
    ours = exclusive_loss(outputs, target, torch.ones(6), smoothing)
    theirs = functional.cross_entropy(outputs, right, label_smoothing=smoothing)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


@given(seed=seeds)
def test_a_class_that_is_ruled_out_leaves_the_others_free(seed):
    """Only the share of the excluded class counts, however the others share the rest."""
    outputs, _ = drawn(seed, n=1)
    target = torch.tensor([[0.0, NAN, NAN, NAN]])
    ours = exclusive_loss(outputs, target, torch.ones(1), 0.0)
    rest = 1 - outputs.softmax(1)[0, 0]
    assert ours.item() == pytest.approx(-float(rest.log()), abs=1e-4)


@given(seed=seeds, smoothing=st.sampled_from([0.0, 0.2]))
def test_known_answers_give_torchs_binary_cross_entropy(seed, smoothing):
    """Without unknown targets the loss is torch's, with and without weights of right answers."""
    outputs, right = drawn(seed)
    target = functional.one_hot(right, 4).float()
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0])
    for positive in (None, weight):
        ours = multi_label_loss(
            outputs, target, torch.ones(6), smoothing=smoothing, positive_weight=positive
        )
        soft = target * (1 - smoothing) + smoothing / 2
        theirs = functional.binary_cross_entropy_with_logits(outputs, soft, pos_weight=positive)
        assert ours.item() == pytest.approx(theirs.item(), abs=1e-5)


@given(seed=seeds, mask=st.lists(st.booleans(), min_size=24, max_size=24))
def test_unknown_answers_have_no_gradient(seed, mask):
    """What is not known moves nothing, and the rest moves as if the unknown were not there."""
    outputs, right = drawn(seed)
    outputs.requires_grad_()
    unknown = torch.tensor(mask).reshape(6, 4)
    target = functional.one_hot(right, 4).float().masked_fill(unknown, NAN)
    loss = multi_label_loss(outputs, target, torch.ones(6), smoothing=0.0)
    loss.backward()
    assert loss.isfinite()
    assert (outputs.grad[unknown] == 0).all()
    assert (outputs.grad[~unknown] != 0).all()


@pytest.mark.parametrize("known", [[[1.0, 0.0]], [[NAN, 0.0]], [[1.0, NAN]]])
def test_no_gradient_is_nan(known):
    """Unknown targets leave no NaN in the gradients of either loss."""
    for loss in (
        lambda o, t, w: exclusive_loss(o, t, w, 0.1),
        lambda o, t, w: multi_label_loss(o, t, w, smoothing=0.1),
    ):
        outputs = torch.zeros(1, 2, requires_grad=True)
        loss(outputs, torch.tensor(known), torch.ones(1)).backward()
        assert outputs.grad.isfinite().all()


@given(seed=seeds)
def test_weight_is_a_share_of_the_loss(seed):
    """An example of weight 0 has no part, and one of weight 2 counts twice."""
    outputs, right = drawn(seed)
    target = functional.one_hot(right, 4).float()
    weight = torch.tensor([0.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    rows = torch.stack([exclusive_loss(outputs[i : i + 1], target[i : i + 1], torch.ones(1), 0.0)
                        for i in range(6)])  # fmt: skip
    whole = exclusive_loss(outputs, target, weight, 0.0)
    assert whole.item() == pytest.approx(float((rows * weight).mean()), abs=1e-5)
    multi = multi_label_loss(outputs, target, weight, smoothing=0.0)
    alone = [multi_label_loss(outputs[i : i + 1], target[i : i + 1], torch.ones(1), smoothing=0.0)
             for i in range(6)]  # fmt: skip
    assert multi.item() == pytest.approx(float((torch.stack(alone) * weight).mean()), abs=1e-5)


def test_accuracy_counts_rows_whose_class_is_known():
    """A row without a right class does not count, neither for nor against."""
    probability = np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]], np.float32)
    target = np.array([[1, 0], [1, 0], [NAN, NAN]], np.float32)
    assert accuracy(probability, target) == 0.5
    assert accuracy(probability[2:], target[2:]) == 0.0


@given(seed=seeds)
def test_average_precision_is_scikit_learns_on_known_rows(seed):
    """Each class is judged on the rows where it is known; one without a right row is left out."""
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 -- slow

    rng = np.random.default_rng(seed)
    probability = rng.random((20, 3)).astype(np.float32)
    target = rng.integers(0, 2, (20, 3)).astype(np.float32)
    target[0] = 1
    target[:, 2] = 0
    target[rng.random((20, 3)) < 0.2] = NAN
    target[0, :2] = 1
    expected = []
    for c in (0, 1):
        known = ~np.isnan(target[:, c])
        expected.append(average_precision_score(target[known, c] == 1, probability[known, c]))
    assert mean_average_precision(probability, target) == pytest.approx(np.mean(expected))
