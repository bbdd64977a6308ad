"""Whether a classifier becomes the next teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from reelabel.errors import counted
from reelabel.evaluation.classes.compare import ClassComparison
from reelabel.evaluation.classes.figures import OverallMeasure
from reelabel.evaluation.classes.levels import Level
from reelabel.evaluation.figures import Figure

Winner = Literal["teacher", "student"]
STUDENT: Final = "student"
TEACHER: Final = "teacher"


@dataclass(frozen=True)
class ClassOutcome:
    """Which of two classifiers is the better one.

    Attributes:
        best: the better one; the student where there is no teacher.
        reason: why, in words, with numbers and sample sizes.
    """

    best: Winner
    reason: str


def decide(
    comparisons: Mapping[Level, ClassComparison],
    *,
    by_people: bool = True,
    min_gain: float = 0.0,
) -> ClassOutcome | None:
    """Return which model is better on whole videos, None if no figure tells.

    The student must be better than the teacher beyond chance: the tags or classes that both are
    compared with do not come from either of them, so that mistakes in them hit both alike.

    Args:
        comparisons: scores by level, of the student and, if the round has one, of the teacher.
        by_people: whether they are compared with people's classes, of videos that neither was
            trained on, and not with held-out labels.
        min_gain: by how much the student must be better, -1..1.
    """
    found = comparisons.get("video")
    if found is None:
        return None
    name = measure_of(found)
    figures = {model.name: model.scores.overall[name] for model in found.models}
    values = {model: figure.value for model, figure in figures.items()}
    if None in values.values():
        return None
    what = "people's classes" if by_people else "held-out labels"
    noun = "unseen video" if by_people else "video"
    sample = f"{counted(found.moments, noun)} in {counted(found.groups, 'group')} with {what}"
    word = (WORDS if by_people else AGREEMENT)[name]
    if TEACHER not in values:
        return ClassOutcome(STUDENT, f"{word} {_with_interval(figures[STUDENT])} on {sample}")
    difference = found.difference(STUDENT, name)
    better = difference.differs and (difference.gain.value or 0.0) > min_gain
    best: Winner = STUDENT if better else TEACHER
    verdict = "better than" if better else "not better beyond chance than"
    return ClassOutcome(
        best,
        f"the student is {verdict} its teacher: {word} {_shown(values[TEACHER])} -> "
        f"{_shown(values[STUDENT])}, {difference.gain.signed()}, on {sample}",
    )


WORDS: dict[OverallMeasure, str] = {"top1": "accuracy", "map": "mean AP"}
"""What the figures that decide are called."""
AGREEMENT: dict[OverallMeasure, str] = {"top1": "agreement", "map": "mean AP of agreement"}
"""The same where labels of models and tags are compared with, which may be wrong themselves."""


def measure_of(comparison: ClassComparison) -> OverallMeasure:
    """Return the figure that decides: accuracy, or mean AP where several classes may be right."""
    return "top1" if comparison.models[0].scores.exclusive else "map"


def _with_interval(figure: Figure) -> str:
    bounds = f" ({figure.low:.3f} to {figure.high:.3f})" if figure.low is not None else ""
    return f"{_shown(figure.value)}{bounds}"


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
