"""Every frame of a data set has one side, and what cannot be divided is an error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.errors import SplitError
from reelabel.labels.division import (
    HELD_OUT,
    SameRecording,
    SplitSettings,
    VideoFrames,
    checked_sentence,
    divide,
    keep_sides,
)
from reelabel.tables import COPIES

COUNTS = st.lists(st.integers(0, 4), min_size=0, max_size=30)


def video(counts, source=""):
    """Return a video with a frame a second that has so many labels each."""
    classes = {"ball": sum(counts)} if sum(counts) else {}
    return VideoFrames(np.arange(len(counts), dtype=float), np.array(counts, int), classes, source)


@settings(max_examples=60)
@given(counts=st.lists(COUNTS, min_size=1, max_size=6), seed=st.integers(0, 3))
def test_every_frame_has_one_side_and_videos_stay_whole(counts, seed):
    """Whatever the videos hold, each is on one side; one group of labels cannot be divided."""
    videos = {f"v{i}": video(some) for i, some in enumerate(counts)}
    labelled = sum(bool(one.classes) for one in videos.values())
    if labelled == 1:
        with pytest.raises(SplitError, match=r"split\.single_video"):
            divide(videos, [], SplitSettings(), seed=seed)
        return
    found = divide(videos, [], SplitSettings(), seed=seed)
    assert {name: len(sides) for name, sides in found.sides.items()} == {
        name: len(one.time_s) for name, one in videos.items()
    }
    assert all(len(set(sides)) <= 1 for sides in found.sides.values())
    assert found.leaks == []


def test_the_truth_decides_what_is_held_out_by_default():
    """Without truth a fifth is held out, with truth nothing, and a setting overrides both."""
    assert SplitSettings().shares(has_truth=False) == {"train": 1 - HELD_OUT, "val": HELD_OUT}
    assert SplitSettings().shares(has_truth=True) == {"train": 1}
    assert SplitSettings(held_out=0.5, test_share=0.25).shares(has_truth=True) == {
        "train": 0.25,
        "val": 0.5,
        "test": 0.25,
    }


def test_one_video_in_blocks_of_time_is_called_a_leak():
    """The frames between two blocks are dropped, videos without labels are trained on."""
    videos = {"a": video([1] * 10), "b": video([0, 0])}
    found = divide(videos, [], SplitSettings(single_video=True, held_out=0.5, guard_s=2.5))
    assert found.sides == {
        "a": [*["train"] * 4, "dropped", "dropped", *["val"] * 4],
        "b": ["train", "train"],
    }
    assert found.leaks == [found.reason]


def test_copies_and_sources_stay_together():
    """Near-duplicates and one address make one group; addresses can be left out of account."""
    videos = {name: video([1, 1], source) for name, source in zip("abcd", "xxyz", strict=True)}
    groups = divide(videos, [("c", "d")], SplitSettings()).groups
    assert groups == {"a": "a", "b": "a", "c": "c", "d": "c"}
    groups = divide(videos, [], SplitSettings(same_source=False)).groups
    assert len(set(groups.values())) == 4


@settings(max_examples=30)
@given(st.integers(3, 8), st.integers(0, 3), st.integers(4, 7))
def test_videos_keep_their_side_from_round_to_round(n, seed, other_seed):
    """Groups of the round before stay where they were; new ones are dealt."""
    videos = {f"v{i}": video([1, 1]) for i in range(n)}
    near = [("v0", "v1")]
    before = divide(videos, near, SplitSettings(), seed=seed)
    more = videos | {"new": video([1])}
    counts = {name: {sides[0]: len(sides)} for name, sides in before.sides.items()}
    after = keep_sides(divide(more, near, SplitSettings(), seed=other_seed), counts)
    assert {name: after.sides[name] for name in videos} == before.sides
    assert len(after.sides["new"]) == 1


def test_videos_that_cannot_be_compared_are_named():
    """What was checked holds the names of videos without signatures, and only where there are."""
    rows = [{"video_id": "a", "other_video_id": "", "kind": "unknown", "similarity": 0.0}]
    same = SameRecording.of([("a", COPIES.from_rows(rows))])
    assert same == SameRecording(unknown=("a",))
    assert "not compared: film.mp4" in checked_sentence(same, {"a": "film.mp4", "b": "other.mp4"})
    assert "not compared" not in checked_sentence(SameRecording(), {"a": "film.mp4"})
