"""advance  scores -> decision  1:1  which classifier is the best, and does it label another round?

People's classes of videos that no compared model was trained on decide if there are enough of them,
else the labels of the videos that were held out. Another round follows only if the student is the
best model so far and there are moments without a tag that it can label: tags are not changed by it.
"""

from __future__ import annotations

from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import counted
from reelabel.evaluation.classes.deciding import ClassOutcome, decide
from reelabel.evaluation.classes.levels import Level
from reelabel.tables import MOMENTS, TAGS, VIDEOS
from reelabel.workspace import fingerprint
from reelabel.workspace.class_results import ClassificationScores
from reelabel.workspace.results import DecidedBy, Decision
from reelabel.workspace.rounds import model_words, student_spec


class ClassAdvanceSettings(Settings):
    """What makes a classifier the next teacher."""

    min_truth_videos: int = Field(10, ge=1)
    """Fewer videos with people's classes, of which nothing was trained on, do not decide."""
    min_gain: float = Field(0.0, ge=-1, le=1)
    """By how much the student must be better than its teacher, beyond chance, -1..1."""
    keep_going: bool = False
    """Let the student teach even if it is not better; the best model so far stays the best."""


AdvanceUnit = Unit[ClassAdvanceSettings, str]
"""Its resource is the name of the best model before this round; empty if there is none."""


def advance(unit: AdvanceUnit) -> Output:
    """Return this round's decision."""
    outcome, by = _outcome(unit)
    mine, before = student_spec(unit.round_number), unit.resource
    best = mine if outcome.best == "student" or not before else before
    untagged = _untagged(unit)
    again = (best == mine and untagged > 0) or unit.settings.keep_going
    decision = Decision(
        round=unit.round_number,
        action="advance" if again else "stop",
        best=best,
        next_teacher=mine if again else best,
        reason=outcome.reason + _then(unit, best, mine, untagged),
        by=by,
    )
    value = decision.to_json()
    return Output(notes=value, digest=fingerprint(value), results=(decision,))


def _outcome(unit: AdvanceUnit) -> tuple[ClassOutcome, DecidedBy]:
    """Return which model is better, and what decided."""
    scores = unit.inputs.result(ClassificationScores)
    s = unit.settings
    truth = scores.truth_unseen.get(VIDEO) if scores else None
    if scores and truth and truth.moments >= s.min_truth_videos:
        found = decide(scores.truth_unseen, min_gain=s.min_gain)
        if found:
            return found, "truth"
    found = decide(scores.agreement, by_people=False, min_gain=s.min_gain) if scores else None
    if found:
        return found, "agreement"
    why = (
        "nothing to decide by: no truth of unseen videos, and no labels held out, in which a class "
        "is right and not right; set split.held_out"
    )
    return ClassOutcome("teacher", why), "nothing"


def _untagged(unit: AdvanceUnit) -> int:
    """Return how many videos have moments but no tag."""
    footage = {video.video_id for video in unit.inputs.videos if not video.is_test}
    tagged = {video_id for video_id, rows in unit.shards(TAGS) if len(rows)}
    return len((set(unit.inputs.readable_ids(MOMENTS)) & footage) - tagged)


def _then(unit: AdvanceUnit, best: str, mine: str, untagged: int) -> str:
    if unit.settings.keep_going:
        return "; the loop goes on because of advance.keep_going"
    if best != mine:
        return f"; {model_words(best)} stays the best model"
    if not untagged:
        return "; all videos have tags, so that another round would learn from the same labels"
    return f"; it labels the {counted(untagged, 'video')} without tags next"


def _before(context: Context[ClassAdvanceSettings]) -> Resource[str]:
    """Return the best model of the rounds before."""
    found = context.inputs.result(Decision, previous=True)
    name = found.best if found else context.project.teacher
    return Resource(name, fingerprint({"name": name}))


VIDEO: Level = "video"
STAGE = Stage(
    name="advance",
    arrow=(__doc__ or "").splitlines()[0],
    settings=ClassAdvanceSettings,
    run=advance,
    scope="all",
    reads=(VIDEOS, MOMENTS),
    optional=(TAGS,),
    after=("evaluate",),
    project_keys=("teacher",),
    per_round=True,
    resource=_before,
    resource_words="the best model of the rounds before",
    version=2,
)
