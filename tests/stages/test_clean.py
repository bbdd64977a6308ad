"""The rules reach each detection, and what they say of it can be read."""

from __future__ import annotations

import pytest

from reelabel.stages.clean import STAGE
from reelabel.tables import DETECTIONS


@pytest.fixture
def cleaned(call):
    """Return a function from (x1, y1, x2, y2, score) to candidates and notes."""

    def run(*found, **settings):
        rows = [
            {"video_id": "v", "pts": 0, "frame_index": 0, "category": "ball", "score": score}
            | {"x1": x1, "y1": y1, "x2": x2, "y2": y2}
            for x1, y1, x2, y2, score in found
        ]
        output = call(STAGE, {"detections": DETECTIONS.from_rows(rows)}, **settings)
        return output.tables["candidates"].to_pylist(), output.notes

    return run


def test_the_score_sorts_boxes_into_three(cleaned):
    """Sure boxes are positive, doubtful ones ignored, weak ones left out; each names its row."""
    rows, notes = cleaned((0, 0, 9, 9, 0.02), (20, 20, 29, 29, 0.3), (50, 50, 59, 59, 0.9))
    assert [(r["detection"], r["state"]) for r in rows] == [(1, "ignore"), (2, "positive")]
    assert notes == {"dropped": 1, "ignore": 1, "positive": 1}
    assert all(r["rule"] and r["reason"] for r in rows)


def test_a_class_may_have_its_own_threshold(cleaned):
    """`score_per_class` wins over `score` for its class."""
    box = (0, 0, 9, 9, 0.45)
    assert cleaned(box)[0][0]["state"] == "ignore"
    assert cleaned(box, score_per_class={"ball": 0.4})[0][0]["state"] == "positive"


def test_a_worse_copy_is_dropped(cleaned):
    """Of two boxes over one object the better one stays."""
    rows, _ = cleaned((10, 10, 30, 30, 0.7), (10, 10, 30, 31, 0.9))
    assert [r["detection"] for r in rows] == [1]


@pytest.mark.parametrize(
    ("settings", "box"),
    [
        ({"min_area_px": 200}, (10, 10, 20, 20, 0.9)),
        ({"max_area_px": 50}, (10, 10, 20, 20, 0.9)),
        ({"min_area_share": 0.05}, (10, 10, 20, 20, 0.9)),
        ({"max_area_share": 0.005}, (10, 10, 20, 20, 0.9)),
        ({"max_aspect": 3}, (10, 10, 50, 20, 0.9)),
        ({"border_px": 2}, (1, 10, 20, 20, 0.9)),
    ],
    ids=str,
)
def test_each_rule_reaches_the_boxes(cleaned, settings, box):
    """A box that breaks a rule is ignored with the rule's name; without the rule it is positive."""
    assert cleaned(box)[0][0]["state"] == "positive"
    (row,) = cleaned(box, **settings)[0]
    assert row["state"] == "ignore"
    assert row["rule"]


def test_a_rule_may_lead_elsewhere(cleaned):
    """`states` says what a broken rule means instead of ignore."""
    box = (1, 10, 20, 20, 0.9)
    (row,) = cleaned(box, border_px=2, states={"border": "negative"})[0]
    assert row["state"] == "negative"
    assert cleaned(box, border_px=2, states={"border": "dropped"})[0] == []


def test_a_video_without_detections_has_no_candidates(cleaned):
    """Nothing in, nothing out."""
    assert cleaned() == ([], {})
