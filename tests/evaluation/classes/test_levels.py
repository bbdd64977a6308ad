"""Frames, clips and videos are kept apart, and a video's prediction is the mean of its moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.classes import Moments, Predictions
from reelabel.errors import UsageError
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Truth, by_video, level_of
from reelabel.evaluation.classes.scores import score_levels

NAN = float("nan")


def frames_of(videos):
    """Return one frame for each video id."""
    pts = np.arange(len(videos))
    return Moments(np.array(list(videos), np.str_), pts, pts)


def test_the_level_follows_from_the_time_stamps():
    """Frames end where they begin, clips later."""
    frames = frames_of("ab")
    assert level_of(frames) == "frame"
    assert level_of(Moments(frames.video, frames.pts, frames.pts + 3)) == "clip"
    assert level_of(Moments.empty()) == "frame"


def test_a_video_has_the_mean_of_its_moments():
    """Each moment weighs the same, videos come in order of their ids."""
    moments = Moments(np.array(["b", "a", "b"]), np.array([5, 0, 9]), np.array([6, 4, 12]))
    found = by_video(Predictions(moments, np.float32([[1, 0], [0.2, 0.8], [0.5, 0.5]])))
    assert found.moments == Moments(np.array(["a", "b"]), np.array([0, 5]), np.array([4, 12]))
    np.testing.assert_allclose(found.probability, [[0.2, 0.8], [0.75, 0.25]], rtol=1e-6)


@given(st.lists(st.sampled_from("abc"), max_size=20), st.integers(0, 99))
def test_means_of_videos_do_not_depend_on_the_order_of_moments(videos, seed):
    """Permuted moments give the same videos, and probabilities still sum to 1."""
    rng = np.random.default_rng(seed)
    predictions = Predictions(frames_of(videos), rng.dirichlet([1, 1, 1], len(videos)))
    found = by_video(predictions)
    again = by_video(predictions[rng.permutation(len(videos))])
    assert found.moments == again.moments
    np.testing.assert_allclose(found.probability, again.probability, atol=1e-6)
    np.testing.assert_allclose(found.probability.sum(axis=1), 1, atol=1e-5)


def test_the_truth_of_a_video_is_what_all_its_known_moments_share():
    """A class of which moments differ is unknown for the video, as is one without truth."""
    target = np.float32([[1, 0, NAN], [1, 1, NAN], [NAN, 0, 0]])
    truth = Truth(frames_of("aab"), target, np.array(["g", "g", "h"])).by_video()
    np.testing.assert_array_equal(truth.target, [[1, NAN, NAN], [NAN, 0, 0]])
    assert truth.group.tolist() == ["g", "h"]
    assert truth.target.dtype == np.float32


def test_scores_of_moments_and_of_videos_are_kept_apart():
    """Two of three frames right in each video are two thirds of frames and all of the videos."""
    videos = np.repeat(["a", "b", "c"], 3)
    probability = np.tile(np.float32([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]), (3, 1))
    truth = Truth(frames_of(videos), np.tile(np.float32([1, 0]), (9, 1)), videos)
    found = score_levels(
        Predictions(truth.moments, probability), truth, ScoreSettings(("in", "out"))
    )
    assert [(one.level, one.moments) for one in found.values()] == [("frame", 9), ("video", 3)]
    assert found["frame"].overall["top1"].value == pytest.approx(2 / 3, abs=1e-6)
    assert found["video"].overall["top1"].value == 1
    assert found["video"].level == "video"


def test_a_video_has_one_group():
    """A video in two groups, or missing rows, are refused."""
    with pytest.raises(UsageError, match="one group for each video, but a is in g and h"):
        Truth(frames_of("aba"), np.zeros((3, 1)), np.array(["g", "g", "h"]))
    with pytest.raises(UsageError, match="each of 2 moments, but got 3 and 2"):
        Truth(frames_of("ab"), np.zeros((3, 1)), np.array(["g", "g"]))
