"""Figures that a round reports: values with intervals, of models that are compared.

They hold no arrays and no NaN, so that they can be written as JSON: what is not defined is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Self, get_args

import numpy as np

from reelabel.evaluation.intervals import Difference
from reelabel.evaluation.scores import DetectionScores

Role = Literal["teacher", "start", "student"]
"""Which model is meant: the one that labelled, the untrained student, the trained student."""
ROLES: tuple[Role, ...] = get_args(Role)
Rival = Role | Literal["best"]
"""What a student is compared with: a model of its round, or the best model of the rounds before."""
RIVAL_NAMES: dict[Rival, str] = {
    "teacher": "teacher",
    "start": "untrained start",
    "student": "student",
    "best": "best model so far",
}

Measure = Literal["ap", "ap50", "ap75", "ar", "precision", "recall", "f1"]
"""A score of a model."""
MEASURES: tuple[Measure, ...] = get_args(Measure)

_DIGITS = 6


def number(value: float) -> float | None:
    """Return a number for JSON: rounded, None for NaN."""
    return None if np.isnan(value) else round(float(value), _DIGITS)


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval.

    Attributes:
        value: None where it is not defined.
        low: lower bound, None where no interval was drawn.
        high: upper bound, None where no interval was drawn.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float, interval: tuple[float, float] | None = None) -> Self:
        """Return the figure of a value and its interval, NaN where one is not defined."""
        low, high = interval if interval is not None else (np.nan, np.nan)
        return cls(number(value), number(low), number(high))

    def signed(self) -> str:
        """Return a difference in words: with its sign and, where it was drawn, its interval.

        >>> Figure(0.02, -0.01, 0.05).signed(), Figure(None).signed()
        ('+0.020 (-0.010 to +0.050)', 'not defined')
        """
        if self.value is None:
            return "not defined"
        if self.low is None or self.high is None:
            return f"{self.value:+z.3f}"
        return f"{self.value:+z.3f} ({self.low:+z.3f} to {self.high:+z.3f})"


@dataclass(frozen=True)
class Measures:
    """The scores of a model; see `reelabel.evaluation.scores.ClassScores` for their meaning."""

    ap: Figure
    ap50: Figure
    ap75: Figure
    ar: Figure
    precision: Figure
    recall: Figure
    f1: Figure

    def by_name(self) -> dict[Measure, Figure]:
        """Return measure -> figure."""
        return {name: getattr(self, name) for name in MEASURES}


@dataclass(frozen=True)
class ModelScores:
    """The scores of one model.

    Attributes:
        overall: over all classes.
        classes: class name -> its scores.
        precision50: precision at IoU 0.5 at recall 0, 0.01 .. 1.
        ap_by_size: small, medium, large -> AP.
    """

    overall: Measures
    classes: dict[str, Measures] = field(default_factory=dict)
    precision50: tuple[float | None, ...] = ()
    ap_by_size: dict[str, float | None] = field(default_factory=dict)

    @classmethod
    def of(cls, scores: DetectionScores) -> Self:
        """Return the figures of scores, with intervals if they were drawn."""
        return cls(
            _measures(scores, ""),
            {name: _measures(scores, name) for name in scores.per_class},
            tuple(number(value) for value in scores.precision50),
            {size: number(value) for size, value in scores.ap_by_size.items()},
        )


def _measures(scores: DetectionScores, name: str) -> Measures:
    """Return the figures of a class, of all classes for an empty name."""
    one = scores.per_class[name] if name else scores.overall
    intervals = scores.intervals()
    source = {
        "ap": "ap",
        "ap50": "ap50",
        "ap75": "ap75",
        "ar": "ar100",
        "precision": "precision",
        "recall": "recall",
        "f1": "f1",
    }
    return Measures(**{
        measure: Figure.of(getattr(one, key), intervals.get(f"{key}:{name}" if name else key))
        for measure, key in source.items()
    })


@dataclass(frozen=True)
class Gain:
    """How much higher the student's AP is than another model's, over the same resamples.

    Attributes:
        mean: mean difference; None where nothing was drawn.
        low: lower bound of the 95 % interval.
        high: upper bound.
        share_better: share 0..1 of the resamples in which the student is better.
    """

    mean: float | None
    low: float | None
    high: float | None
    share_better: float | None

    @classmethod
    def of(cls, difference: Difference) -> Self:
        """Return the difference with None in place of NaN."""
        return cls(**{name: number(value) for name, value in vars(difference).items()})


@dataclass(frozen=True)
class VideoScores:
    """The scores of all models on one video, without intervals."""

    video_id: str
    name: str
    frames: int
    models: dict[Role, Measures]


@dataclass(frozen=True)
class Comparison:
    """The scores of all models on the same frames.

    Attributes:
        frames: how many frames were scored.
        boxes: true boxes, or labels, in them.
        models: role -> scores; without "start" if the student starts from chance.
        gains: role -> the student's AP minus that of this model.
        resampled: what the bootstrap drew, such as "video"; empty without intervals.
        units: how many of these there are.
        videos: the scores of each video.
    """

    frames: int
    boxes: int
    models: dict[Role, ModelScores]
    gains: dict[Role, Gain] = field(default_factory=dict)
    resampled: str = ""
    units: int = 0
    videos: tuple[VideoScores, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One comparison of the student that a decision rests on.

    Attributes:
        measure: what was compared, in words.
        against: the model that it was compared with.
        student: the student's value, None where only the difference is known.
        other: the other model's value.
        gain: student minus other, positive if the student is better.
        sample: how many frames, labels or objects it rests on, in words.
    """

    measure: str
    against: Rival
    student: float | None
    other: float | None
    gain: Figure
    sample: str

    @property
    def title(self) -> str:
        """What was compared with which model, for tables."""
        return f"{self.measure}, against the {RIVAL_NAMES[self.against]}"
