"""What time says is heard after the rules, and only about what the rules have left."""

from __future__ import annotations

import pytest

from reelabel.errors import MissingInput, UsageError
from reelabel.stages.clean import STAGE
from reelabel.tables import DETECTIONS, EVIDENCE

BOX = {"x1": 10.0, "y1": 10.0, "x2": 30.0, "y2": 30.0}


def row(pts, score):
    """Return a detection in a frame of its own."""
    return (
        {"video_id": "v", "pts": pts, "frame_index": pts, "category": "ball"}
        | BOX
        | {"score": score}
    )


def said(kind, detection, pts=None, score=0.9):
    """Return a piece of evidence."""
    words = {"kind": kind, "detection": detection, "track_id": 0, "reason": f"time says {kind}"}
    return row(detection if pts is None else pts, score) | words | {"frames": [0]}


@pytest.fixture
def cleaned(call):
    """Return a function from scores and evidence to candidates."""

    def run(scores, *evidence, **settings):
        inputs = {
            "detections": DETECTIONS.from_rows([row(i, s) for i, s in enumerate(scores)]),
            "evidence": EVIDENCE.from_rows(list(evidence)),
        }
        return call(STAGE, inputs, **settings).tables["candidates"].to_pylist()

    return run


@pytest.mark.parametrize(
    ("kind", "state"), [("flicker", "negative"), ("static", "negative"), ("unsupported", "ignore")]
)
def test_evidence_against_a_positive_box_decides(cleaned, kind, state):
    """A flicker and a static repeat become hard negatives, a doubt is ignored; it says why."""
    first, second = cleaned([0.9, 0.9], said(kind, 1))
    assert (first["state"], first["rule"], first["origin"]) == ("positive", "score", "teacher")
    assert (second["state"], second["rule"]) == (state, kind)
    assert second["reason"] == f"time says {kind}"


def test_a_doubtful_box_can_be_a_hard_negative_but_not_more_doubtful(cleaned):
    """What the rules ignore: a static repeat is surer than they are, a doubt adds nothing."""
    first, second = cleaned([0.3, 0.3], said("static", 0), said("unsupported", 1))
    assert (first["state"], first["rule"]) == ("negative", "static")
    assert (second["state"], second["rule"]) == ("ignore", "score")


def test_what_the_rules_drop_stays_dropped(cleaned):
    """Noise below the floor says nothing, and time cannot make it speak."""
    assert cleaned([0.01], said("static", 0)) == []


def test_a_box_from_a_gap_is_added_as_the_trackers(cleaned):
    """It is positive, rests on no detection, and keeps its own score however low that is."""
    _, added = cleaned([0.9], said("gap", -1, pts=5, score=0.3))
    assert (added["state"], added["origin"], added["rule"]) == ("positive", "tracker", "gap")
    assert (added["detection"], added["pts"], added["frame_index"]) == (-1, 5, 5)
    assert added["score"] == pytest.approx(0.3)


def test_smoothed_boxes_change_nothing(cleaned):
    """They are rows for those who ask; no candidate comes of them."""
    assert cleaned([0.9], said("smooth", 0)) == cleaned([0.9])


def test_states_name_evidence_too(cleaned):
    """Every kind can lead elsewhere, or be switched off; what nobody knows is refused."""
    evidence = (said("flicker", 0), said("unsupported", 1), said("gap", -1, pts=5))
    states = {"flicker": "ignore", "unsupported": "positive", "gap": "dropped"}
    rows = cleaned([0.9, 0.9], *evidence, states=states)
    assert [(r["state"], r["rule"]) for r in rows] == [
        ("ignore", "flicker"),
        ("positive", "unsupported"),
    ]
    assert len(cleaned([0.9], said("flicker", 0), states={"flicker": "dropped"})) == 0
    for states in ({"flickr": "ignore"}, {"gap": "postive"}):
        with pytest.raises(UsageError, match="did you mean"):
            cleaned([0.9], states=states)


@pytest.mark.parametrize("evidence", [said("flicker", 7), said("flicker", 0, pts=3)])
def test_evidence_about_other_detections_is_refused(cleaned, evidence):
    """What an older run left must not condemn a box that it never saw."""
    with pytest.raises(MissingInput, match="other detections"):
        cleaned([0.9], evidence)
