"""How far probes can be trusted: agreement, corrected for wrong tags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.tags.judgement import Predicted, judge

FRAMES = 2


def simulated(accuracy, wrong_share, *, videos=10_000, classes=3, seed=0):
    """Return calibrated predictions of an accuracy, labels of which a share is wrong, and truth."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, videos)
    # Certainty of each video, from chance to 1, with the wanted mean.
    chance = 1 / classes
    share = (accuracy - chance) / (1 - chance)
    certainty = chance + (1 - chance) * rng.beta(2 * share, 2 * (1 - share), videos)
    right = rng.random(videos) < certainty
    best = np.where(right, true, (true + rng.integers(1, classes, videos)) % classes)
    rest = (1 - certainty) / (classes - 1)
    probability = np.where(best[:, None] == np.arange(classes), certainty[:, None], rest[:, None])
    flipped = rng.random(videos) < wrong_share
    label = np.where(flipped, (true + rng.integers(1, classes, videos)) % classes, true)
    unit = np.repeat(np.arange(videos), FRAMES)
    return Predicted(probability[unit], label[unit], unit, unit), float(right.mean())


@pytest.mark.parametrize("classes", [2, 3, 6])
@pytest.mark.parametrize("wrong_share", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("accuracy", [0.7, 0.95])
def test_accuracy_is_estimated_from_wrong_tags(accuracy, wrong_share, classes):
    """Of calibrated probes the accuracy comes out, and the share of wrong tags, to .04."""
    predicted, true = simulated(accuracy, wrong_share, classes=classes)
    found = judge(predicted, 0.8)
    accuracy = found.frame_accuracy
    assert accuracy.value == pytest.approx(true, abs=0.04)
    assert found.wrong_share == pytest.approx(wrong_share, abs=0.04)
    assert found.video_accuracy == pytest.approx(accuracy.value)
    assert accuracy.low <= accuracy.value <= accuracy.high


def test_agreement_is_lower_than_accuracy():
    """With a fifth of the tags wrong a nearly perfect probe agrees with .8 of them."""
    found = judge(simulated(0.98, 0.2)[0], 0.8)
    assert found.frame_agreement == pytest.approx(0.79, abs=0.03)
    assert found.can_be_judged
    assert not found.reason


def test_weak_probes_judge_nothing():
    """Below the least accuracy nothing can be judged, and the reason has values."""
    found = judge(simulated(0.6, 0.1)[0], 0.8, category="dog")
    assert not found.can_be_judged
    assert "of 'dog'" in found.reason
    assert f"{found.frame_accuracy.value:.2f} of 20000 frames, less than 0.8" in found.reason


def test_a_probe_that_names_the_commonest_class_is_weak():
    """Classes count equally: always naming the class of 95 % of the videos is right on half."""
    label = (np.arange(400) < 20).astype(np.int64)
    probability = np.tile([0.95, 0.05], (400, 1))
    found = judge(Predicted(probability, label, np.arange(400), np.arange(400)), 0.8)
    assert found.frame_agreement == pytest.approx(0.5)
    assert not found.can_be_judged


def test_fewer_groups_have_wider_intervals():
    """The same predictions in fewer groups are less certain."""
    predicted, _ = simulated(0.85, 0.1, videos=400)
    coarse = Predicted(predicted.probability, predicted.label, predicted.unit, predicted.unit // 40)
    one, other = (judge(each, 0.8).frame_accuracy for each in (predicted, coarse))
    assert one.value == other.value
    assert other.high - other.low != one.high - one.low


@given(
    seed=st.integers(0, 999),
    videos=st.integers(1, 30),
    classes=st.integers(2, 4),
)
def test_figures_are_shares(seed, videos, classes):
    """Whatever is predicted, all figures lie in 0..1 and sample sizes are those of the input."""
    rng = np.random.default_rng(seed)
    unit = np.repeat(np.arange(videos), 2)
    probability = rng.dirichlet(np.ones(classes), len(unit))
    label = rng.integers(0, classes, videos)[unit]
    found = judge(Predicted(probability, label, unit, unit // 3), 0.8, seed=seed)
    figures = [found.frame_agreement, found.video_agreement, found.wrong_share]
    accuracy = found.frame_accuracy
    figures += [found.video_accuracy, accuracy.value, accuracy.low, accuracy.high]
    assert all(0 <= figure <= 1 for figure in figures)
    assert (found.frames, found.videos) == (2 * videos, videos)
