"""Scores of classifiers as figures that can be written as JSON: what is not defined is None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from reelabel.errors import UsageError, nearest
from reelabel.evaluation.classes.calibration import N_BINS, Reliability
from reelabel.evaluation.classes.levels import Level
from reelabel.evaluation.figures import Figure

ClassMeasure = Literal["precision", "recall", "f1", "f_beta", "ap"]
"""A metric of one class; "ap" of multi-label classes alone."""

OverallMeasure = Literal[
    "top1",
    "top_k",
    "precision",
    "recall",
    "f1",
    "f_beta",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "macro_f_beta",
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "micro_f_beta",
    "map",
    "brier",
    "ece",
]
"""A metric of all classes together. "precision" to "f_beta" are those of the positive class of a
binary question; "top1" and "top_k" are of exclusive classes, "micro_..." and "map" of multi-label
ones. "macro_recall" is also called balanced accuracy."""
OVERALL_MEASURES: tuple[OverallMeasure, ...] = get_args(OverallMeasure)
LOWER_IS_BETTER: frozenset[OverallMeasure] = frozenset({"brier", "ece"})


@dataclass(frozen=True)
class ScoreSettings:
    """How classifiers are scored.

    Attributes:
        classes: class names in the order of the columns.
        exclusive: whether each moment has one class; otherwise any number of them (multi-label).
        positive: the class that is asked for, if two exclusive classes are a binary question.
        threshold: multi-label classes of this probability, or a higher one, are predicted, 0..1.
        beta: how much more recall counts than precision in F-beta, above 0.
        top_k: how many classes may be named in top-k accuracy.
        n_bins: how many bins of equal mass calibration is measured in.
        n_resamples: how many resamples of the groups the intervals rest on; 0: no intervals.
        seed: of the draw; models that are compared need the same.

    Raises:
        UsageError: if a name comes twice, or the positive class is none of two exclusive classes.
    """

    classes: tuple[str, ...]
    exclusive: bool = True
    positive: str | None = None
    threshold: float = 0.5
    beta: float = 2.0
    top_k: int = 5
    n_bins: int = N_BINS
    n_resamples: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise UsageError(f"expected different class names, but got {self.classes}: rename one")
        if not self.beta > 0:
            raise UsageError(f"expected beta above 0, but got {self.beta}: 1 is F1, 2 is F2")
        if self.positive is None:
            return
        if self.positive not in self.classes:
            hint = nearest(self.positive, self.classes)
            raise UsageError(
                f"expected a positive class of {self.classes}, but got {self.positive!r}{hint}"
            )
        if not self.exclusive or len(self.classes) != 2:  # noqa: PLR2004 -- a binary question
            raise UsageError(
                "expected two exclusive classes, of which one is positive, but got "
                f"{len(self.classes)} {'exclusive' if self.exclusive else 'multi-label'} classes: "
                "leave the positive class out"
            )


@dataclass(frozen=True)
class ClassFigures:
    """The scores of one class; None where it is neither true nor predicted.

    Attributes:
        true: in how many moments it is true.
        predicted: in how many it is predicted.
        groups: in how many groups it is true; intervals need two.
        precision: true positives among the predicted.
        recall: true positives among the true.
        f1: harmonic mean of the two.
        f_beta: the same, in which recall counts ``beta`` times as much.
        ap: average precision; of multi-label classes alone, None for exclusive ones.
    """

    true: int
    predicted: int
    groups: int
    precision: Figure
    recall: Figure
    f1: Figure
    f_beta: Figure
    ap: Figure | None = None


@dataclass(frozen=True)
class ClassScores:
    """The scores of one model on frames, on clips or on videos.

    Attributes:
        level: what was scored.
        exclusive: whether each moment has one class.
        moments: of how many frames, clips or videos the truth is known; the sample size.
        groups: how many groups they belong to, over which intervals are drawn.
        top_k: how many classes top-k accuracy allows; at most as many as there are, in which case
            it would always be 1 and is left out.
        threshold: from which probability on multi-label classes are predicted.
        beta: of F-beta.
        positive: the positive class of a binary question.
        overall: metric -> figure; only those that the kind of classes has.
        classes: class name -> its scores.
        confusion: how often each true class, a row, got each predicted one, a column, in the order
            of `classes`; empty for multi-label classes.
        ece_raw: the expected calibration error as it is usually given. Chance alone makes it
            greater than 0; "ece" in `overall` is without that part.
        ece_noise: the part that chance gives; None with fewer than two groups, and so is "ece".
        reliability: the curve behind it.
    """

    level: Level
    exclusive: bool
    moments: int
    groups: int
    top_k: int
    threshold: float
    beta: float
    positive: str | None = None
    overall: dict[OverallMeasure, Figure] = field(default_factory=dict)
    classes: dict[str, ClassFigures] = field(default_factory=dict)
    confusion: tuple[tuple[int, ...], ...] = ()
    ece_raw: float | None = None
    ece_noise: float | None = None
    reliability: Reliability = field(default_factory=Reliability)
