"""What a person should look at first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.labels.unsure import (
    APART_S,
    DOUBTFUL,
    HARD,
    LEFT_OUT,
    MISSED,
    WEAK,
    Unsure,
    box_doubts,
    frame_doubt,
    look_first,
)

FRAMES = st.lists(
    st.builds(
        Unsure,
        video_id=st.sampled_from("abc"),
        pts=st.integers(0, 10**6),
        time_s=st.floats(0, 60),
        weight=st.floats(0, 5),
        reason=st.just("doubt"),
    ),
    max_size=30,
    unique_by=lambda one: (one.video_id, one.pts),
)


def at(video_id: str, time_s: float, weight: float) -> Unsure:
    """Return a frame that is in doubt."""
    return Unsure(video_id, round(time_s * 100), time_s, weight, "doubt")


@given(FRAMES, st.integers(1, 40))
def test_as_many_as_asked_for_and_the_heaviest_first(frames, most):
    """None is chosen twice or without a doubt, and nothing weighs more than the first."""
    chosen = look_first(frames, most)
    assert len(chosen) <= most
    assert len({(one.video_id, one.pts) for one in chosen}) == len(chosen)
    assert all(one.weight > 0 for one in chosen)
    heaviest = max((one.weight for one in frames), default=0)
    assert [one.weight for one in chosen[:1]] == [heaviest] * bool(heaviest)


@given(FRAMES)
def test_the_choice_of_fewer_begins_the_choice_of_more(frames):
    """Whoever has time for more pictures sees the same first ones."""
    assert look_first(frames, 30)[:3] == look_first(frames, 3)


def test_what_is_near_a_chosen_frame_waits():
    """Neighbours ask the same: a lighter frame far away goes before a heavy one beside."""
    frames = [at("a", 1, 1), at("a", 1 + APART_S / 5, 0.9), at("a", 9, 0.5)]
    assert [one.time_s for one in look_first(frames, 3)] == [1, 9, 1 + APART_S / 5]


def test_one_video_does_not_fill_the_choice():
    """A second frame of a video counts half, so another video with more than half goes first."""
    frames = [at("a", 1, 1), at("a", 9, 0.95), at("b", 1, 0.6), at("c", 1, 0.4)]
    assert [one.video_id for one in look_first(frames, 4)] == ["a", "b", "a", "c"]


@pytest.mark.parametrize(
    ("state", "rule", "score", "doubt"),
    [
        ("ignore", "score", 0.25, (0.25, DOUBTFUL)),
        ("ignore", "score", 0.45, (0.81, DOUBTFUL)),
        ("ignore", "border", 0.9, (0.5, LEFT_OUT)),
        ("negative", "flicker", 0.9, (0.5, HARD)),
        ("positive", "score", 0.5, (0.5, WEAK)),
        ("positive", "score", 0.75, (0.25, WEAK)),
        ("positive", "score", 1.0, (0.0, WEAK)),
        ("positive", "imported", np.nan, (0.0, WEAK)),
    ],
)
def test_the_weight_of_a_box(state, rule, score, doubt):
    """What is nearly an object, or barely one, is in doubt; what a person drew is not."""
    boxes = Boxes(
        np.array([[0, 0, 9, 9]], np.float32),
        np.array([score], np.float32),
        np.zeros(1, np.int64),
        state=np.array([state]),
    )
    weights, kinds = box_doubts(boxes, np.array([rule], object), np.array([0.5]))
    assert weights == pytest.approx([doubt[0]], abs=1e-6)
    assert kinds.tolist() == [doubt[1]]


def test_a_frame_states_what_is_in_doubt():
    """The sum of its doubts, those that are next to nothing left out, and each kind by number."""
    weight, reason = frame_doubt(
        np.array([0.5, 0.25, 0.01]), np.array([DOUBTFUL, DOUBTFUL, WEAK]), missed=True
    )
    assert weight == pytest.approx(1.75)
    assert reason == f"{MISSED}, 2 doubtful boxes"
