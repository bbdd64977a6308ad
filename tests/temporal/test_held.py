"""Weak boxes that sure ones of their track hold from both sides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.sequence import BoxSequence
from reelabel.temporal.gap import GapSettings, HeldBox, held_boxes
from reelabel.temporal.link import Tracks

BOX = np.array([10.0, 10.0, 30.0, 30.0])


def one_track(scores, frames=None):
    """Return boxes at one place that are one track."""
    count = len(scores)
    frames = range(count) if frames is None else frames
    boxes = BoxSequence(
        np.array(frames), np.tile(BOX, (count, 1)), np.array(scores), np.zeros(count)
    )
    return boxes, Tracks(np.zeros(count, np.int64), np.array([True]))


def test_a_weak_box_between_sure_ones_is_held():
    """It names the sure boxes next to it on either side."""
    found = held_boxes(*one_track([0.9, 0.8, 0.2, 0.3, 0.7]))
    assert found == [HeldBox(2, (1, 4)), HeldBox(3, (1, 4))]


@pytest.mark.parametrize("scores", [[0.2, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.2]])
def test_the_ends_of_a_track_are_not_held(scores):
    """A weak box with sure ones on one side alone may be anything."""
    assert held_boxes(*one_track(scores)) == []


def test_a_track_with_few_sure_boxes_holds_nothing():
    """Two sure boxes are too few to trust what is between them."""
    assert held_boxes(*one_track([0.9, 0.2, 0.9])) == []
    assert held_boxes(*one_track([0.9, 0.2, 0.9]), GapSettings(min_length=2))


def test_sure_boxes_far_away_hold_nothing():
    """Each side must be within the longest gap."""
    boxes = one_track([0.9, 0.9, 0.2, 0.9], [0, 1, 10, 12])
    assert held_boxes(*boxes, GapSettings(max_gap=8)) == []
    assert len(held_boxes(*boxes, GapSettings(max_gap=9))) == 1


def test_a_weak_box_on_a_sure_one_of_another_track_is_not_held():
    """It is a second opinion on an object that has its box already."""
    two = Tracks(np.array([0, 0, 0, 0, 1]), np.array([True, True]))
    apart, _ = one_track([0.9, 0.9, 0.2, 0.9, 0.8], [0, 1, 2, 3, 4])
    over, _ = one_track([0.9, 0.9, 0.2, 0.9, 0.8], [0, 1, 2, 3, 2])
    assert [h.row for h in held_boxes(apart, two)] == [2]
    assert held_boxes(over, two) == []


def test_tracks_of_other_boxes_are_refused():
    """The numbers of boxes and of track ids must agree."""
    boxes, _ = one_track([0.9])
    with pytest.raises(ValueError, match="expected tracks of 1"):
        held_boxes(boxes, Tracks(np.zeros(2, np.int64), np.array([True])))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), max_size=40), st.randoms())
def test_held_boxes_are_weak_in_order_and_do_not_depend_on_it(rows, shuffle):
    """Whatever the rows' order, a held box is weak and its ends are sure, before and after it."""
    frame = np.arange(len(rows))
    score = np.array([s for s, _ in rows], float).reshape(-1)
    track = np.array([t for _, t in rows], np.int64).reshape(-1)
    boxes = BoxSequence(frame, np.tile(BOX, (len(rows), 1)), score, np.zeros(len(rows)))
    found = held_boxes(boxes, Tracks(track, np.ones(4, bool)))
    for held in found:
        a, b = held.rows
        assert score[held.row] < 0.5 <= min(score[a], score[b])
        assert track[a] == track[b] == track[held.row]
        assert frame[a] < frame[held.row] < frame[b]
    order = list(range(len(rows)))
    shuffle.shuffle(order)
    again = held_boxes(boxes[np.array(order, int)], Tracks(track[order], np.ones(4, bool)))
    assert sorted(order[h.row] for h in again) == [h.row for h in found]
