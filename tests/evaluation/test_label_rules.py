"""Labels are right or wrong on truth, rule by rule, and against the round before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.sequence import BoxSequence
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.label_quality import (
    BackgroundQuality,
    background_quality,
    label_quality,
)
from reelabel.evaluation.label_rules import (
    RIGHT,
    UNKNOWN,
    WRONG,
    LabelCount,
    RuledLabels,
    RuleQuality,
    VideoLabels,
    judged_labels,
    rule_quality,
)

A, B, C = (0, 0, 10, 10), (20, 20, 30, 30), (40, 40, 60, 60)
NEAR_A = (1, 0, 11, 10)


def labels(*rows):
    """Return labels from frame, place, score, class and rule; the last two may be left out."""
    filled = [(*row, *(0, "score")[len(row) - 3 :]) for row in rows]
    boxes = BoxSequence.of(
        np.array([row[0] for row in filled], np.int64),
        np.array([row[1] for row in filled], np.float32),
        np.array([row[2] for row in filled], np.float32),
        np.array([row[3] for row in filled], np.int64),
    )
    return RuledLabels(boxes, np.array([row[4] for row in filled], object))


def truth(pts, *places, class_id=0, ignored=(), complete=None):
    """Return an annotated frame with true boxes of one class, then ignored regions."""
    every = [*places, *ignored]
    boxes = Boxes(
        np.array(every, np.float32).reshape(-1, 4),
        np.ones(len(every), np.float32),
        np.full(len(every), class_id, np.int64),
        state=np.array(["positive"] * len(places) + ["ignore"] * len(ignored), np.str_),
    )
    return KnownFrame("v", pts, boxes, complete)


def test_the_best_label_takes_the_true_box():
    """A second label of one object is wrong, whatever the order of the rows."""
    found = labels((0, NEAR_A, 0.6), (0, A, 0.9), (0, B, 0.5))
    assert judged_labels(found.boxes, [truth(0, A)]).tolist() == [WRONG, RIGHT, WRONG]


@pytest.mark.parametrize(
    "frame",
    [
        truth(5, A),
        truth(0, class_id=1, complete=frozenset({1})),
        truth(0, ignored=[(0, 0, 50, 50)]),
    ],
    ids=["another frame", "another class", "ignored region"],
)
def test_what_truth_does_not_cover_is_neither(frame):
    """Frames and classes without annotation, and labels in an ignored region, do not count."""
    assert judged_labels(labels((0, A, 0.9)).boxes, [frame]).tolist() == [UNKNOWN]


def test_classes_do_not_mix():
    """A true box of another class makes no label right."""
    found = labels((0, A, 0.9, 0), (0, A, 0.9, 1))
    assert judged_labels(found.boxes, [truth(0, A, class_id=1)]).tolist() == [WRONG, RIGHT]


grid = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 1))


def boxes_on(grid_rows):
    """Return frame, box and class of rows on a grid whose neighbours overlap by half."""
    return [(t, (6 * x, 6 * y, 6 * x + 10, 6 * y + 10), k) for t, x, y, k in grid_rows]


@given(st.lists(grid, max_size=8, unique=True), st.lists(grid, max_size=8, unique=True))
def test_counts_give_the_precision_of_the_field_code(drawn, found):
    """Right over right and wrong is the precision that the published matching finds."""
    frames = []
    for t in range(3):
        rows = [(box, k) for u, box, k in boxes_on(drawn) if u == t]
        true = Boxes(
            np.array([box for box, _ in rows], np.float32).reshape(-1, 4),
            np.ones(len(rows), np.float32),
            np.array([k for _, k in rows], np.int64),
        )
        frames.append(KnownFrame("v", t, true))
    scored = labels(*((t, box, 1 - i / 20, k) for i, (t, box, k) in enumerate(boxes_on(found))))
    judged = judged_labels(scored.boxes, frames)
    by_frame = {("v", t): scored.boxes.boxes[scored.boxes.frame == t] for t in range(3)}
    precision = label_quality(frames, by_frame, ("a", "b")).precision.value
    right = int((judged == RIGHT).sum())
    assert not (judged == UNKNOWN).any()
    if found:
        assert precision == pytest.approx(right / len(found), abs=1e-5)


def test_each_rule_has_its_own_counts_and_what_changed():
    """Moved labels are kept ones; gained are new ones, lost those that stood in no new place."""
    before = labels((0, A, 0.9), (0, B, 0.8, 0, "gap"), (7, C, 0.9))
    now = labels((0, NEAR_A, 0.9), (0, C, 0.9), (1, A, 0.9, 0, "gap"))
    frames = [truth(0, A, B), truth(1)]
    score, gap = rule_quality([VideoLabels(now, before, frames)])
    assert score == RuleQuality(
        "score", LabelCount(2, 1, 1), gained=LabelCount(1, 0, 1), lost=LabelCount(1, 0, 0)
    )
    assert gap == RuleQuality(
        "gap", LabelCount(1, 0, 1), gained=LabelCount(1, 0, 1), lost=LabelCount(1, 1, 0)
    )


def test_in_the_first_round_nothing_is_gained_or_lost():
    """Without a round before there is nothing to compare with, and sums run over videos."""
    video = VideoLabels(labels((0, A, 0.9)), None, [])
    (found,) = rule_quality([video, video])
    assert found == RuleQuality("score", LabelCount(2), None, None)
    assert rule_quality([]) == ()


def ignored(*places):
    """Return ignored labels."""
    state = np.array(["ignore"] * len(places), np.str_)
    return replace(labels(*((0, place, 0.3) for place in places)).boxes.boxes, state=state)


def test_background_pictures_that_show_an_object_are_counted():
    """An ignored region over the object keeps it out of the loss; other frames do not count."""
    frames = [truth(0, A), truth(1, A), truth(2), truth(3, A), truth(4, A, B)]
    regions = {("v", 1): ignored(NEAR_A), ("v", 4): ignored(A)}
    background = {("v", pts) for pts in (0, 1, 2, 4, 9)}
    found = background_quality(frames, regions, background, 1)
    assert found == BackgroundQuality(4, 3, 2)
    assert str(found).startswith("3 of 4 background pictures with truth show an object, 2 of them")


def test_partly_annotated_frames_are_background_only_if_known():
    """Without a box of the annotated class the other class may be there: it is left out."""
    partly = frozenset({0})
    frames = [truth(0, complete=partly), truth(1, A, complete=partly)]
    assert background_quality(frames, {}, {f.key for f in frames}, 2) == BackgroundQuality(1, 1, 1)
    assert background_quality(frames, {}, {f.key for f in frames}, 1) == BackgroundQuality(2, 1, 1)
