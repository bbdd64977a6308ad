"""Who teaches next: every branch of the decision, from numbers in JSON to a decision in JSON."""

from __future__ import annotations

import json

import pytest

from reelabel.config import Project
from reelabel.engine.plan import bind, plan
from reelabel.engine.work import do
from reelabel.files import write_json
from reelabel.stages.advance import STAGE
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import best_model, teacher_spec

PROJECT = Project(classes=("ball",), detector="motion")


@pytest.fixture
def decide(tmp_path):
    """Return a function from scores and settings to the decision that is written."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    workspace = Workspace.open(tmp_path)

    def run(scores, number=0, **settings):
        folder = workspace.round_dir(number)
        write_json(folder / "scores.json", scores)
        bound = bind(STAGE, workspace, PROJECT, STAGE.settings(**settings), round_number=number)
        (planned,) = plan(bound)
        notes = do(bound, planned.job, lambda *_: None)
        written = json.loads((folder / "decision.json").read_text())
        assert notes == written
        return written

    run.workspace = workspace
    return run


def truth(teacher, student, *, boxes=50, low=None, high=None):
    """Return scores against truth."""
    found = {
        "frames": 20,
        "boxes": boxes,
        "teacher": {"all": {"ap": {"value": teacher}}},
        "student": {"all": {"ap": {"value": student}}},
    }
    if low is not None:
        found["gain_ap"] = {"difference": 0.1, "low": low, "high": high}
    return {"truth": found}


def kept(share):
    """Return scores against the labels of held-out frames."""
    return {"agreement": {"frames": 9, "kept75": share}}


def test_a_better_student_teaches_next(decide):
    """By truth: a higher AP on the same frames is enough."""
    decision = decide(truth(0.4, 0.5))
    assert decision["action"] == "advance"
    assert decision["best"] == decision["next_teacher"] == "round:0"
    assert decision["best_ap"] == 0.5
    assert "0.500 against 0.400 of motion on 20 frames" in decision["reason"]


def test_a_student_that_is_not_better_is_not_used(decide):
    """By truth: an equal AP is not better, and the teacher stays the best model."""
    decision = decide(truth(0.4, 0.4))
    assert decision["action"] == "stop"
    assert decision["best"] == decision["next_teacher"] == "motion"
    assert decision["best_ap"] == 0.4
    assert "motion stays the best model" in decision["reason"]


def test_the_gain_that_is_asked_for_must_be_reached(decide):
    """`min_gain_ap` moves the bar in both directions."""
    assert decide(truth(0.4, 0.45), min_gain_ap=0.1)["action"] == "stop"
    assert decide(truth(0.4, 0.35), min_gain_ap=-0.1)["action"] == "advance"


@pytest.mark.parametrize(("low", "high", "chance"), [(0.01, 0.2, False), (-0.1, 0.2, True)])
def test_a_difference_that_may_be_chance_is_said_so(decide, low, high, chance):
    """The interval of the difference stands in the reason, with a word if it covers 0."""
    reason = decide(truth(0.4, 0.5, low=low, high=high))["reason"]
    assert f"{low:+.3f} to {high:+.3f}" in reason
    assert ("chance" in reason) is chance


def test_the_best_model_so_far_is_what_a_student_must_beat(decide):
    """A second student worse than the first rolls back to it, whatever its own teacher scored."""
    decide(truth(0.4, 0.6))
    decision = decide(truth(0.3, 0.5), number=1)
    assert decision["action"] == "stop"
    assert decision["best"] == decision["next_teacher"] == "round:0"
    assert decision["best_ap"] == 0.6
    assert "against 0.600 of round:0" in decision["reason"]
    assert best_model(decide.workspace, PROJECT) == "round:0"
    assert decide(truth(0.3, 0.7), number=1)["best"] == "round:1"
    assert best_model(decide.workspace, PROJECT) == "round:1"


def test_too_little_truth_decides_nothing(decide):
    """With fewer boxes than asked for the labels of held-out frames decide, unless truth must."""
    scores = truth(0.4, 0.3, boxes=9) | kept(0.9)
    assert decide(scores)["action"] == "advance"
    assert decide(scores, min_truth_boxes=9)["action"] == "stop"
    assert decide(scores, by="truth")["action"] == "stop"


def test_labels_may_be_asked_to_decide(decide):
    """With `by: labels` truth is not looked at."""
    decision = decide(truth(0.4, 0.3) | kept(0.9), by="labels")
    assert decision["action"] == "advance"
    assert decision["best_ap"] is None
    assert "90%" in decision["reason"]


@pytest.mark.parametrize(("share", "action"), [(0.8, "advance"), (0.79, "stop")])
def test_a_student_must_keep_what_its_labels_are_sure_of(decide, share, action):
    """Without truth the share of labels that is found again decides."""
    decision = decide(kept(share))
    assert decision["action"] == action
    assert decision["next_teacher"] == ("round:0" if action == "advance" else "motion")


def test_without_anything_to_judge_by_the_loop_stops(decide):
    """No truth and no held-out labels: nobody can say that the student is better."""
    decision = decide({})
    assert decision["action"] == "stop"
    assert "split.held_out" in decision["reason"]


def test_truth_without_figures_leaves_it_to_the_labels(decide):
    """An AP that is not defined decides nothing."""
    assert decide(truth(None, None) | kept(0.9))["action"] == "advance"


def test_the_loop_may_go_on_all_the_same(decide):
    """With `keep_going` the student teaches, but the best model stays the best."""
    decision = decide(truth(0.4, 0.3), keep_going=True)
    assert decision["action"] == "advance"
    assert decision["next_teacher"] == "round:0"
    assert decision["best"] == "motion"
    assert "keep_going" in decision["reason"]
    assert teacher_spec(decide.workspace, PROJECT, 1) == "round:0"
    assert best_model(decide.workspace, PROJECT) == "motion"


def test_rounds_behind_a_stop_do_not_count(decide):
    """What an earlier run left behind the round that now says stop is not the best model."""
    decide(truth(0.4, 0.5))
    decide(truth(0.5, 0.6), number=1)
    decide(truth(0.4, 0.3))
    assert best_model(decide.workspace, PROJECT) == "motion"
