"""Weak boxes that confident ones of their track confirm from both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.sequence import BoxSequence
from reelabel.temporal.gap import ConfirmedBox, GapSettings, confirmed_boxes
from reelabel.temporal.link import Tracks
from reelabel.temporal.video import TrackedVideo

BOX = np.array([10.0, 10.0, 30.0, 30.0])


def one_track(scores, frames=None, tracks=None):
    """Return boxes at one place that are one track, or those given."""
    count = len(scores)
    frames = np.arange(count) if frames is None else np.array(frames)
    boxes = BoxSequence.of(frames, np.tile(BOX, (count, 1)), np.array(scores))
    one = Tracks(np.zeros(count, np.int64), np.array([True]))
    return TrackedVideo(boxes, one if tracks is None else tracks, np.arange(frames.max() + 1))


def test_a_weak_box_between_confident_ones_is_confirmed():
    """It names the confident boxes next to it on either side."""
    found = confirmed_boxes(one_track([0.9, 0.8, 0.2, 0.3, 0.7]))
    assert found == [ConfirmedBox(2, (1, 4)), ConfirmedBox(3, (1, 4))]


@pytest.mark.parametrize("scores", [[0.2, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.2]])
def test_the_ends_of_a_track_are_not_confirmed(scores):
    """A weak box with confident ones on one side alone may be anything."""
    assert confirmed_boxes(one_track(scores)) == []


def test_a_track_with_few_confident_boxes_confirms_nothing():
    """Two confident boxes are too few to trust what is between them."""
    assert confirmed_boxes(one_track([0.9, 0.2, 0.9])) == []
    assert confirmed_boxes(one_track([0.9, 0.2, 0.9]), GapSettings(min_length=2))


def test_confident_boxes_far_away_confirm_nothing():
    """Each side must be within the longest gap."""
    boxes = one_track([0.9, 0.9, 0.2, 0.9], [0, 1, 10, 12])
    assert confirmed_boxes(boxes, GapSettings(max_frames=8)) == []
    assert len(confirmed_boxes(boxes, GapSettings(max_frames=9))) == 1


def test_a_weak_box_on_a_confident_one_of_another_track_is_not_held():
    """It is a second opinion on an object that has its box already."""
    two = Tracks(np.array([0, 0, 0, 0, 1]), np.array([True, True]))
    apart = one_track([0.9, 0.9, 0.2, 0.9, 0.8], [0, 1, 2, 3, 4], two)
    over = one_track([0.9, 0.9, 0.2, 0.9, 0.8], [0, 1, 2, 3, 2], two)
    assert [c.row for c in confirmed_boxes(apart)] == [2]
    assert confirmed_boxes(over) == []


def test_tracks_of_other_boxes_are_refused():
    """The numbers of boxes and of track ids must agree."""
    with pytest.raises(ValueError, match="expected tracks of 1"):
        one_track([0.9], tracks=Tracks(np.zeros(2, np.int64), np.array([True])))


def test_boxes_outside_of_the_frames_are_refused():
    """A box lies in one of the processed frames."""
    boxes = one_track([0.9, 0.9]).boxes
    one = Tracks(np.zeros(2, np.int64), np.array([True]))
    with pytest.raises(ValueError, match="within 1 frames, but one lies in frame 1"):
        TrackedVideo(boxes, one, np.arange(1))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), max_size=40), st.randoms())
def test_confirmed_boxes_are_weak_in_order_and_do_not_depend_on_it(rows, shuffle):
    """Whatever the order of rows: a confirmed box is weak, its ends confident and around it."""
    frame = np.arange(len(rows))
    score = np.array([s for s, _ in rows], np.float32).reshape(-1)
    track = np.array([t for _, t in rows], np.int64).reshape(-1)
    boxes = BoxSequence.of(frame, np.tile(BOX, (len(rows), 1)), score)
    found = confirmed_boxes(TrackedVideo(boxes, Tracks(track, np.ones(4, bool)), frame))
    for box in found:
        a, b = box.rows
        assert score[box.row] < 0.5 <= min(score[a], score[b])
        assert track[a] == track[b] == track[box.row]
        assert frame[a] < frame[box.row] < frame[b]
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    shuffled = Tracks(track[order], np.ones(4, bool))
    again = confirmed_boxes(TrackedVideo(boxes[np.array(order, int)], shuffled, frame))
    assert sorted(order[c.row] for c in again) == [c.row for c in found]
