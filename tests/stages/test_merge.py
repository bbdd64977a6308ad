"""Two rounds and a person on the same frames: who has the word in each of them."""

from __future__ import annotations

import pytest

from reelabel.stages.merge import STAGE
from reelabel.tables import CANDIDATES, IMPORTED, IMPORTED_FRAMES, LABELS

BOX = (10, 10, 30, 30)
NEAR = (12, 10, 32, 30)
FAR = (60, 60, 80, 80)


def row(pts, xyxy, score=0.9, state="positive", **more):
    """Return one row of any of the three tables."""
    box = dict(zip(("x1", "y1", "x2", "y2"), xyxy, strict=True))
    first = {"video_id": "v", "pts": pts, "frame_index": pts // 10, "category": "ball"}
    return first | box | {"score": score, "state": state} | more


def new(*args, **more):
    """Return a candidate."""
    return row(
        *args, **{"detection": 0, "origin": "teacher", "rule": "score", "reason": "sure"} | more
    )


def old(*args, **more):
    """Return a label of an earlier round."""
    first = {"origin": "teacher", "round": 0, "rule": "score", "reason": "was sure"}
    return row(*args, **first | more)


@pytest.fixture
def merged(call):
    """Return a function from rows to the labels they become."""

    def run(candidates=(), previous=(), imported=(), *, number=1, frames=(), **settings):
        inputs = {
            "candidates": CANDIDATES.from_rows(list(candidates)),
            "previous_labels": LABELS.from_rows(list(previous)),
            "imported": IMPORTED.from_rows(list(imported)),
            "imported_frames": IMPORTED_FRAMES.from_rows(list(frames)),
        }
        output = call(STAGE, inputs, round_number=number, **settings)
        rows = output.tables["labels"].to_pylist()
        assert output.notes["positives"] == sum(r["state"] == "positive" for r in rows)
        return rows

    return run


def boxes(rows):
    """Return the boxes of rows."""
    return [tuple(r[k] for k in ("x1", "y1", "x2", "y2")) for r in rows]


def test_in_round_0_the_candidates_are_the_labels(merged):
    """With nothing before, each candidate becomes a label of the teacher."""
    rows = merged([new(10, BOX), new(20, FAR, 0.3, "ignore")], number=0)
    assert boxes(rows) == [BOX, FAR]
    assert [(r["origin"], r["round"], r["state"]) for r in rows] == [
        ("teacher", 0, "positive"),
        ("teacher", 0, "ignore"),
    ]
    assert [r["frame_index"] for r in rows] == [1, 2]


def test_the_new_round_wins_where_it_found_something(merged):
    """In a frame that both rounds speak of, the old boxes are gone, also those elsewhere in it."""
    rows = merged([new(10, NEAR)], [old(10, BOX), old(10, FAR)])
    assert boxes(rows) == [NEAR]
    assert rows[0]["round"] == 1


def test_the_old_round_fills_what_the_new_one_missed(merged):
    """A frame in which the new round found nothing keeps the old boxes, and says from where."""
    rows = merged([new(20, FAR)], [old(10, BOX)])
    assert boxes(rows) == [BOX, FAR]
    assert (rows[0]["origin"], rows[0]["round"]) == ("previous", 0)
    assert "round 0" in rows[0]["reason"]


def test_a_doubtful_new_box_silences_no_old_one(merged):
    """A new box to ignore leaves the old one standing, and is dropped where it lies under it."""
    rows = merged([new(10, NEAR, 0.2, "ignore")], [old(10, BOX)])
    assert [(r["state"], r["origin"]) for r in rows] == [("positive", "previous")]
    rows = merged([new(10, FAR, 0.2, "ignore")], [old(10, BOX)])
    assert sorted(r["state"] for r in rows) == ["ignore", "positive"]


def test_old_doubts_are_forgotten(merged):
    """Only positive boxes of the old round fill in."""
    assert merged([], [old(10, BOX, 0.2, "ignore"), old(20, BOX, 0.2, "negative")]) == []


def test_a_box_that_was_not_seen_for_long_is_no_longer_taught(merged):
    """After `max_age` rounds an old box is not positive any more."""
    previous = [old(10, BOX, round=1)]
    assert [r["state"] for r in merged([], previous, number=3)] == ["positive"]
    for rows in (merged([], previous, number=4), merged([], previous, number=3, max_age=1)):
        assert [(r["state"], r["origin"]) for r in rows] == [("ignore", "previous")]
    assert merged([], [old(10, BOX, 1.0, "ignore", round=1)], number=5) == []


def test_a_frame_that_a_person_left_empty_silences_models(merged):
    """Of the classes of which a person spoke nothing is left there; others are heard."""
    there = {"video_id": "v", "pts": 10, "frame_index": 1}
    new_one, before = [new(10, BOX), new(20, BOX)], [old(10, FAR)]
    rows = merged(new_one, before, frames=[there | {"complete": None}])
    assert [r["pts"] for r in rows] == [20]
    rows = merged(new_one, before, frames=[there | {"complete": ["other"]}])
    assert [r["pts"] for r in rows] == [10, 20]


def test_what_people_drew_is_never_changed(merged):
    """In a frame and class that a person drew, no model has a word, in any policy."""
    drawn = [row(10, BOX, 1.0, origin="person")]
    for policy in ("new", "old", "higher_score", "fuse", "ignore"):
        rows = merged([new(10, NEAR, 0.99), new(10, FAR)], [old(10, NEAR)], drawn, policy=policy)
        assert boxes(rows) == [BOX]
        assert rows[0]["origin"] == "person"
        assert rows[0]["score"] == 1.0


def test_a_person_silences_models_in_their_own_class_alone(merged):
    """A ball that was drawn says nothing of the dogs in the frame, nor of other frames."""
    drawn = [row(10, BOX, 1.0, origin="person")]
    rows = merged([new(10, FAR, category="dog"), new(20, FAR)], [], drawn)
    assert [(r["pts"], r["category"]) for r in rows] == [(10, "ball"), (10, "dog"), (20, "ball")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("new", [("positive", NEAR)]),
        ("old", [("positive", BOX)]),
        ("higher_score", [("positive", BOX)]),
    ],
)
def test_the_policy_decides_where_both_speak(merged, policy, expected):
    """Each policy does what its name says with one object that both rounds found."""
    rows = merged([new(10, NEAR, 0.6)], [old(10, BOX, 0.9)], policy=policy)
    assert [(r["state"], box) for r, box in zip(rows, boxes(rows), strict=True)] == expected


def test_fusing_puts_the_box_between_both(merged):
    """With `fuse` the surer box pulls more."""
    (fused,) = merged([new(10, NEAR, 0.3)], [old(10, BOX, 0.9)], policy="fuse")
    assert 10 < fused["x1"] < 11


def test_what_only_one_round_knows_may_be_ignored(merged):
    """With `ignore` a box that the other round does not know becomes a region to ignore."""
    rows = merged([new(10, NEAR), new(10, FAR)], [old(10, BOX)], policy="ignore")
    assert sorted((r["state"], r["x1"]) for r in rows) == [("ignore", 60), ("positive", 12)]


def test_classes_do_not_meet(merged):
    """A dog found in a frame does not silence the ball that was found there before."""
    rows = merged([new(10, FAR, category="dog")], [old(10, BOX)])
    assert [r["category"] for r in rows] == ["ball", "dog"]


def test_the_order_of_the_rows_depends_on_the_rows_alone(merged):
    """The same rows in another order give the same table."""
    rows = [new(20, BOX), new(10, FAR), new(10, BOX), new(10, BOX, category="a")]
    assert merged(rows) == merged(rows[::-1])


def test_nothing_at_all_is_an_empty_table(merged):
    """A video in which nobody ever found anything has labels without rows."""
    assert merged() == []


def test_an_old_box_that_time_has_unmasked_does_not_come_back(merged):
    """A new hard negative silences the old positive under it, not the one beside it."""
    rows = merged([new(10, NEAR, state="negative")], [old(10, BOX), old(10, FAR)])
    assert {(b, r["state"]) for b, r in zip(boxes(rows), rows, strict=True)} == {
        (NEAR, "negative"),
        (FAR, "positive"),
    }
