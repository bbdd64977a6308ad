"""Which model labels next: every branch of the decision, from scores to a decision."""

from __future__ import annotations

import pytest

from reelabel.config import Project
from reelabel.engine.plan import bind, plan
from reelabel.engine.work import do
from reelabel.evaluation.figures import Comparison, Figure, Measures, ModelScores
from reelabel.evaluation.without_truth import (
    HeldOutLabels,
    KeptLabels,
    MirrorConsistency,
    SharedGain,
)
from reelabel.stages.advance import STAGE
from reelabel.workspace import Workspace
from reelabel.workspace.results import Decision, Resamples, Scores
from reelabel.workspace.rounds import best_model, teacher_spec

PROJECT = Project(classes=("ball",), detector="motion")


@pytest.fixture
def decide(tmp_path):
    """Return a function from scores and settings to the decision that is written."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    workspace = Workspace.open(tmp_path)

    def run(scores, number=0, *, resamples=None, project=PROJECT, **settings):
        folder = workspace.round_dir(number)
        Scores(number, 0.5, **scores).save(folder)
        Resamples(resamples or {}).save(folder)
        bound = bind(STAGE, workspace, project, STAGE.settings(**settings), round_number=number)
        (planned,) = plan(bound)
        notes = do(bound, planned.job, lambda *_: None)
        written = Decision.load(folder)
        assert notes == written.to_json()
        return written

    run.workspace = workspace
    return run


def scored(ap):
    """Return scores with this AP; nothing else is known."""
    none = Figure(None)
    return ModelScores(Measures(Figure(ap), none, none, none, none, none, none))


def truth(teacher, student, *, start=None, boxes=50):
    """Return scores against truth."""
    models = {"teacher": scored(teacher), "student": scored(student)}
    models |= {"start": scored(start)} if start is not None else {}
    return {"truth": Comparison(20, boxes, models)}


def labels(gain):
    """Return scores of held-out frames: all labels kept, and a gain in consistency."""
    kept = KeptLabels(0.5, Figure(1.0), Figure(None))
    models = {"teacher": kept, "student": kept}
    values = {"teacher": Figure(0.9), "student": Figure(0.9)}
    mirror = MirrorConsistency(100, values, {"teacher": SharedGain(Figure(gain), 50)})
    return {"held_out": HeldOutLabels(9, 40, 0, models, {"teacher": Figure(0.0)}), "mirror": mirror}


def test_a_better_student_teaches_next(decide):
    """By truth: a higher AP on the same frames is enough."""
    decision = decide(truth(0.4, 0.5))
    assert decision.action == "advance"
    assert decision.best == decision.next_teacher == "round:0"
    assert decision.best_ap == 0.5
    assert "AP 0.500 on 20 frames against 0.400 of the teacher" in decision.reason
    assert decision.by == "truth"


def test_a_student_that_is_not_better_is_not_used(decide):
    """By truth: an equal AP is not better, and the teacher stays the best model."""
    decision = decide(truth(0.4, 0.4))
    assert decision.action == "stop"
    assert decision.best == decision.next_teacher == "motion"
    assert decision.best_ap == 0.4
    assert "motion stays the best model" in decision.reason


@pytest.mark.parametrize(
    ("scores", "ap", "by"), [({}, None, "nothing"), (truth(0.0, 0.2), 0.2, "truth")]
)
def test_the_first_student_is_the_best_where_there_was_no_detector(decide, scores, ap, by):
    """Nothing labelled before it; its AP is kept for the next round, if there is truth."""
    none = Project(classes=("ball",), detector="none")
    decision = decide(scores, project=none)
    assert (decision.action, decision.best) == ("advance", "round:0")
    assert (decision.best_ap, decision.by) == (ap, by)
    worse = decide(truth(0.2, 0.1), number=1, project=none)
    assert (worse.action, worse.best) == ("stop", "round:0")


def test_the_gain_that_is_asked_for_must_be_reached(decide):
    """`min_gain_ap` moves the bar in both directions."""
    assert decide(truth(0.4, 0.45), min_gain_ap=0.1).action == "stop"
    assert decide(truth(0.4, 0.35), min_gain_ap=-0.1).action == "advance"


def test_an_untrained_start_that_is_better_than_both_labels_next(decide):
    """A larger input may be worth more than the training: then the start is the best model."""
    decision = decide(truth(0.4, 0.5, start=0.6))
    assert decision.action == "advance"
    assert decision.best == decision.next_teacher == "start:0"
    assert decision.best_ap == 0.6
    assert "0.600 of its untrained start" in decision.reason
    assert teacher_spec(decide.workspace, PROJECT.detector, 1) == "start:0"
    again = decide(truth(0.6, 0.55, start=0.6), number=1)
    assert (again.action, again.best) == ("stop", "start:0")


def test_the_best_model_so_far_is_what_a_student_must_beat(decide):
    """A second student worse than the first rolls back to it, whatever its own teacher scored."""
    decide(truth(0.4, 0.6))
    decision = decide(truth(0.3, 0.5), number=1)
    assert decision.action == "stop"
    assert decision.best == decision.next_teacher == "round:0"
    assert decision.best_ap == 0.6
    assert "against 0.600 of the student of round 0, the best model so far" in decision.reason
    assert "; the student of round 0 stays the best model" in decision.reason
    assert best_model(decide.workspace, PROJECT.detector) == "round:0"
    assert decide(truth(0.3, 0.7), number=1).best == "round:1"
    assert best_model(decide.workspace, PROJECT.detector) == "round:1"


def test_the_interval_is_that_of_the_best_model(decide):
    """Its AP in every resample is kept, so that students of later rounds are paired with it."""
    series = {"teacher": (0.4, 0.4), "student": (0.55, 0.65)}
    decide(truth(0.4, 0.6), resamples=series)
    series = {"teacher": (0.5, 0.7), "student": (0.5, 0.5)}
    decision = decide(truth(0.6, 0.5), number=1, resamples=series, keep_going=True)
    assert "0.600 of the student of round 0, the best model so far" in decision.reason
    series = {"teacher": (0.5, 0.5), "student": (0.45, 0.66)}
    decision = decide(truth(0.5, 0.55), number=2, resamples=series)
    best = decision.findings[-1]
    assert (best.title, best.student, best.other) == (
        "AP, against the best model so far",
        0.55,
        0.6,
    )
    assert best.gain.value == pytest.approx(0.55 - 0.6)
    assert "-0.050 to -0.040 against the student of round 0" in decision.reason
    assert "against the teacher" not in decision.reason


def test_resamples_of_other_frames_are_not_paired(decide):
    """Where the truth has changed, or none were drawn, the figure stands without an interval."""
    decide(truth(0.4, 0.6), resamples={"student": (0.55, 0.65)})
    decide(truth(0.6, 0.5), number=1, resamples={}, keep_going=True)
    series = {"teacher": (0.5, 0.5), "student": (0.45, 0.66)}
    decision = decide(truth(0.5, 0.55), number=2, resamples=series)
    assert decision.findings[-1].gain == Figure(-0.05)
    assert "difference" not in decision.reason


def test_too_little_truth_decides_nothing(decide):
    """With fewer boxes than asked for the held-out frames decide, unless truth must."""
    scores = truth(0.4, 0.3, boxes=9) | labels(0.02)
    assert decide(scores).action == "advance"
    assert decide(scores, min_truth_boxes=9).action == "stop"
    assert decide(scores, by="truth").action == "stop"


def test_labels_may_be_asked_to_decide(decide):
    """With `by: labels` truth does not count."""
    decision = decide(truth(0.4, 0.3) | labels(0.02), by="labels")
    assert (decision.action, decision.by) == ("advance", "mirror")
    assert decision.best_ap is None
    assert "40 held-out labels" in decision.reason


@pytest.mark.parametrize(("gain", "action"), [(0.01, "advance"), (-0.03, "stop")])
def test_without_truth_consistency_under_mirroring_must_agree(decide, gain, action):
    """Kept labels alone do not make a student the next teacher."""
    decision = decide(labels(gain))
    assert decision.action == action
    assert decision.next_teacher == ("round:0" if action == "advance" else "motion")
    assert decision.findings[-1].gain.value == gain


def test_the_limits_can_be_set(decide):
    """More labels or objects may be required."""
    assert decide(labels(0.01), min_objects=51).action == "stop"
    assert "41 are needed" in decide(labels(0.01), min_labels=41).reason


def test_without_anything_to_judge_by_the_loop_stops(decide):
    """No truth and no held-out labels: nobody can say that the student is better."""
    decision = decide({})
    assert decision.action == "stop"
    assert "split.held_out" in decision.reason


def test_truth_without_figures_leaves_it_to_the_labels(decide):
    """An AP that is not defined decides nothing."""
    assert decide(truth(None, None) | labels(0.02)).action == "advance"


def test_the_loop_may_go_on_all_the_same(decide):
    """With `keep_going` the student teaches, but the best model stays the best."""
    decision = decide(truth(0.4, 0.3), keep_going=True)
    assert decision.action == "advance"
    assert decision.next_teacher == "round:0"
    assert decision.best == "motion"
    assert "keep_going" in decision.reason
    assert teacher_spec(decide.workspace, PROJECT.detector, 1) == "round:0"
    assert best_model(decide.workspace, PROJECT.detector) == "motion"


def test_rounds_behind_a_stop_do_not_count(decide):
    """What an earlier run left behind the round that now says stop is not the best model."""
    decide(truth(0.4, 0.5))
    decide(truth(0.5, 0.6), number=1)
    decide(truth(0.4, 0.3))
    assert best_model(decide.workspace, PROJECT.detector) == "motion"
