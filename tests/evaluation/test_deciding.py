"""When a student is better than its teacher and than its untrained start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reelabel.evaluation.deciding import BestSoFar, Limits, decide_by_truth, decide_without_truth
from reelabel.evaluation.figures import Comparison, Figure, Gain, Measures, ModelScores
from reelabel.evaluation.without_truth import (
    HeldOutLabels,
    KeptLabels,
    MirrorConsistency,
    SharedGain,
)

LIMITS = Limits(max_lost=0.15, min_labels=20, min_objects=20)
NONE = Figure(None)


def truth(gain=None, **ap):
    """Return scores of models against truth."""
    models = {
        role: ModelScores(Measures(Figure(value), NONE, NONE, NONE, NONE, NONE, NONE))
        for role, value in ap.items()
    }
    return Comparison(20, 50, models, {"teacher": gain} if gain else {})


def held_out(labels=40, **kept):
    """Return the shares of labels that models keep."""
    models = {role: KeptLabels(0.5, Figure(share), NONE) for role, share in kept.items()}
    lost = {r: Figure(share - kept["student"]) for r, share in kept.items() if r != "student"}
    return HeldOutLabels(30, labels, 0, models, lost)


def mirror(objects=50, better_start=None, **gains):
    """Return how much more consistent the student is than other models."""
    shared = {r: SharedGain(Figure(g, g - 0.01, g + 0.01), objects) for r, g in gains.items()}
    models = dict.fromkeys((*shared, "student"), Figure(0.9))
    start = better_start and SharedGain(better_start, objects)
    return MirrorConsistency(100, models, shared, start)


@pytest.mark.parametrize(
    ("start", "student", "best"),
    [(None, 0.5, "student"), (0.45, 0.5, "student"), (0.55, 0.5, "start"), (0.3, 0.4, "teacher")],
)
def test_by_truth_the_highest_ap_wins(start, student, best):
    """The bar is the better of the teacher and of the student's own untrained start."""
    given = {"start": start} if start is not None else {}
    outcome = decide_by_truth(truth(teacher=0.4, student=student, **given))
    assert outcome.best == best
    assert outcome.ap == max(0.4, student, start or 0)
    assert len(outcome.findings) == 1 + len(given)


@pytest.mark.parametrize(("same_input", "best"), [(False, "student"), (True, "teacher")])
def test_only_a_teacher_with_another_input_leaves_some_tolerance(same_input, best):
    """Between rounds both process pictures of one size, so less consistent is worse."""
    found = replace(mirror(teacher=-0.01), same_input=same_input)
    assert decide_without_truth(None, found, LIMITS).best == best


@pytest.mark.parametrize(("low", "student_stays"), [(-0.01, False), (0.005, True)])
@pytest.mark.parametrize(("bar", "other"), [("start", "teacher"), ("teacher", "start")])
def test_by_truth_training_must_add_something_beyond_chance(low, student_stays, bar, other):
    """A student that beats the better of teacher and start by chance alone is not kept."""
    scores = truth(student=0.52, **{bar: 0.5, other: 0.4})
    scores = replace(scores, gains={bar: Gain(0.02, low, 0.05, 0.9)})
    outcome = decide_by_truth(scores)
    assert outcome.best == ("student" if student_stays else bar)
    assert ("nothing beyond chance" in outcome.reason) == (not student_stays)


def test_without_an_untrained_start_the_higher_ap_is_enough():
    """A student from random weights is nothing that the teacher is already."""
    outcome = decide_by_truth(truth(Gain(0.02, -0.01, 0.05, 0.9), teacher=0.4, student=0.42))
    assert outcome.best == "student"


def test_by_truth_the_best_model_so_far_is_the_bar():
    """A student better than its own teacher may be worse than the best model so far."""
    outcome = decide_by_truth(truth(teacher=0.3, student=0.5), BestSoFar(0.6))
    assert (outcome.best, outcome.ap) == ("teacher", 0.6)
    assert "0.600 of the best model so far" in outcome.reason


def test_a_later_round_that_adds_nothing_is_not_called_a_useless_training():
    """The reason names the round before, and that only this round is within chance of it."""
    scores = truth(Gain(0.02, -0.01, 0.05, 0.9), teacher=0.78, start=0.7, student=0.8)
    best = BestSoFar(0.78, "the student of round 0", is_teacher=True)
    reason = decide_by_truth(scores, best).reason
    assert reason.startswith("another round adds nothing beyond chance: AP 0.800")
    assert "against the student of round 0, which may be chance" in reason
    without_start = truth(Gain(0.02, -0.01, 0.05, 0.9), teacher=0.78, student=0.8)
    assert decide_by_truth(without_start, best).best == "teacher"


def test_each_interval_stands_beside_its_own_figure():
    """Against a best model that did not label the round, the teacher's interval is left out."""
    scores = truth(Gain(0.2, 0.1, 0.3, 1), teacher=0.3, student=0.5)
    best = BestSoFar(0.6, gain=Gain(-0.1, -0.15, -0.05, 0))
    outcome = decide_by_truth(scores, best)
    assert "(difference -0.150 to -0.050 against the best model so far)" in outcome.reason
    assert [(one.against, one.other, one.gain.value) for one in outcome.findings] == [
        ("teacher", 0.3, 0.2),
        ("best", 0.6, -0.1),
    ]
    assert "difference" not in decide_by_truth(scores, BestSoFar(0.6)).reason
    same = decide_by_truth(scores, BestSoFar(0.3, "the student of round 0", is_teacher=True))
    assert "0.300 of the student of round 0, the best model so far" in same.reason
    assert "+0.100 to +0.300 against the student of round 0" in same.reason
    assert [one.against for one in same.findings] == ["teacher"]


def test_a_difference_is_that_of_the_figures_beside_it():
    """Where both figures of a comparison stand, student minus other is the difference."""
    by_truth = decide_by_truth(truth(Gain(0.19, 0.1, 0.3, 1), teacher=0.3, student=0.5)).findings
    by_mirror = decide_without_truth(None, mirror(teacher=-0.03), LIMITS).findings
    assert [one.gain for one in by_truth] == [Figure(0.2, 0.1, 0.3)]
    assert [(one.student, one.other) for one in by_mirror] == [(None, None)] * len(by_mirror)
    assert by_mirror


def test_a_difference_that_may_be_chance_is_said_so():
    """The interval of the difference stands in the reason, with a word if it covers 0."""
    clear = decide_by_truth(truth(Gain(0.1, 0.01, 0.2, 1), teacher=0.4, student=0.5))
    assert "+0.010 to +0.200 against the teacher" in clear.reason
    assert "chance" not in clear.reason
    unclear = decide_by_truth(truth(Gain(0.1, -0.1, 0.2, 1), teacher=0.4, student=0.5))
    assert "against the teacher, which may be chance)" in unclear.reason


def test_an_ap_that_is_not_defined_decides_nothing():
    """Then another basis has to be found."""
    assert decide_by_truth(truth(teacher=None, student=0.4)) is None


def test_without_truth_the_mirror_lets_a_student_on():
    """Labels of the teacher leave it undecided; both models must be less consistent."""
    labels = held_out(teacher=1.0, start=0.9, student=0.95)
    assert decide_without_truth(labels, mirror(teacher=0.02, start=0.01), LIMITS).best == "student"
    for gains in ({"teacher": 0.02, "start": -0.001}, {"teacher": -0.03, "start": 0.02}):
        outcome = decide_without_truth(labels, mirror(**gains), LIMITS)
        assert outcome.best == "teacher"
        assert "not more consistent" in outcome.reason


def test_a_student_that_lost_labels_is_refused():
    """Whatever the mirror says: a student that detects less may be very consistent."""
    lost = held_out(teacher=1.0, start=0.9, student=0.7)
    outcome = decide_without_truth(lost, mirror(teacher=0.1, start=0.1), LIMITS)
    assert outcome.best == "teacher"
    assert "40 held-out labels are kept: the teacher 100%" in outcome.reason
    lost = held_out(teacher=1.0, student=0.7)
    assert "lost labels" in decide_without_truth(lost, mirror(teacher=0.1), LIMITS).reason


def test_the_start_is_the_bar_for_kept_labels():
    """The teacher made the labels and keeps all; what the start misses the student may miss."""
    labels = held_out(teacher=1.0, start=0.7, student=0.65)
    assert decide_without_truth(labels, mirror(teacher=0.1, start=0.1), LIMITS).best == "student"


def test_too_few_labels_or_objects_decide_nothing():
    """With two labels the mirror alone decides; with few objects in it nothing does."""
    few = held_out(labels=2, teacher=1.0, student=0.0)
    outcome = decide_without_truth(few, mirror(teacher=0.02), LIMITS)
    assert outcome.best == "student"
    assert "2 held-out labels, but 20 are needed" in outcome.reason
    outcome = decide_without_truth(few, mirror(objects=3, teacher=0.02), LIMITS)
    assert outcome.best == "teacher"
    assert "undecided" in outcome.reason
    assert "3 objects" in outcome.reason


def test_boxes_that_changed_systematically_leave_it_undecided():
    """A student that learnt boxes of another size is consistent, and may be wrong everywhere."""
    gain = SharedGain(Figure(0.02, 0.01, 0.03), 50, shift=0.17)
    found = MirrorConsistency(100, {"student": Figure(0.9), "start": Figure(0.9)}, {"start": gain})
    outcome = decide_without_truth(held_out(start=1.0, student=1.0), found, LIMITS)
    assert outcome.best == "teacher"
    assert "changed systematically, by 0.17 of a side" in outcome.reason


def test_models_without_a_second_view_leave_it_undecided():
    """A recorded teacher has no mirrored detections: then the student is not used."""
    outcome = decide_without_truth(held_out(teacher=1.0, student=1.0), None, LIMITS)
    assert outcome.best == "teacher"
    assert "cannot be compared" in outcome.reason


def test_the_untrained_start_can_become_the_best():
    """It must be clearly more consistent than the teacher and keep the labels."""
    labels = held_out(teacher=1.0, start=0.9, student=0.9)
    gains = {"teacher": 0.02, "start": -0.01}
    clear, unclear = Figure(0.05, 0.02, 0.08), Figure(0.05, -0.02, 0.1)
    for figure, best in ((clear, "start"), (unclear, "teacher")):
        found = mirror(better_start=figure, **gains)
        assert decide_without_truth(labels, found, LIMITS).best == best
    lost = held_out(teacher=1.0, start=0.6, student=0.9)
    found = mirror(better_start=clear, **gains)
    assert decide_without_truth(lost, found, LIMITS).best == "teacher"


def test_every_comparison_is_kept_with_its_sample():
    """Numbers and sample sizes stand in the findings, gap labels apart."""
    labels = HeldOutLabels(
        30,
        40,
        5,
        {
            "teacher": KeptLabels(0.5, Figure(1.0), Figure(0.2)),
            "student": KeptLabels(0.4, Figure(0.9), Figure(0.8)),
        },
        {"teacher": Figure(0.1, 0.05, 0.2)},
    )
    found = decide_without_truth(labels, mirror(teacher=0.02), LIMITS).findings
    assert [one.measure for one in found] == [
        "held-out labels kept",
        "gap labels kept",
        "consistency under mirroring",
    ]
    assert found[0].gain == Figure(-0.1, -0.2, -0.05)
    assert found[1].gain == Figure(0.6)
    assert [one.sample for one in found] == [
        "40 labels",
        "5 labels",
        "50 shared objects in 100 frames",
    ]
