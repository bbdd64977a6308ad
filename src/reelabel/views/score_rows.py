"""The models of all rounds in the order in which tables and figures show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from reelabel.evaluation.figures import Comparison, Measure, ModelScores, Role
from reelabel.short_names import AND
from reelabel.workspace.rounds import start_spec, student_spec

Kind = Literal["truth", "agreement"]
"""What models are scored against."""
HEADINGS: Mapping[Kind, Mapping[Measure, str]] = {
    "truth": {
        "ap": "AP",
        "ap50": "AP50",
        "ap75": "AP75",
        "ar": "AR",
        "precision": "P",
        "recall": "R",
        "f1": "F1",
    },
    "agreement": {
        "ap": "agreement",
        "ap50": "at .50",
        "ap75": "at .75",
        "ar": "found",
        "precision": "P",
        "recall": "R",
        "f1": "F1",
    },
}
"""Measure -> column heading; scores against pseudo-labels are never called AP."""
MEANINGS: Mapping[Kind, str] = {
    "truth": "P: precision, R: recall, F1: both in one, of boxes from the working threshold on.",
    "agreement": "at .50, .75: at that IoU alone. found: labels that a box finds. P: boxes that "
    "are labels, R: labels kept, F1: both in one, from the working threshold on.",
}
"""What headings stand for, below the table."""


@dataclass(frozen=True)
class ModelRow:
    """One model that was scored.

    Attributes:
        role: what it was in its round.
        name: for people.
        spec: how it is named as a detector; empty for the first teacher.
        scores: its scores.
    """

    role: Role
    name: str
    spec: str
    scores: ModelScores


def teacher_name(fused: Sequence[str]) -> str:
    """Return what the first teacher is called, given the labels of those that it is fused of."""
    return f"teacher ({AND.join(fused)})" if fused else "teacher"


def model_rows(scored: Mapping[int, Comparison], fused: Sequence[str] = ()) -> Iterator[ModelRow]:
    """Yield the first teacher, then the untrained start and the student of every round.

    From the second round on the teacher stands in the table already, and so does a start that is
    the same as that of the round before.

    Args:
        scored: round -> its scores on the same frames.
        fused: labels of the detectors that the first teacher is fused of, none if it is one.
    """
    before: ModelScores | None = None
    for i, number in enumerate(sorted(scored)):
        models = scored[number].models
        if i == 0:
            yield ModelRow("teacher", teacher_name(fused), "", models["teacher"])
        start = models.get("start")
        if start is not None and start != before:
            yield ModelRow("start", f"untrained start, round {number}", start_spec(number), start)
        before = start
        name = f"student, round {number}"
        yield ModelRow("student", name, student_spec(number), models["student"])
