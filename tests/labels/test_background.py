"""A frame without positive labels is background only on evidence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.sequence import BoxSequence, covered
from reelabel.labels.background import (
    DETECTION,
    NEAR,
    NOT_PROCESSED,
    ON_TRACK,
    BackgroundSettings,
    TeacherPass,
    needs_evidence,
    unlabelled_reasons,
)

HERE, THERE = (0, 0, 10, 10), (50, 50, 60, 60)
TICKS = 10  # per second
SETTINGS = BackgroundSettings(max_score=0.2, near_s=0.3, gap_s=1.0)


def boxes(*rows, state="positive"):
    """Return boxes from time stamp, place, score and, if it is another one, state."""
    made = BoxSequence.of(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.float32),
    )
    states = np.array([row[3] if len(row) > 3 else state for row in rows], np.str_)
    return replace(made, boxes=replace(made.boxes, state=states))


def teacher(detections=None, *, track_id=None, frames=100, cuts=()):
    """Return a pass over so many frames, ten to a second, with cuts before some of them."""
    detections = boxes() if detections is None else detections
    pts = np.arange(frames)
    return TeacherPass(
        pts=pts,
        shot=np.searchsorted(np.array(cuts, np.int64), pts, side="right"),
        detections=detections,
        track_id=np.full(len(detections), -1) if track_id is None else np.array(track_id),
        time_base=1 / TICKS,
    )


def reasons(pts, labels, seen, settings=SETTINGS):
    """Return time stamp -> reason of the unlabelled ones among some frames."""
    pts = np.array(list(pts), np.int64)
    found = unlabelled_reasons(pts, labels, seen, settings)
    return {int(p): why for p, why in zip(pts, found, strict=True) if why}


def test_where_nothing_was_found_all_is_background():
    """Footage without a label and without a detection is background throughout."""
    assert reasons(range(100), boxes(), teacher()) == {}


def test_what_the_teacher_did_not_process_is_unlabelled():
    """A frame that no model was applied to has no evidence, whatever else holds."""
    assert reasons([5, 150], boxes(), teacher()) == {150: NOT_PROCESSED}
    assert set(reasons(range(9), boxes(), teacher(frames=0)).values()) == {NOT_PROCESSED}


def test_a_weak_detection_leaves_a_frame_unlabelled():
    """From the score of the settings on, in float32 as scores are stored."""
    found = boxes((3, HERE, 0.2), (4, HERE, 0.19), (5, HERE, 0.9))
    assert reasons(range(9), boxes(), teacher(found)) == {3: DETECTION, 5: DETECTION}


def test_a_hard_negative_is_no_object():
    """A detection under a hard negative counts no longer; one beside it does."""
    found = boxes((3, HERE, 0.9), (4, HERE, 0.9), (4, THERE, 0.3))
    labels = boxes((3, HERE, 0.9, "negative"), (4, HERE, 0.9, "negative"))
    assert reasons(range(9), labels, teacher(found)) == {4: DETECTION}


def test_frames_inside_a_track_of_positives_are_unlabelled():
    """From the track's first positive to its last; one without positives has no such frames."""
    found = boxes(*((t, HERE, 0.9) for t in (10, 40)), *((t, THERE, 0.1) for t in (5, 90)))
    labels = boxes((10, HERE, 0.9), (40, HERE, 0.9))
    seen = teacher(found, track_id=[0, 0, 1, 1])
    tracks_alone = BackgroundSettings(max_score=0.2, near_s=0.0, gap_s=0.0)
    empty = [t for t in range(100) if t not in (10, 40)]
    found = reasons(empty, labels, seen, tracks_alone)
    assert found == dict.fromkeys(range(11, 40), ON_TRACK)


def test_frames_beside_a_positive_are_unlabelled():
    """Within `near_s` before and after; the frames between two positives also from further."""
    labels = boxes((20, HERE, 0.9), (30, HERE, 0.9), (50, HERE, 0.9))
    empty = [t for t in range(100) if t not in (20, 30, 50)]
    near = {*range(17, 34), *range(47, 54)} - {20, 30, 50}
    assert reasons(empty, labels, teacher()) == dict.fromkeys(sorted(near), NEAR)


def test_frames_may_be_background_around_ignored_regions():
    """If so set, what is doubtful is out of the loss and the rest of the frame is background."""
    found = boxes((30, HERE, 0.4), (31, HERE, 0.4))
    labels = boxes((20, HERE, 0.9), (21, HERE, 0.4, "ignore"), (30, HERE, 0.4, "ignore"))
    frames, seen = (21, 22, 30, 31, 150), teacher(found)
    strict = {21: NEAR, 22: NEAR, 30: DETECTION, 31: DETECTION, 150: NOT_PROCESSED}
    assert reasons(frames, labels, seen) == strict
    around = SETTINGS.model_copy(update={"around_ignored": True})
    expected = {22: NEAR, 31: DETECTION, 150: NOT_PROCESSED}
    assert reasons(frames, labels, seen, around) == expected


def test_a_cut_ends_what_is_near():
    """A positive of another shot is no sign that the object is there."""
    labels = boxes((20, HERE, 0.9))
    assert set(reasons(range(15, 20), labels, teacher(cuts=(20,)))) == set()
    assert set(reasons(range(21, 30), labels, teacher(cuts=(22,)))) == {21}


@pytest.mark.parametrize(
    ("state", "origin", "expected"),
    [
        ("ignore", "teacher", True),
        ("positive", "teacher", False),
        ("negative", "teacher", False),
        ("ignore", "person", False),
    ],
)
def test_labels_and_what_a_person_drew_are_evidence(state, origin, expected):
    """Only a frame without labels, or with ignored regions of a model, needs further evidence."""
    one = Boxes(np.array([HERE], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    one = replace(one, state=np.array([state]), origin=np.array([origin]))
    assert needs_evidence(one) is expected
    assert needs_evidence(Boxes.empty())


times = st.lists(st.integers(0, 60), max_size=12, unique=True)


@given(times, times, st.floats(0, 2), st.floats(0, 2))
def test_more_evidence_asked_for_leaves_fewer_background_frames(labelled, found, near, more):
    """Longer times only add unlabelled frames; those far from all positives stay background."""
    labels = boxes(*((t, HERE, 0.9) for t in labelled))
    seen = teacher(boxes(*((t, HERE, 0.5) for t in found)))
    empty = sorted(set(range(61)) - set(labelled))
    first, second = (
        reasons(empty, labels, seen, BackgroundSettings(near_s=s, gap_s=s))
        for s in (near, near + more)
    )
    assert first.keys() <= second.keys()
    far = {t for t in empty if all(abs(t - p) > (near + more) * TICKS + 1 for p in labelled)}
    assert not (far - set(found)) & second.keys()
    assert set(found) - set(labelled) <= first.keys()


places = st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 5))


@given(st.lists(places, max_size=15), st.lists(places, max_size=15))
def test_boxes_are_covered_in_their_own_frame_alone(first, second):
    """Of boxes that are equal or far apart it finds the equal ones of the same frame."""
    a, b = (
        boxes(*((t, (10 * x, 10 * y, 10 * x + 15, 10 * y + 15), 0.5) for t, x, y in some))
        for some in (first, second)
    )
    expected = [any((t, x, y) == other for other in second) for t, x, y in first]
    assert covered(a, b, 0.9).tolist() == expected
