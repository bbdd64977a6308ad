"""Temporal evidence is applied after the rules, and only to what the rules have left."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reelabel.errors import MissingInput
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


def found(kind, detection, pts=None, score=0.9):
    """Return a piece of evidence."""
    words = {"kind": kind, "detection": detection, "track_id": 0, "reason": f"evidence of {kind}"}
    return row(detection if pts is None else pts, score) | words | {"frames": [0], "between": [0]}


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
    first, second = cleaned([0.9, 0.9], found(kind, 1))
    assert (first["state"], first["rule"], first["origin"]) == ("positive", "score", "teacher")
    assert (second["state"], second["rule"]) == (state, kind)
    assert second["reason"] == f"evidence of {kind}"


def test_a_doubtful_box_can_be_a_hard_negative_but_not_more_doubtful(cleaned):
    """What the rules ignore: a static repeat is surer than they are, a doubt adds nothing."""
    first, second = cleaned([0.3, 0.3], found("static", 0), found("unsupported", 1))
    assert (first["state"], first["rule"]) == ("negative", "static")
    assert (second["state"], second["rule"]) == ("ignore", "score")


def test_what_the_rules_drop_stays_dropped(cleaned):
    """Noise below the floor says nothing, and time cannot change that."""
    assert cleaned([0.01], found("static", 0)) == []


def test_a_box_from_a_gap_is_added_as_the_trackers(cleaned):
    """It is positive, rests on no detection, and keeps its own score however low that is."""
    _, added = cleaned([0.9], found("gap", -1, pts=5, score=0.3))
    assert (added["state"], added["origin"], added["rule"]) == ("positive", "tracker", "gap")
    assert (added["detection"], added["pts"], added["frame_index"]) == (-1, 5, 5)
    assert added["score"] == pytest.approx(0.3)


def test_a_weak_box_that_its_track_holds_becomes_positive(cleaned):
    """Only its score was against it; the tracker speaks for it, the detection stays its own."""
    _, held = cleaned([0.9, 0.2], found("gap", 1, score=0.2))
    assert (held["state"], held["origin"], held["rule"]) == ("positive", "tracker", "gap")
    assert (held["detection"], held["score"]) == (1, pytest.approx(0.2))


@pytest.mark.parametrize("settings", [{"score": 0.8}, {"min_area_px": 1000.0}])
def test_a_gap_stands_only_between_boxes_that_the_rules_believe(cleaned, settings):
    """A stricter rule takes away what rests on the boxes that it takes away."""
    gaps = found("gap", 1, score=0.2), found("gap", -1, pts=5, score=0.3)
    assert [r["state"] for r in cleaned([0.6, 0.2], *gaps)] == ["positive"] * 3
    assert [r["state"] for r in cleaned([0.6, 0.2], *gaps, **settings)] == ["ignore"] * 2


def test_an_added_box_may_lie_beside_a_held_one(cleaned):
    """Sure boxes hold the weak one, and that is an end of the gap; without it the gap falls too."""
    held = found("gap", 1, score=0.2) | {"between": [0, 2]}
    added = found("gap", -1, pts=5, score=0.2) | {"between": [1, 2]}
    assert [r["state"] for r in cleaned([0.9, 0.2, 0.9], held, added)] == ["positive"] * 4
    states = [r["state"] for r in cleaned([0.9, 0.2, 0.9], added)]
    assert states == ["positive", "ignore", "positive"]


def test_a_gap_asks_its_own_ends(cleaned):
    """That other boxes of the class are believed in the same frames says nothing of its object."""
    added = found("gap", -1, pts=5, score=0.3) | {"frames": [0], "between": [1]}
    states = [r["state"] for r in cleaned([0.9, 0.3], added)]
    assert states == ["positive", "ignore"]


def test_a_track_does_not_lift_what_another_rule_ignores(cleaned):
    """A box too near the picture's edge stays ignored, however sure its neighbours are."""
    (held,) = cleaned([0.2], found("gap", 0) | {"between": []}, border_px=15)
    assert (held["state"], held["rule"]) == ("ignore", "border")


def test_a_smoothed_place_counts_where_it_is_near(cleaned):
    """Near the detection it takes its place and says so; far from it the detection stays."""
    near = found("smooth", 0) | {"x2": 31.0, "similarity": 0.95}
    far = found("smooth", 1) | {"x2": 31.0, "similarity": 0.8}
    first, second = cleaned([0.9, 0.9], near, far)
    assert (first["x2"], first["reason"][-8:]) == (31.0, "smoothed")
    assert second == cleaned([0.9, 0.9])[1]


def test_smoothing_moves_no_doubtful_box(cleaned):
    """What is ignored is ignored where the teacher saw it."""
    assert cleaned([0.3], found("smooth", 0) | {"x2": 31.0, "similarity": 1.0}) == cleaned([0.3])


@pytest.mark.parametrize("kind", ["flicker", "gap", "static", "smooth"])
def test_evidence_that_is_not_used_changes_nothing(cleaned, kind):
    """Each kind can be left out alone; the others still count."""
    others = {"flicker", "gap", "static", "smooth"} - {kind}
    about = found(kind, -1 if kind == "gap" else 0, pts=0) | {"x2": 31.0, "similarity": 0.95}
    assert cleaned([0.9], about, use_evidence=tuple(others)) == cleaned([0.9])
    assert cleaned([0.9], about, use_evidence=(kind,)) != cleaned([0.9])


def test_states_name_evidence_too(cleaned):
    """Every kind can lead elsewhere, or be switched off; what nobody knows is refused."""
    evidence = (found("flicker", 0), found("unsupported", 1), found("gap", -1, pts=5))
    states = {"flicker": "ignore", "unsupported": "positive", "gap": "dropped"}
    rows = cleaned([0.9, 0.9], *evidence, states=states)
    assert [(r["state"], r["rule"]) for r in rows] == [
        ("ignore", "flicker"),
        ("positive", "unsupported"),
    ]
    assert len(cleaned([0.9], found("flicker", 0), states={"flicker": "dropped"})) == 0
    for states in ({"flickr": "ignore"}, {"gap": "postive"}):
        with pytest.raises(ValidationError, match="did you mean"):
            cleaned([0.9], states=states)


@pytest.mark.parametrize("evidence", [found("flicker", 7), found("flicker", 0, pts=3)])
def test_evidence_about_other_detections_is_refused(cleaned, evidence):
    """What an older run left must not condemn a box that it never saw."""
    with pytest.raises(MissingInput, match="other detections"):
        cleaned([0.9], evidence)
