"""The models of all rounds in the order in which tables and figures show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reelabel.evaluation.figures import Comparison, ModelScores, Role
from reelabel.workspace.rounds import start_spec, student_spec


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


def model_rows(scored: Mapping[int, Comparison]) -> Iterator[ModelRow]:
    """Yield the first teacher, then the untrained start and the student of every round.

    From the second round on the teacher stands in the table already, and so does a start that is
    the same as that of the round before.

    Args:
        scored: round -> its scores on the same frames.
    """
    before: ModelScores | None = None
    for i, number in enumerate(sorted(scored)):
        models = scored[number].models
        if i == 0:
            yield ModelRow("teacher", "teacher", "", models["teacher"])
        start = models.get("start")
        if start is not None and start != before:
            yield ModelRow("start", f"untrained start, round {number}", start_spec(number), start)
        before = start
        name = f"student, round {number}"
        yield ModelRow("student", name, student_spec(number), models["student"])
