"""How good classifiers and their tags are, as typed results that are kept as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from reelabel.evaluation.classes.compare import ClassComparison
from reelabel.evaluation.classes.figures import OverallMeasure
from reelabel.evaluation.classes.leak_test import LeakTest
from reelabel.evaluation.classes.levels import Level
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.evaluation.figures import Figure
from reelabel.workspace.results import Result


@dataclass(frozen=True)
class ClassificationScores(Result):
    """How good the classifiers of a round are.

    The models of each comparison are named by their roles (`reelabel.evaluation.figures.Role`).
    Frames or clips and whole videos are kept apart.

    Attributes:
        round: the round.
        leak_free: whether the data set was divided without leaks.
        split: how the data set was divided, in words.
        truth: level -> scores against people's classes, on all annotated videos.
        truth_unseen: level -> the same on videos of which nothing was trained on.
        agreement: level -> scores against the labels of videos that were held out; not accuracy.
        temperature: what the student's probabilities are calibrated with, fitted on held-out
            labels. Scores are those of calibrated probabilities; in `agreement`, where the labels
            are those that it is fitted on, each part has the temperature of the others.
        left_out: names of annotated videos that could not be scored.
        alike: name of an unseen video -> name of one that was trained on and looks like it.
    """

    FILE: ClassVar[str] = "scores.json"

    round: int
    leak_free: bool = True
    split: str = ""
    truth: dict[Level, ClassComparison] = field(default_factory=dict)
    truth_unseen: dict[Level, ClassComparison] = field(default_factory=dict)
    agreement: dict[Level, ClassComparison] = field(default_factory=dict)
    temperature: float | None = None
    left_out: tuple[str, ...] = ()
    alike: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Calibration(Result):
    """What calibrates the student of a round, in the student's own folder.

    Attributes:
        model: what identifies the student, `reelabel.models.students.folder.fingerprint`.
        temperature: what its log-probabilities are divided by; None if nothing was held out.
        pictures: how many pictures the moments had, at most, that it was fitted on.
    """

    FILE: ClassVar[str] = "model/calibration.json"

    model: str
    temperature: float | None = None
    pictures: int = 1


@dataclass(frozen=True)
class TagQuality(Result):
    """How well the tags of a round can be judged, and how much videos leak into each other.

    Attributes:
        judgements: how well probes do that did not see a video: one for exclusive classes, else
            one for each class; none if the rule is off or nothing was sampled.
        leak_test: how much a random split of frames would flatter; None if classes are not
            exclusive, or there are fewer than two groups or classes.
    """

    FILE: ClassVar[str] = "tag_quality.json"

    judgements: tuple[Judgement, ...] = ()
    leak_test: LeakTest | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why tags cannot be judged, a sentence for each decision that cannot be made."""
        return tuple(one.reason for one in self.judgements if one.reason)


@dataclass(frozen=True)
class ModelComparison(Result):
    """Any number of classifiers on the same videos.

    Attributes:
        levels: level -> scores, differences and costs; frames or clips only if all models have
            predictions of the same ones.
        notes: what was left out, in sentences.
    """

    FILE: ClassVar[str] = "comparison.json"

    levels: dict[Level, ClassComparison] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClassVariant:
    """Students that were trained on what some of the rules leave.

    Attributes:
        name: of the variant.
        trained_as: the first variant with the same labels; its trainings are the same.
        scores: level -> the measure, mean of the trainings.
        gain: level -> difference of the measure to the first variant; empty for that one.
        by_seed: level -> the measure of each training.
        positives: claims that were trained on.
        ignored: claims that were doubted.
    """

    name: str
    trained_as: str
    scores: dict[Level, Figure]
    gain: dict[Level, Figure]
    by_seed: dict[Level, tuple[float | None, ...]]
    positives: int
    ignored: int


@dataclass(frozen=True)
class ClassAblation(Result):
    """What each rule that doubts tags is worth.

    Attributes:
        round: the round whose labels were compared.
        seeds: of the trainings of each variant.
        measure: "top1", or "map" where several classes may be right.
        moments: level -> how many frames, clips or videos were scored.
        groups: how many groups of videos they belong to.
        variants: the first one without any rule.
        notes: what was left out, in sentences.
    """

    FILE: ClassVar[str] = "ablation.json"

    round: int
    seeds: tuple[int, ...]
    measure: OverallMeasure
    moments: dict[Level, int]
    groups: int
    variants: tuple[ClassVariant, ...]
    notes: tuple[str, ...] = ()
