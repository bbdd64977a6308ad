"""Models are compared on the same resamples of the same videos, and otherwise not at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.classes import Moments, Predictions
from reelabel.errors import UsageError
from reelabel.evaluation.classes.compare import ModelCost, ModelPredictions, compare
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Truth
from reelabel.evaluation.classes.resampling import holm
from reelabel.evaluation.classes.scores import score
from reelabel.evaluation.classes.speed import Speed
from reelabel.evaluation.classes.targets import target_of

NAMES = ("in", "out")
SETTINGS = ScoreSettings(NAMES)


def truth_of(n_videos=40, per_video=4):
    """Return frames of videos, each video of one class and in a group of its own."""
    videos = np.repeat([f"v{i:03d}" for i in range(n_videos)], per_video)
    pts = np.tile(np.arange(per_video) * 10, n_videos)
    ids = np.repeat(np.arange(n_videos) % 2, per_video)
    return Truth(Moments(videos, pts, pts), target_of(ids, 2), videos)


def model(name, truth, right, seed=0):
    """Return a model that is right about this share of videos, surer of some frames."""
    rng = np.random.default_rng(seed)
    videos, of_video = np.unique(truth.moments.video, return_inverse=True)
    is_right = (rng.random(len(videos)) < right)[of_video]
    sure = rng.uniform(0.6, 0.95, len(of_video))
    of_true = np.where(is_right, sure, 1 - sure)[:, None]
    probability = np.where(truth.target == 1, of_true, 1 - of_true)
    return ModelPredictions(name, Predictions(truth.moments, probability))


def clips_of(one, seed=5):
    """Return the same model's predictions of other moments: clips of two frames."""
    frames = one.predictions[::2]
    clips = Moments(frames.moments.video, frames.moments.pts, frames.moments.pts + 10)
    return ModelPredictions(f"{one.name} clips", Predictions(clips, frames.probability))


def test_a_clearly_better_model_differs():
    """A model that is right about many more videos is told apart, and which is better is known."""
    truth = truth_of()
    found = compare([model("weak", truth, 0.5), model("strong", truth, 0.95)], truth, SETTINGS)
    assert (found.level, found.moments, found.groups, found.against) == ("frame", 160, 40, "weak")
    top1, brier = (found.difference("strong", name) for name in ("top1", "brier"))
    assert top1.gain.low > 0 > brier.gain.high
    for one in (top1, brier):
        assert one.differs
        assert one.is_better
        assert one.p_value < 0.05
    back = compare(
        [model("weak", truth, 0.5), model("strong", truth, 0.95)], truth, SETTINGS, against="strong"
    )
    worse = back.difference("weak", "top1")
    assert worse.differs
    assert not worse.is_better
    assert worse.gain.value == -top1.gain.value


def test_the_same_predictions_do_not_differ():
    """Equal models have a difference of 0, which is not real."""
    truth = truth_of()
    same = [model("a", truth, 0.8), ModelPredictions("b", model("a", truth, 0.8).predictions)]
    for one in compare(same, truth, SETTINGS).differences:
        assert (one.gain.value, one.p_value, one.differs, one.is_better) == (0, 1, False, False)


def test_pairs_tell_apart_what_intervals_do_not():
    """Right about the same videos and a few more is a difference, though intervals overlap."""
    truth = truth_of(100)
    weak = model("weak", truth, 0.6)
    better = weak.predictions.probability.copy()
    wrong = np.flatnonzero(
        weak.predictions.probability.argmax(axis=1) != truth.target.argmax(axis=1)
    )
    better[wrong[:40]] = 1 - better[wrong[:40]]
    found = compare(
        [weak, ModelPredictions("better", Predictions(truth.moments, better))], truth, SETTINGS
    )
    first, second = (one.scores.overall["top1"] for one in found.models)
    assert second.low < first.high
    assert found.difference("better", "top1").differs


def false_alarms(n_models, n_groups, trials=60):
    """Return in which share of trials any of equally good models differs from the first."""
    alarms = 0
    for trial in range(trials):
        truth = truth_of(n_groups, 2)
        models = [model(f"m{i}", truth, 0.7, 1000 * trial + i) for i in range(n_models)]
        found = compare(models, truth, ScoreSettings(NAMES, n_resamples=300))
        alarms += any(one.differs for one in found.differences if one.measure == "top1")
    return alarms / trials


@pytest.mark.parametrize(("n_models", "n_groups"), [(2, 8), (2, 30), (5, 30)])
def test_equally_good_models_rarely_differ(n_models, n_groups):
    """False differences stay near 5 %, also with few groups and with several models."""
    assert false_alarms(n_models, n_groups) <= 0.1


def test_too_few_groups_tell_nothing_apart():
    """With five groups not even right against wrong is real; with one there is no interval."""
    for n_videos in (1, 5):
        truth = truth_of(n_videos)
        found = compare([model("wrong", truth, 0), model("right", truth, 1)], truth, SETTINGS)
        top1 = found.difference("right", "top1")
        assert (top1.gain.value, top1.differs) == (1, False)
        assert (top1.gain.low is None) == (n_videos == 1)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_raises_p_values_and_keeps_their_order(p_values):
    """Corrected values are at least as high, at most Bonferroni's, and in the same order."""
    given_values = np.array(p_values)
    adjusted = holm(given_values)
    assert (adjusted >= given_values).all()
    assert (adjusted <= np.minimum(given_values * max(len(p_values), 1), 1)).all()
    assert (np.diff(adjusted[np.argsort(given_values, kind="stable")]) >= 0).all()


def test_several_models_are_corrected_for_their_number():
    """The same pair has a higher p-value among more models."""
    truth = truth_of()
    models = [model(str(right), truth, right, 7) for right in (0.6, 0.75, 0.76, 0.77)]
    pair = compare(models[:2], truth, SETTINGS).difference("0.75", "top1")
    among = compare(models, truth, SETTINGS).difference("0.75", "top1")
    assert among.gain == pair.gain
    assert among.p_value > pair.p_value


def test_frames_and_clips_are_compared_by_video():
    """Models of other moments are compared on the mean predictions of videos."""
    truth = truth_of()
    frames = model("frames", truth, 0.9)
    found = compare([frames, clips_of(model("other", truth, 0.6, 3))], truth, SETTINGS)
    assert (found.level, found.moments) == ("video", 40)
    assert found.models[0].scores.level == "video"
    same = compare([frames, model("other", truth, 0.6, 3)], truth, SETTINGS, whole_videos=True)
    assert same.level == "video"
    assert same.models[0].scores == found.models[0].scores


def test_each_model_has_the_scores_that_it_has_alone():
    """Comparing changes no score, and the order of a model's predictions does not matter."""
    truth = truth_of()
    one, two = model("one", truth, 0.9), model("two", truth, 0.6, 1)
    order = np.random.default_rng(0).permutation(len(truth.moments))
    shuffled = ModelPredictions("two", two.predictions[order])
    found = compare([one, shuffled], truth, SETTINGS)
    for alone, compared in zip((one, two), found.models, strict=True):
        assert compared.scores == score(alone.predictions, truth.target, truth.group, SETTINGS)
    assert found == compare([one, two], truth, SETTINGS)


def test_videos_without_truth_are_left_out():
    """Models may have predictions of more videos than are annotated, if all of them have."""
    truth = truth_of()
    models = [model("a", truth, 0.9), model("b", truth, 0.6, 1)]
    some = truth.moments.video < "v010"
    part = Truth(truth.moments[some], truth.target[some], truth.group[some])
    found = compare(models, part, SETTINGS)
    assert (found.level, found.moments) == ("video", 10)


def test_costs_are_carried_along():
    """Parameters, size and speed of each model stand beside its scores."""
    truth = truth_of(8)
    cost = ModelCost(60_000, 240_000, Speed(0.01, 900.0, 8, 1.0, 7))
    only = ModelPredictions("a", model("a", truth, 1).predictions, cost)
    found = compare([only], truth, SETTINGS)
    assert found.models[0].cost == cost
    assert found.differences == ()


def test_models_without_predictions_of_a_video_are_refused():
    """The model and the videos are named, whichever of the models lacks them."""
    truth = truth_of(8)
    whole, part = model("whole", truth, 1), model("part", truth, 1)
    part = ModelPredictions("part", part.predictions[truth.moments.video != "v003"])
    for models in ([whole, part], [part, whole], [part]):
        with pytest.raises(UsageError, match=r"part has none for v003: classify every video"):
            compare(models, truth, SETTINGS)
    extra = Moments(np.array(["new"]), np.zeros(1, int), np.zeros(1, int))
    more = Predictions.joined([whole.predictions, Predictions(extra, np.float32([[1, 0]]))])
    with pytest.raises(UsageError, match=r"whole has none for new"):
        compare([whole, ModelPredictions("more", more)], truth, SETTINGS)


@pytest.mark.parametrize(
    ("names", "against", "message"),
    [
        ([], None, r"different names, but got \[\]"),
        (["a", "a"], None, r"different names, but got \['a', 'a'\]"),
        (["a", "b"], "c", r"one of \['a', 'b'\] to compare with, but got 'c'"),
    ],
)
def test_models_have_names(names, against, message):
    """No model, two of one name, or an unknown one to compare with, are refused."""
    truth = truth_of(8)
    with pytest.raises(UsageError, match=message):
        compare([model(name, truth, 1) for name in names], truth, SETTINGS, against=against)
