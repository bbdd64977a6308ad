"""What is measured without ground truth: kept labels, and consistency under mirroring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.states import IGNORE, POSITIVE, TEACHER, TRACKER
from reelabel.evaluation.comparison import Scoring
from reelabel.evaluation.consistency import Views, box_shift, consistency, consistency_gain
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.held_out import working_threshold
from reelabel.evaluation.scores import frame_matches
from reelabel.evaluation.without_truth import held_out_labels, mirror_consistency

SCORING = Scoring(("ball",), resamples=50)


def boxes(*rows, state=None, origin=None):
    """Return boxes of left, top, side and score."""
    rows = np.array(rows, np.float32).reshape(-1, 4)
    xyxy = np.column_stack((rows[:, :2], rows[:, :2] + rows[:, 2:3]))
    given = {"state": state, "origin": origin}
    columns = {k: None if v is None else np.array(v, np.str_) for k, v in given.items()}
    return Boxes(xyxy, rows[:, 3], np.zeros(len(rows), np.int64), **columns)


def labelled(n=20):
    """Return frames with one sure label, one that fills a gap, and one that is ignored."""
    label = boxes(
        (0, 0, 10, 0.9),
        (50, 0, 10, 0.2),
        (0, 50, 10, 0.3),
        state=[POSITIVE, POSITIVE, IGNORE],
        origin=[TEACHER, TRACKER, TEACHER],
    )
    return [KnownFrame("v", i, label) for i in range(n)]


def test_gap_labels_are_counted_apart():
    """A teacher that is unsure in gaps keeps its own labels and none of those."""
    frames = labelled()
    teacher = [boxes((0, 0, 10, 0.9), (0, 50, 10, 0.3))] * len(frames)
    student = [boxes((1, 0, 10, 0.6), (51, 0, 10, 0.5))] * len(frames)
    found = held_out_labels(frames, {"teacher": teacher, "student": student}, SCORING)
    assert (found.labels, found.gaps) == (20, 20)
    assert found.models["teacher"].labels.value == 1
    assert found.models["teacher"].gaps.value == 0
    assert found.models["student"].gaps.value == 1
    assert found.lost["teacher"].value == 0


def test_each_model_has_its_own_working_threshold():
    """A student whose scores are all low keeps the labels as well as a sure one."""
    frames = labelled()
    sure = [boxes((0, 0, 10, 0.9), (50, 0, 10, 0.8), (80, 80, 10, 0.1))] * len(frames)
    low = [boxes((0, 0, 10, 0.09), (50, 0, 10, 0.08), (80, 80, 10, 0.01))] * len(frames)
    found = held_out_labels(frames, {"teacher": sure, "student": low}, SCORING)
    assert found.models["teacher"].threshold == pytest.approx(0.8)
    assert found.models["student"].threshold == pytest.approx(0.08)
    assert found.models["student"].labels.value == 1
    assert found.lost["teacher"].value == 0


def test_a_lost_share_has_an_interval():
    """Labels that are lost in one half of the time widen the interval over blocks of time."""
    frames = labelled()
    teacher = [boxes((0, 0, 10, 0.9))] * 20
    student = [boxes((0, 0, 10, 0.9))] * 10 + [boxes()] * 10
    lost = held_out_labels(frames, {"teacher": teacher, "student": student}, SCORING).lost[
        "teacher"
    ]
    assert lost.value == 0.5
    assert lost.low < 0.5 < lost.high


def test_without_detections_the_threshold_is_the_highest():
    """A silent model keeps nothing."""
    frames = labelled(2)
    matches = frame_matches(frames, [boxes(), boxes()], ("ball",))
    assert working_threshold(matches.values()) == 1.0


coordinate = st.floats(0, 100, width=32)
box = st.tuples(coordinate, coordinate, st.floats(2, 40, width=32), st.floats(0.125, 1, width=32))


@given(st.lists(box, max_size=5), st.lists(box, max_size=5))
def test_consistency_is_a_share_and_symmetric(a, b):
    """It lies in 0..1 and does not depend on which view is called the mirrored one."""
    one, other = boxes(*a), boxes(*b)
    value = consistency(Views.of([one], [other])).value
    assert np.isnan(value) == (not a and not b)
    if a or b:
        assert 0 <= value <= 1 + 1e-6
        assert value == pytest.approx(consistency(Views.of([other], [one])).value)


@given(st.lists(box, min_size=1, max_size=5), st.lists(box, min_size=1, max_size=5))
def test_the_gain_of_one_model_is_the_loss_of_the_other(a, b):
    """Exchanging two models changes the sign, and a model gains nothing over itself."""
    first, second = Views.of([boxes(*a)], [boxes(*b)]), Views.of([boxes(*b)], [boxes(*a)])
    there, back = consistency_gain(first, second), consistency_gain(second, first)
    if there.whole.sum():
        assert there.value == pytest.approx(-back.value, abs=1e-5)
    assert consistency_gain(first, first).part.sum() == pytest.approx(0, abs=1e-5)


def test_the_same_boxes_in_both_views_are_consistent():
    """Equal views have the value 1, boxes that only one view has count as 0."""
    sure = boxes((0, 0, 10, 0.8))
    assert consistency(Views.of([sure], [sure])).value == pytest.approx(1)
    both = consistency(Views.of([boxes((0, 0, 10, 0.8), (50, 50, 10, 0.8))], [sure])).value
    assert both == pytest.approx(2 / 3)
    assert consistency(Views.of([boxes((0, 0, 10, 0.04))], [sure])).value == 0


def test_finding_harder_objects_does_not_make_a_model_less_consistent():
    """Only objects that both models find are compared."""
    easy, hard = (0, 0, 20, 0.9), (50, 50, 10, 0.5)
    teacher = Views.of([boxes(easy)], [boxes((1, 0, 20, 0.9))])
    student = Views.of([boxes(easy, hard)], [boxes(easy, (53, 50, 10, 0.5))])
    assert consistency(student).value < 1
    assert consistency_gain(teacher, student).value > 0


def test_the_start_is_compared_with_the_teacher_too():
    """All models have a value, and the start a gain over the teacher as the student has."""
    frames = [KnownFrame("v", i, Boxes.empty()) for i in range(30)]
    exact, rough = [boxes((0, 0, 20, 1))] * 30, [boxes((3, 0, 20, 1))] * 30
    views = {
        "teacher": Views.of(exact, rough),
        "start": Views.of(exact, exact),
        "student": Views.of(exact, exact),
    }
    found = mirror_consistency(frames, views, SCORING)
    assert (found.frames, found.student["teacher"].objects) == (30, 30)
    assert found.models["start"].value == 1
    assert found.student["teacher"].gain.low > 0
    assert found.student["start"].gain.value == 0
    assert found.start.gain.value == found.student["teacher"].gain.value


def test_a_systematic_change_of_boxes_is_measured():
    """Boxes that all grow or move the same way differ; errors without a direction cancel."""
    plain = [boxes((10, 10, 20, 1))] * 2
    grown = [boxes((8, 8, 24, 1))] * 2
    moved = [boxes((12, 10, 20, 1))] * 2
    shaken = [boxes((12, 10, 20, 1)), boxes((8, 10, 20, 1))]
    views = {k: Views.of(v, v) for k, v in (("g", grown), ("m", moved), ("s", shaken))}
    first = Views.of(plain, plain)
    assert box_shift(first, views["g"]) == pytest.approx(2 * np.log(1.2), abs=1e-6)
    assert box_shift(first, views["m"]) == pytest.approx(0.1)
    assert box_shift(first, views["s"]) == pytest.approx(0)
    assert np.isnan(box_shift(first, Views.of([boxes()] * 2, [boxes()] * 2)))
