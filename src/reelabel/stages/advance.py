"""advance  scores -> round n+1  N:1  which model is the best, and does it label another round?

With hand-drawn truth the higher AP on the same frames decides. Without, held-out labels may refuse
the student, and consistency under mirroring must favour it. The bar is the better of the teacher
and of the student's own untrained start, which may become the best model itself. Where no model is
better than the one that labelled, the loop stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.comparison import series_gain
from reelabel.evaluation.deciding import (
    BestSoFar,
    Limits,
    Outcome,
    decide_by_truth,
    decide_without_truth,
    first_student,
)
from reelabel.evaluation.figures import Comparison, Role
from reelabel.short_names import NO_DETECTOR
from reelabel.workspace import fingerprint
from reelabel.workspace.results import BestResamples, Decision, Resamples, Scores
from reelabel.workspace.rounds import model_words, start_spec, student_spec

SAME_AP = 0.0005
"""So much may the AP of one model differ that was scored twice; three decimals are printed."""


class AdvanceSettings(Settings):
    """What makes a student the next teacher."""

    renamed: ClassVar[Mapping[str, str]] = {"min_kept": "max_lost, min_labels"}

    by: Literal["auto", "truth", "labels"] = "auto"
    """What decides: hand-drawn truth, held-out labels with consistency under mirroring, or auto:
    truth if there is enough of it."""
    min_truth_boxes: int = Field(10, ge=1)
    """Truth with fewer boxes than this does not decide in `auto`."""
    min_gain_ap: float = Field(0.0, ge=-1, le=1)
    """By truth: how much higher the student's AP must be than that of the other models, 0..1."""
    max_lost: float = Field(0.15, ge=0, le=1)
    """Without truth: how much less of the held-out labels the student may keep than its untrained
    start, or than the teacher if it has none, each at its own working threshold, 0..1."""
    min_labels: int = Field(20, ge=1)
    """Without truth: fewer held-out labels than this do not count."""
    min_objects: int = Field(20, ge=1)
    """Without truth: consistency under mirroring does not count on fewer shared objects."""
    max_shift: float = Field(0.1, gt=0)
    """Without truth: if the student's boxes differ more from those of its untrained start,
    systematically and as a share of their sides, the student is not used: nothing shows which of
    the two are right."""
    keep_going: bool = False
    """Let the student label the next round even if it is not better; the best model is kept."""


@dataclass(frozen=True)
class Best:
    """The best model before this round.

    Attributes:
        name: as a detector.
        ap: its AP against hand-drawn truth, if that decided.
        is_teacher: whether it labelled this round.
        resamples: its AP in every resample of the truth, as far as it is known.
    """

    name: str
    ap: float | None = None
    is_teacher: bool = True
    resamples: BestResamples = field(default_factory=BestResamples)


AdvanceUnit = Unit[AdvanceSettings, Best]


def advance(unit: AdvanceUnit) -> Output:
    """Return this round's decision."""
    decision = _decision(unit, unit.inputs.result(Scores))
    if unit.settings.keep_going and decision.action != "advance":
        decision = replace(
            decision,
            action="advance",
            next_teacher=student_spec(unit.round_number),
            reason=f"{decision.reason}; the loop goes on because of advance.keep_going",
        )
    value = decision.to_json()
    kept = BestResamples(*_resamples(unit, decision))
    return Output(notes=value, digest=fingerprint(value), results=(decision, kept))


def _resamples(unit: AdvanceUnit, decision: Decision) -> tuple[int, tuple[float | None, ...]]:
    """Return on how many frames the best model was scored, and its AP in every resample."""
    number, before = unit.round_number, unit.resource
    roles: dict[str, Role] = {start_spec(number): "start", student_spec(number): "student"}
    if before.is_teacher:
        roles[before.name] = "teacher"
    if decision.best not in roles:
        return before.resamples.frames, before.resamples.ap
    scores, found = unit.inputs.result(Scores), unit.inputs.result(Resamples)
    truth = scores.truth if scores is not None else None
    frames = truth.frames if truth is not None else 0
    return frames, found.ap.get(roles[decision.best], ()) if found is not None else ()


def _decision(unit: AdvanceUnit, scores: Scores | None) -> Decision:
    truth = scores.truth if scores is not None else None
    by_truth = truth is not None and _truth_decides(unit.settings, truth)
    if unit.resource.name == NO_DETECTOR:
        first = first_student(truth if by_truth else None)
        return _decided(unit, first, by="truth" if by_truth else "nothing")
    if truth is not None and by_truth:
        outcome = decide_by_truth(truth, _best_so_far(unit, truth), unit.settings.min_gain_ap)
        if outcome is not None:
            return _decided(unit, outcome, by="truth")
    if scores is None or (scores.held_out is None and scores.mirror is None):
        why = "nothing to decide by: no truth, and no labelled frames were held out"
        nothing = Outcome("teacher", None, f"{why}; set split.held_out or give truth", ())
        return _decided(unit, nothing, by="nothing")
    s = unit.settings
    limits = Limits(s.max_lost, s.min_labels, s.min_objects, s.max_shift)
    outcome = decide_without_truth(scores.held_out, scores.mirror, limits)
    return _decided(unit, outcome, by="mirror")


def _best_so_far(unit: AdvanceUnit, truth: Comparison) -> BestSoFar | None:
    """Return the best model of the rounds before, None if its AP is not known."""
    before = unit.resource
    if before.ap is None:
        return None
    found = unit.inputs.result(Resamples)
    student = found.ap.get("student", ()) if found is not None else ()
    known = before.resamples.ap if before.resamples.frames == truth.frames else ()
    teacher = truth.models["teacher"].overall.ap.value
    # One that labelled this round was scored twice, as a student and as a teacher.
    is_teacher = before.is_teacher and teacher is not None and abs(teacher - before.ap) < SAME_AP
    gain = series_gain(student, known)
    return BestSoFar(before.ap, model_words(before.name), is_teacher, gain)


def _truth_decides(s: AdvanceSettings, truth: Comparison) -> bool:
    return s.by == "truth" or (s.by == "auto" and truth.boxes >= s.min_truth_boxes)


def _decided(
    unit: AdvanceUnit, outcome: Outcome, *, by: Literal["truth", "mirror", "nothing"]
) -> Decision:
    """Return the decision: another round follows if another model than before is the best."""
    number, before = unit.round_number, unit.resource
    names: dict[Role, str] = {
        "teacher": before.name,
        "start": start_spec(number),
        "student": student_spec(number),
    }
    best = names[outcome.best]
    words = model_words(best)
    stays = {"teacher": f"; {words} stays the best model", "start": f"; {words} is the best model"}
    return Decision(
        round=number,
        action="stop" if outcome.best == "teacher" else "advance",
        best=best,
        next_teacher=best,
        reason=outcome.reason + stays.get(outcome.best, ""),
        best_ap=outcome.ap if by == "truth" else _known_ap(before, outcome),
        by=by,
        findings=outcome.findings,
    )


def _known_ap(before: Best, outcome: Outcome) -> float | None:
    """Return the AP of the best model if it is the one before, whose AP may be known."""
    return before.ap if outcome.best == "teacher" else None


def _before(context: Context[AdvanceSettings]) -> Resource[Best]:
    """Return the best model of the rounds before."""
    found = context.inputs.result(Decision, previous=True)
    if found is None:
        best = Best(context.project.detector)
    else:
        kept = context.inputs.result(BestResamples, previous=True) or BestResamples()
        best = Best(found.best, found.best_ap, found.next_teacher == found.best, kept)
    values = (best.name, best.ap, best.is_teacher, best.resamples.to_json())
    return Resource(best, fingerprint(*values))


STAGE = Stage(
    name="advance",
    arrow=(__doc__ or "").splitlines()[0],
    settings=AdvanceSettings,
    run=advance,
    scope="all",
    after=("evaluate",),
    project_keys=("detector",),
    per_round=True,
    version=5,
    resource=_before,
    resource_words="the best model of the rounds before",
)
