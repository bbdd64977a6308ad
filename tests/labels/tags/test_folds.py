"""Out-of-fold probabilities: groups stay whole, and what cannot be judged is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelabel.errors import UsageError
from reelabel.labels.tags.folds import conflicting_videos, exclusive_labels, out_of_fold
from reelabel.labels.tags.probe import ProbeSettings, deal_groups

QUICK = ProbeSettings(folds=3, inner_folds=2, strengths=(0.01, 0.1, 1))


def blobs(videos=12, frames=4, classes=2, d=6):
    """Return features around a centre of each class, targets, and the video of each row."""
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(videos) % classes, frames)
    features = 5 * np.eye(d)[label] + rng.standard_normal((len(label), d))
    video = np.repeat([f"v{i:03}" for i in range(videos)], frames)
    return features.astype(np.float32), np.eye(classes)[label], video


@given(
    groups=st.lists(st.integers(0, 9), min_size=1, max_size=60),
    folds=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_groups_stay_whole_and_classes_are_spread(groups, folds, seed):
    """A group is in one fold, and the numbers of groups of a class per fold differ by 1 at most."""
    group = np.unique(groups, return_inverse=True)[1]
    label = np.random.default_rng(seed).integers(-1, 3, group.max() + 1)[group]
    fold = deal_groups(group, label, folds, seed)
    assert ((fold >= 0) & (fold < folds)).all()
    of_group = {g: set(fold[group == g].tolist()) for g in group.tolist()}
    assert all(len(found) == 1 for found in of_group.values())
    for c in np.unique(label):
        firsts = [min(of_group[g]) for g in np.unique(group[label == c]).tolist()]
        counts = np.bincount(firsts, minlength=folds)
        assert counts.max() - counts.min() <= 1


def test_mixed_groups_count_for_their_rarest_class():
    """Two groups that hold a rare class beside a common one are in different folds."""
    group = np.repeat(np.arange(8), 2)
    label = np.array([0, 1, 0, 1, *[0] * 12])
    for seed in range(20):
        fold = deal_groups(group, label, 2, seed)
        assert fold[0] != fold[2]


def test_probabilities_follow_the_classes():
    """Of clearly separate classes each row's own is the most probable, and rows add up to 1."""
    features, target, video = blobs(classes=3)
    found = out_of_fold(features, target, video, QUICK)
    assert (found.argmax(axis=1) == target.argmax(axis=1)).mean() > 0.9
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-9)


def test_nobody_is_predicted_by_a_probe_that_was_fitted_on_its_group():
    """Another claim about a group, or none, does not change the probabilities of that group."""
    features, target, video = blobs()
    group = np.array([name if name > "v001" else "source" for name in video])
    mine = group == "source"
    unknown = target.copy()
    unknown[mine] = np.nan
    swapped = target.copy()
    swapped[mine] = swapped[mine][:, ::-1]
    kept = [out_of_fold(features, t, group, QUICK) for t in (target, swapped)]
    np.testing.assert_array_equal(kept[0][mine], kept[1][mine])
    assert np.abs(kept[0][~mine] - kept[1][~mine]).max() > 1e-3
    assert np.isfinite(out_of_fold(features, unknown, group, QUICK)).all()


def test_folds_by_frame_are_fitted_on_the_video_itself():
    """Where each frame is a group, a wrong claim about a video is repeated; by video it is not."""
    rng = np.random.default_rng(0)
    features, target, video = blobs(videos=24, frames=10, d=30)
    features[:, 6:] += 4 * rng.standard_normal((24, 24)).repeat(10, axis=0)
    wrong = video == "v000"
    target[wrong] = target[wrong][:, ::-1]
    settings = ProbeSettings(folds=3, inner_folds=2)
    frame = np.arange(len(video)).astype(str)
    by_frame, by_video = (out_of_fold(features, target, g, settings) for g in (frame, video))
    assert (by_frame[wrong] * target[wrong]).sum(axis=1).mean() > 0.8
    assert (by_video[wrong] * target[wrong]).sum(axis=1).mean() < 0.2


def test_results_repeat():
    """The same arguments give the same probabilities to the last bit."""
    features, target, video = blobs()
    first, second = (out_of_fold(features, target, video, QUICK, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_classes_that_do_not_exclude_each_other_have_a_probe_each():
    """Each class is told from its absence; unknown claims of one class do not touch another."""
    features, target, video = blobs(videos=20, classes=2)
    both = video >= "v010"
    features[both, :2] = 3
    target[both] = 1
    found = out_of_fold(features, target, video, QUICK, exclusive=False)
    assert ((found > 0.5) == (target == 1)).mean() > 0.9
    partly = target.copy()
    partly[video < "v004", 1] = np.nan
    other = out_of_fold(features, partly, video, QUICK, exclusive=False)
    np.testing.assert_array_equal(found[:, 0], other[:, 0])


def test_many_frames_are_thinned_over_classes_and_videos():
    """With more frames than are fitted on, rare classes and short videos are still met."""
    features, target, video = blobs(videos=40, frames=10)
    rare = np.zeros((8, 2))
    rare[:, 1] = 1
    target = np.concatenate([np.eye(2)[np.zeros(400, int)], rare])
    features = np.concatenate([features, features[:8] + 5])
    video = np.concatenate([video, np.repeat(["rare0", "rare1", "rare2", "rare3"], 2)])
    found = out_of_fold(features, target, video, ProbeSettings(max_frames=100, folds=3))
    assert found[-8:, 1].min() > found[:-8, 1].mean()


def test_videos_weigh_the_same():
    """A video that is repeated ten times, frame by frame, changes the probes of others little."""
    features, target, video = blobs(videos=16)
    again = np.concatenate([np.arange(len(video)), np.tile(np.flatnonzero(video == "v003"), 9)])
    one = out_of_fold(features, target, video, QUICK, video=video)
    other = out_of_fold(features[again], target[again], video[again], QUICK, video=video[again])
    np.testing.assert_allclose(one, other[: len(one)], atol=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, t, g: (f, t[:, :1], g), "at least two classes"),
        (lambda f, t, g: (f, np.c_[t, np.zeros(len(t))], g), "classes 2 have fewer"),
        (lambda f, t, g: (f, t, np.where(t[:, 1] == 1, "one", g)), "classes 1 have fewer"),
        (lambda f, t, g: (f, np.ones_like(t), g), "conflicting_videos"),
        (lambda f, t, g: (f, t * 0.5, g), "targets 1"),
        (lambda f, t, g: (f[1:], t, g), "features"),
        (lambda f, t, g: (f * np.inf, t, g), "finite"),
        (lambda f, t, g: (f[:0], t[:0], g[:0]), "at least one moment"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_cannot_be_judged_is_refused(change, message):
    """One class, a class without examples or with one group, and arrays that do not fit."""
    with pytest.raises(UsageError, match=message):
        out_of_fold(*change(*blobs()), QUICK)


def test_a_class_without_its_absence_is_refused():
    """Where classes do not exclude each other, each needs claims of both kinds."""
    features, target, video = blobs()
    target[target == 0] = np.nan
    with pytest.raises(UsageError, match="targets 0 of class 0"):
        out_of_fold(features, target, video, QUICK, exclusive=False)


def test_fewer_groups_than_folds_are_fewer_folds():
    """Four videos of two classes are judged, whatever the number of folds."""
    features, target, video = blobs(videos=4, frames=6)
    found = out_of_fold(features, target, video, ProbeSettings(folds=10))
    assert (found.argmax(axis=1) == target.argmax(axis=1)).mean() > 0.9


def test_labels_and_conflicts():
    """A row's label is the class it claims; videos with a row that claims two are named."""
    nan = np.nan
    target = np.array([[1, 0], [0, 1], [nan, nan], [0, nan], [1, 1]])
    assert exclusive_labels(target[:4]).tolist() == [0, 1, -1, -1]
    video = np.array(["a", "b", "b", "c", "b"])
    assert conflicting_videos(video, target).tolist() == ["b"]
    assert conflicting_videos(video[:4], target[:4]).tolist() == []


def test_settings_have_ranges():
    """A single fold leaves nothing to fit on."""
    with pytest.raises(ValidationError):
        ProbeSettings(folds=1)
