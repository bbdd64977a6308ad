"""Frames that a tag does not fit: unlike the rest of the video, blank, or copied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.tags.stranger import (
    BlankSettings,
    StrangerSettings,
    find_blank,
    find_copied,
    find_strangers,
)


def unit(rows):
    """Return rows of length 1."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def videos(n_videos=6, frames=12, spread=0.1, seed=0):
    """Return features of videos, each around a direction of its own, and their names."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((n_videos, 20))).repeat(frames, axis=0)
    rows = unit(centres + spread * rng.standard_normal(centres.shape))
    return rows, np.repeat([f"v{i}" for i in range(n_videos)], frames)


@pytest.mark.parametrize("share", [1, 2, 4])
def test_frames_of_another_video_are_strangers(share):
    """Up to a third of a video that comes from elsewhere is found, and nothing else of it."""
    rows, video = videos()
    rows[:share] = rows[-share:]
    assert np.flatnonzero(find_strangers(rows, video).mask).tolist() == list(range(share))


def test_videos_are_judged_by_themselves():
    """Adding a video, or the order of rows, changes no distance of another one."""
    rows, video = videos()
    order = np.random.default_rng(1).permutation(len(video))
    whole = find_strangers(rows, video).distance
    np.testing.assert_allclose(find_strangers(rows[order], video[order]).distance, whole[order])
    part = video != "v3"
    np.testing.assert_allclose(find_strangers(rows[part], video[part]).distance, whole[part])


def test_still_videos_have_no_strangers():
    """Where nearly all frames are the same, differences that other videos have are none."""
    rows, video = videos()
    still = video == "v0"
    rows[still] = rows[still][0]
    rows[3] = unit(rows[3:4] + 0.01)[0]
    assert not find_strangers(rows, video).mask[still].any()


@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.integers(0, 999),
)
def test_few_frames_and_bounds(names, seed):
    """Distances lie in 0..2, and a video with fewer than five frames has no strangers."""
    video = np.array(names, np.str_)
    rows = np.random.default_rng(seed).standard_normal((len(names), 4))
    found = find_strangers(rows, video)
    assert ((found.distance >= 0) & (found.distance <= 2)).all()
    few = np.array([names.count(name) < 5 for name in names], bool)
    assert not found.mask[few].any()
    assert np.isinf(found.threshold[few]).all()


def test_more_deviations_find_less():
    """A higher threshold finds a part of what a lower one does."""
    rows, video = videos(spread=0.4)
    low, high = (find_strangers(rows, video, StrangerSettings(deviations=d)).mask for d in (0.5, 2))
    assert low.sum() > high.sum()
    assert not (high & ~low).any()


def test_zeros_have_no_direction():
    """Vectors of zeros are at no distance from anything."""
    assert not find_strangers(np.zeros((6, 3)), np.full(6, "v")).mask.any()


def test_blank_by_entropy_or_sharpness():
    """Little entropy or little sharpness is blank, by limits that can be set."""
    entropy, sharpness = np.array([0.5, 6, 6, 2.9]), np.array([90, 90, 1, 90.0])
    assert find_blank(entropy, sharpness).tolist() == [True, False, True, False]
    loose = BlankSettings(min_entropy_bits=0, min_sharpness=0)
    assert not find_blank(entropy, sharpness, loose).any()


def copied(rows):
    """Return what is found for rows of video, target, kept video and kept pts."""
    video, target, kept_video, kept_pts = zip(*rows, strict=True)
    arrays = np.array(video), np.array(target, float), np.array(kept_video), np.array(kept_pts)
    return find_copied(*arrays)


def test_frames_of_videos_of_different_classes_are_copied():
    """An intro that videos of two classes share is doubted in all; one of a single class is not."""
    dog, cat, nan = (1, 0), (0, 1), (np.nan, np.nan)
    found = copied([
        ("a", dog, "a", 0),
        ("b", cat, "a", 0),
        ("c", dog, "a", 0),
        ("u", nan, "a", 0),
        ("a", dog, "a", 5),
        ("c", dog, "a", 5),
        ("b", cat, "b", 0),
    ])
    expected = [[True, False], [False, True], [True, False], *[[False, False]] * 4]
    assert found.mask.tolist() == expected
    assert found.shared.tolist() == [True] * 4 + [False] * 3
    assert found.videos.tolist() == [4, 4, 4, 4, 2, 2, 1]
    np.testing.assert_allclose(found.share[:2], [[1 / 3, 2 / 3], [1 / 3, 2 / 3]])
    assert np.isfinite(found.share[:4]).all()


def test_copies_without_a_claim_exclude_nothing():
    """What is unknown of a class excludes no claim of it."""
    nan = np.nan
    found = copied([("a", (1, nan), "a", 0), ("b", (nan, 1), "a", 0)])
    assert not found.mask.any()
    assert not found.shared.any()


def test_nothing_is_copied_of_nothing():
    """Without moments there are no copies."""
    none = np.array([], np.str_)
    found = find_copied(none, np.zeros((0, 2)), none, np.array([], np.int64))
    assert found.mask.shape == (0, 2)
