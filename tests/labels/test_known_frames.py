"""Rows of tables become the frames that models are compared on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.states import GAP, IGNORE, NEGATIVE, POSITIVE, PREVIOUS, TEACHER, TRACKER
from reelabel.errors import ShardError
from reelabel.labels.known_frames import boxes_by_pts, label_frames, ruled_labels, truth_frames
from reelabel.tables import CANDIDATES, DETECTIONS, LABELS, TRUTH, TRUTH_FRAMES

CORNERS = {"x1": 1.0, "y1": 2.0, "x2": 5.0, "y2": 9.0}


def detection(pts, score=0.5, category="ball"):
    """Return one row of detections."""
    place = {"video_id": "v", "pts": pts, "frame_index": pts, "category": category}
    return place | {"score": score} | CORNERS


def label(pts, state, rule):
    """Return one label."""
    words = {"state": state, "origin": TEACHER, "rule": rule, "reason": "", "round": 0}
    return detection(pts) | words


@given(st.lists(st.tuples(st.integers(-3, 3), st.floats(0, 1, width=32)), max_size=20))
def test_each_frame_has_its_boxes_in_their_order(rows):
    """No box is lost, moved to another frame or reordered inside its frame."""
    table = DETECTIONS.from_rows([detection(*row) for row in rows])
    found = boxes_by_pts(table, ("ball",))
    assert sorted(found) == sorted({pts for pts, _ in rows})
    for pts, boxes in found.items():
        assert boxes.score.tolist() == [score for other, score in rows if other == pts]


def test_a_box_in_a_gap_is_the_trackers():
    """Whoever is named as origin of a label that the rule `gap` made, it fills a gap."""
    table = LABELS.from_rows([label(0, POSITIVE, "score"), label(0, POSITIVE, GAP)])
    assert boxes_by_pts(table, ("ball",))[0].origin.tolist() == [TEACHER, TRACKER]


def test_an_unknown_class_is_an_error():
    """Rows of a class that the workspace does not have are not passed over."""
    with pytest.raises(ShardError, match="dog"):
        boxes_by_pts(DETECTIONS.from_rows([detection(0, category="dog")]), ("ball",))


def test_annotated_frames_without_boxes_count():
    """Crowds are ignored regions, and a frame may be complete for some classes alone."""
    rows = [detection(3) | {"crowd": crowd} for crowd in (False, True)]
    frames = [
        {"video_id": "v", "pts": pts, "frame_index": pts, "complete": complete}
        for pts, complete in ((3, None), (4, ["dog"]))
    ]
    first, second = truth_frames(
        "v", TRUTH_FRAMES.from_rows(frames), TRUTH.from_rows(rows), ("ball", "dog")
    )
    assert (first.key, first.complete) == (("v", 3), None)
    assert first.boxes.state.tolist() == [POSITIVE, IGNORE]
    assert (second.key, second.complete, len(second.boxes)) == (("v", 4), frozenset({1}), 0)


def test_hard_negatives_are_no_objects():
    """A frame whose labels are all negative has none to find; ignored regions stay."""
    table = LABELS.from_rows([label(0, NEGATIVE, "static"), label(1, IGNORE, "border")])
    labels = {("v", pts): boxes for pts, boxes in boxes_by_pts(table, ("ball",)).items()}
    frames = label_frames([("v", 0), ("v", 1), ("v", 2)], labels)
    assert [len(frame.boxes) for frame in frames] == [0, 1, 0]


def made(pts, rule, *, x1=0.0, **more):
    """Return one row that stands in both tables of labels and candidates."""
    place = {"video_id": "v", "pts": pts, "frame_index": pts, "category": "ball", "score": 0.9}
    corners = {"x1": x1, "y1": 0.0, "x2": 9.0, "y2": 9.0}
    words = {"state": POSITIVE, "origin": TEACHER, "rule": rule, "reason": "", "round": 1}
    return place | corners | words | {"detection": 0} | more


def rows_of(table, *rows):
    """Return rows as a table, with its columns alone."""
    return table.from_rows([{k: row[k] for k in table.schema.names} for row in rows])


def test_labels_name_the_rule_that_made_them_and_not_that_of_merging():
    """A merged label has its candidate's rule, unless it was changed; old ones are "previous"."""
    candidates = rows_of(CANDIDATES, made(0, GAP), made(1, "score"), made(3, "score"))
    labels = rows_of(
        LABELS,
        made(0, "merge:new"),
        made(1, "merge:fuse", x1=1.0),
        made(2, "score", origin=PREVIOUS, round=0),
        made(3, "score"),
        made(4, "score", state=IGNORE),
    )
    found = ruled_labels(labels, candidates, ("ball",))
    assert found.rule.tolist() == [GAP, "merge:fuse", PREVIOUS, "score"]
    assert found.boxes.frame.tolist() == [0, 1, 2, 3]
