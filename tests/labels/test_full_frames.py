"""Weak boxes in frames that are full."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.data.sequence import BoxSequence
from reelabel.labels.full_frames import decide_in_full_frames
from reelabel.labels.rules import RuleInput, RuleSettings, apply_rules


def decided(rows, **settings):
    """Return the boxes of rows of frame, class and score, and the decisions of the rules."""
    frame, class_id, score = (np.array(column) for column in zip(*rows, strict=True))
    x = np.arange(len(rows)) * 20.0
    xyxy = np.stack([x, x, x + 10, x + 10], axis=1).astype(np.float32)
    boxes = BoxSequence(frame, Boxes(xyxy, score, class_id))
    found = RuleInput(boxes, ["a", "b"], (640, 640))
    return boxes, apply_rules(found, RuleSettings(**settings))


@pytest.mark.parametrize("state", ["negative", "dropped"])
def test_weak_boxes_change_their_state_in_full_frames_alone(state):
    """One class fills its frame; the other class, other frames and noise stay as they are."""
    rows = [(0, 0, 0.9), (0, 0, 0.3), (0, 1, 0.3), (1, 0, 0.3), (0, 0, 0.01)]
    boxes, before = decided(rows, max_per_frame=1)
    after = decide_in_full_frames(boxes, before, 1, state)
    assert before.state.tolist() == ["positive", "ignore", "ignore", "ignore", "dropped"]
    assert after.state.tolist() == ["positive", state, "ignore", "ignore", "dropped"]
    assert after.rule.tolist()[1:3] == ["max_per_frame", "score"]
    assert after.reason[1] == "its frame has 1 of its class already"


def test_a_frame_with_fewer_objects_than_it_may_have_is_not_full():
    """With room for two, one positive proves nothing about a weak box."""
    boxes, before = decided([(0, 0, 0.9), (0, 0, 0.3)], max_per_frame=2)
    assert decide_in_full_frames(boxes, before, 2, "negative").state.tolist() == [
        "positive",
        "ignore",
    ]


def test_surplus_boxes_stay_ignored():
    """A second confident box may be the object, and the best one an error."""
    boxes, before = decided([(0, 0, 0.8), (0, 0, 0.9)], max_per_frame=1)
    after = decide_in_full_frames(boxes, before, 1, "negative")
    assert after.state.tolist() == before.state.tolist() == ["ignore", "positive"]
