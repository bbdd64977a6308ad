"""The scores of classifiers in the order in which tables show them, and what columns are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from reelabel.errors import counted, few
from reelabel.evaluation.classes.compare import ClassComparison
from reelabel.evaluation.classes.figures import ClassScores, OverallMeasure
from reelabel.evaluation.classes.levels import Level
from reelabel.evaluation.figures import Figure
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassificationScores, TagQuality
from reelabel.workspace.rounds import student_spec

Kind = Literal["truth", "truth_unseen", "agreement"]

TITLES: dict[Kind, str] = {
    "truth": "Truth",
    "truth_unseen": "Truth, unseen videos",
    "agreement": "Agreement with held-out labels (not accuracy)",
}
"""What models are scored against; what is measured on labels is never called accuracy."""
AGAINST: dict[Kind, str] = {
    "truth": "truth",
    "truth_unseen": "truth, unseen videos",
    "agreement": "held-out labels (agreement, not accuracy)",
}
"""The same behind the word "against"."""
GIVEN: dict[Kind, str] = {"truth": "Truth", "truth_unseen": "Truth", "agreement": "Held-out labels"}
"""What the classes are called that predicted ones are compared with."""
ABOUT: dict[Kind, str] = {
    "truth": "classes that people gave, never trained on",
    "truth_unseen": "of these, videos of which nothing was trained on",
    "agreement": "labels of videos that were kept out of training",
}
WITH_TRAINED = (
    "Truth, trained videos too",
    "classes that people gave; some of the videos were trained on with the labels of their tags",
)
"""Title and explanation of truth that is not of unseen videos alone."""
NOUNS: dict[Level, tuple[str, str]] = {
    "frame": ("frame", "frames"),
    "clip": ("clip", "clips"),
    "video": ("whole video", "whole videos"),
}
HEADINGS: dict[OverallMeasure, str] = {
    "top1": "accuracy",
    "map": "mean AP",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "ece": "ECE",
}
EXCLUSIVE: tuple[OverallMeasure, ...] = ("top1", "macro_recall", "macro_f1", "ece")
SEVERAL: tuple[OverallMeasure, ...] = ("map", "macro_recall", "macro_f1", "ece")


@dataclass(frozen=True)
class ClassScoreRow:
    """One model that was scored.

    Attributes:
        name: for people.
        spec: how it is named as a classifier; empty for the first teacher.
        scores: its scores.
    """

    name: str
    spec: str
    scores: ClassScores


@dataclass(frozen=True)
class ClassScoreTable:
    """The models of all rounds on frames, clips or videos.

    Attributes:
        kind: what they were scored against.
        level: what was scored.
        moments: how many frames, clips or videos in the last round.
        groups: how many groups these belong to, over which intervals are drawn.
        rows: the first teacher, then the student of each round.
        with_trained: whether videos are among them that were trained on.
    """

    kind: Kind
    level: Level
    moments: int
    groups: int
    rows: tuple[ClassScoreRow, ...]
    with_trained: bool = False

    @property
    def title(self) -> str:
        """What models were scored against."""
        return WITH_TRAINED[0] if self.with_trained else TITLES[self.kind]

    @property
    def about(self) -> str:
        """The same in a sentence, without its capital."""
        return WITH_TRAINED[1] if self.with_trained else ABOUT[self.kind]

    @property
    def sample(self) -> str:
        """What was scored, in words."""
        group = "group" if self.groups == 1 else "groups"
        return f"{self.moments} {NOUNS[self.level][self.moments != 1]} in {self.groups} {group}"

    @property
    def columns(self) -> dict[OverallMeasure, str]:
        """Measure -> heading, of those that the kind of classes has."""
        found = columns_of(all(row.scores.exclusive for row in self.rows))
        if self.kind == "agreement" and "top1" in found:
            found["top1"] = "agreement"
        return found


def columns_of(exclusive: bool) -> dict[OverallMeasure, str]:
    """Return measure -> heading, of those that a kind of classes has."""
    return {name: HEADINGS[name] for name in (EXCLUSIVE if exclusive else SEVERAL)}


def score_tables(scored: Mapping[int, ClassificationScores]) -> Iterator[ClassScoreTable]:
    """Yield a table for each thing that models were scored against, and each level.

    Args:
        scored: round -> its scores.
    """
    for kind in TITLES:
        by_level: dict[Level, dict[int, ClassComparison]] = {}
        for number in sorted(scored):
            for level, one in getattr(scored[number], kind).items():
                by_level.setdefault(level, {})[number] = one
        for level, compared in by_level.items():
            last = compared[max(compared)]
            if kind == "truth_unseen" and last == scored[max(compared)].truth.get(level):
                continue  # all videos are unseen: the table would stand there twice
            rows = tuple(_rows(compared))
            unseen = scored[max(compared)].truth_unseen.get(level)
            seen = kind == "truth" and last != unseen
            yield ClassScoreTable(kind, level, last.moments, last.groups, rows, seen)


def _rows(compared: Mapping[int, ClassComparison]) -> Iterator[ClassScoreRow]:
    """Yield the first teacher, then each round's student; later teachers stand there already."""
    last = compared[max(compared)].moments
    for i, number in enumerate(sorted(compared)):
        one = compared[number]
        # Held-out labels may be others in every round.
        note = "" if one.moments == last else f", {one.moments} {NOUNS[one.level][1]}"
        models = {model.name: model.scores for model in one.models}
        if i == 0 and "teacher" in models:
            yield ClassScoreRow(f"teacher{note}", "", models["teacher"])
        if "student" in models:
            name = f"student, round {number}{note}"
            yield ClassScoreRow(name, student_spec(number), models["student"])


def _only_right(scores: ClassificationScores) -> set[str]:
    """Return the classes of several that truth never states not to be right."""
    return {
        name
        for one in (scores.truth_unseen or scores.truth).values()
        for model in one.models
        for name, figures in model.scores.classes.items()
        if figures and figures.true and not model.scores.exclusive and not _has_value(figures.ap)
    }


def _has_value(figure: Figure | None) -> bool:
    return figure is not None and figure.value is not None


def class_warnings(workspace: Workspace, number: int) -> list[str]:
    """Return what a reader of a round's labels and scores should know about them."""
    tags = TagQuality.load(workspace.round_dir(number)) or TagQuality()
    found = [f"Tags cannot be judged: {reason}" for reason in tags.reasons]
    scores = ClassificationScores.load(workspace.round_dir(number))
    if scores is None:
        return found
    found += [
        f"{name} looks like {other}, which was trained on: its scores are not of unseen footage"
        for name, other in scores.alike.items()
    ]
    if only := sorted(_only_right(scores)):
        found.append(
            f"There is no average precision of {few(only)}: truth states no moment in which they "
            "are not right. What a row does not name is unknown: add the class 'none', the claim "
            "is_not, or columns class:NAME with 0"
        )
    if scores.left_out:
        missing = counted(len(scores.left_out), "annotated video")
        found.append(f"{missing} could not be scored: {few(scores.left_out)}")
    return found
