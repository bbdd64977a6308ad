"""advance  scores -> round n+1  N:1  better? the student teaches next. Not better? stop, say why.

With hand-drawn truth the higher AP on the same frames decides. Without truth no figure can tell
which model is right, so the student only has to prove that it kept what its teacher was sure of: on
frames that it was not trained on it must find the labels again, tightly. A student that fails
either test is not used: the loop rolls back to the best model so far.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.workspace import fingerprint
from reelabel.workspace.results import DECISION, SCORES, JsonResult

Row = dict[str, Any]


class AdvanceSettings(Settings):
    """When a student may teach."""

    by: Literal["auto", "truth", "labels"] = "auto"
    """What decides: hand-drawn truth, the labels of held-out frames, or auto: truth if there is
    enough of it."""
    min_truth_boxes: int = Field(10, ge=1)
    """Truth with fewer boxes than this decides nothing in `auto`."""
    min_gain_ap: float = Field(0.0, ge=-1, le=1)
    """By truth: how much better the student's AP must be, 0..1."""
    min_kept: float = Field(0.8, ge=0, le=1)
    """By labels: share of the labels of held-out frames that the student must find again at
    IoU 0.75."""
    keep_going: bool = False
    """Let the student teach even if it is not better; the best model so far stays the best."""


AdvanceUnit = Unit[AdvanceSettings, Row]


def advance(unit: AdvanceUnit) -> Output:
    """Return this round's decision."""
    scores = unit.inputs.result(SCORES) or {}
    before = unit.resource
    judged = _by_truth(unit, scores, before) if _truth_decides(unit, scores) else None
    decision = judged or _by_labels(unit, scores, before)
    if unit.settings.keep_going and decision["action"] != "advance":
        decision |= {
            "action": "advance",
            "next_teacher": f"round:{unit.round_number}",
            "reason": f"{decision['reason']}; going on all the same, as advance.keep_going says",
        }
    result = JsonResult(DECISION.file, decision)
    return Output(notes=decision, digest=fingerprint(decision), results=(result,))


def _before(context: Context[AdvanceSettings]) -> Resource[Row]:
    """Return what the round before left as the best model."""
    first: Row = {"best": context.project.detector, "best_ap": None}
    found = context.inputs.result(DECISION, previous=True) or first
    return Resource(found, fingerprint(found))


def _truth_decides(unit: AdvanceUnit, scores: Row) -> bool:
    s = unit.settings
    if s.by == "labels" or "truth" not in scores:
        return False
    return s.by == "truth" or scores["truth"]["boxes"] >= s.min_truth_boxes


def _by_truth(unit: AdvanceUnit, scores: Row, before: Row) -> Row | None:
    """Compare the student with the best model so far on the same annotated frames."""
    truth = scores["truth"]
    student = truth["student"]["all"]["ap"]["value"]
    best = before["best_ap"]
    if best is None:
        best = truth["teacher"]["all"]["ap"]["value"]
    if student is None or best is None:
        return None
    gain = student - best
    words = f"AP {student:.3f} against {best:.3f} of {before['best']} on {truth['frames']} frames"
    certain = _certainty(truth) if before["best_ap"] is None else ""
    if gain > unit.settings.min_gain_ap:
        return _accepted(unit, f"the student is better: {words}{certain}") | {"best_ap": student}
    return _refused(unit, before, f"the student is not better: {words}{certain}") | {
        "best_ap": best
    }


def _certainty(truth: Row) -> str:
    """Say whether the difference could be chance."""
    gain = truth.get("gain_ap")
    if not gain:
        return ""
    low, high = gain["low"], gain["high"]
    sure = "" if low > 0 or high < 0 else ": it covers 0, so this may be chance"
    return f" (difference {low:+.3f} to {high:+.3f}{sure})"


def _by_labels(unit: AdvanceUnit, scores: Row, before: Row) -> Row:
    """Ask whether the student kept what the labels are sure of."""
    held = scores.get("agreement")
    if held is None or held["kept75"] is None:
        why = "nothing to judge by: no truth, and no labelled frames were held out"
        return _refused(unit, before, f"{why}; set split.held_out or give truth")
    kept, least = held["kept75"], unit.settings.min_kept
    words = f"it found {kept:.0%} of the labels of {held['frames']} held-out frames at IoU 0.75"
    if kept >= least:
        return _accepted(unit, f"the student kept what its labels are sure of: {words}")
    return _refused(
        unit,
        before,
        f"the student lost what its labels are sure of: {words}, less than {least:.0%}",
    )


def _accepted(unit: AdvanceUnit, reason: str) -> Row:
    name = f"round:{unit.round_number}"
    return {
        "round": unit.round_number,
        "action": "advance",
        "best": name,
        "best_ap": None,
        "next_teacher": name,
        "reason": reason,
    }


def _refused(unit: AdvanceUnit, before: Row, reason: str) -> Row:
    return {
        "round": unit.round_number,
        "action": "stop",
        "best": before["best"],
        "best_ap": before["best_ap"],
        "next_teacher": before["best"],
        "reason": f"{reason}; {before['best']} stays the best model",
    }


STAGE = Stage(
    name="advance",
    arrow=(__doc__ or "").splitlines()[0],
    settings=AdvanceSettings,
    run=advance,
    scope="all",
    after=("evaluate",),
    project_keys=("detector",),
    per_round=True,
    resource=_before,
)
