"""What a round decides, as typed results: one class, one file and one version for each.

A result lies in the folder of its round. The classes below are the only readers and writers of
these files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import TypeAdapter, ValidationError

from reelabel.checksums import sealed, unsealed
from reelabel.errors import ShardError
from reelabel.evaluation.figures import Comparison, Figure, Finding, Role
from reelabel.evaluation.label_quality import BackgroundQuality, LabelQuality
from reelabel.evaluation.label_rules import RuleQuality
from reelabel.evaluation.without_truth import HeldOutLabels, MirrorConsistency
from reelabel.files import has_file, read_json, write_json

_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the checks of a result type, which are slow to build."""
    if kind.__name__ not in _ADAPTERS:
        _ADAPTERS[kind.__name__] = TypeAdapter(kind)
    return _ADAPTERS[kind.__name__]


class Result:
    """A result of a round that is kept as JSON.

    Attributes:
        FILE: its path in the folder of the round.
        VERSION: raised when the meaning of the file changes; files of other versions are refused.
    """

    FILE: ClassVar[str]
    VERSION: ClassVar[int] = 1

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values, with its version."""
        values: dict[str, Any] = _adapter(type(self)).dump_python(self, mode="json")
        return {"version": self.VERSION, **values}

    @classmethod
    def from_json(cls, value: Any, source: str = "") -> Self:
        """Return the result that JSON values hold.

        Args:
            value: what `to_json` returned.
            source: the file that it comes from, for messages.

        Raises:
            ShardError: if the values are damaged or of another version.
        """
        source = source or cls.FILE
        value = unsealed(value, source)
        found = value.get("version") if isinstance(value, dict) else None
        if found != cls.VERSION:
            raise ShardError(
                f"{source}: expected version {cls.VERSION}, but got {found}; "
                "delete it and run again"
            )
        try:
            result: Self = _adapter(cls).validate_python(value)
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise ShardError(
                f"{source}: expected {cls.__name__}, but in {where}: {first['msg']}; "
                "delete it and run again"
            ) from exc
        return result

    def save(self, folder: Path) -> Path:
        """Write the result into the folder of its round, atomically, and return the file.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        path = folder / self.FILE
        write_json(path, sealed(self.to_json()))
        return path

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the result in the folder of a round, or None if there is none.

        Raises:
            ShardError: if the file is damaged or of another version.
        """
        path = folder / cls.FILE
        return cls.from_json(read_json(path), str(path)) if has_file(path) else None


@dataclass(frozen=True)
class InputChoice(Result):
    """The input of the teacher, and of the students that start from it, on some footage.

    Attributes:
        image_size: longest side in pixels; None: the model's own.
        flip: whether the mirror image is used too.
        agreement: input size in pixels -> how far the teacher agrees with itself there, 0..1.
        pictures: on how many frames.
        members: label -> choice of each teacher whose boxes are fused; then the above is empty.
    """

    FILE: ClassVar[str] = "input.json"

    image_size: int | None = None
    flip: bool = False
    agreement: dict[int, float] = field(default_factory=dict)
    pictures: int = 0
    members: dict[str, InputChoice] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the choice and what it rests on as a sentence; empty if none was made."""
        if self.members:
            return "; ".join(f"{label}: {one}" for label, one in self.members.items() if str(one))
        if self.image_size is None:
            return ""
        mirror = " and its mirror image" if self.flip else ""
        tried = ", ".join(
            f"{size} px {value:.3f}" for size, value in sorted(self.agreement.items())
        )
        return (
            f"the teacher's input is {self.image_size} px{mirror}: there it agrees most with "
            f"itself on {self.pictures} frames ({tried})"
        )


@dataclass(frozen=True)
class SideCounts:
    """What one side of a data set holds.

    Attributes:
        images: pictures, or the moments that a classifier judges.
        labelled_images: those with labels.
        boxes: positive boxes; 0 where classes are learnt.
        ignored: regions without loss.
        negatives: hard negatives.
        classes: number of positive labels by class, where classes are learnt.
    """

    images: int = 0
    labelled_images: int = 0
    boxes: int = 0
    ignored: int = 0
    negatives: int = 0
    classes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitReport(Result):
    """How the data set of a round was divided.

    Attributes:
        leak_free: whether nothing that is known to belong together stands on two sides; see
            `checked`.
        reason: how it was divided, in words.
        leaks: what stands on two sides.
        groups: video id -> the group that stays together.
        videos: video id -> side -> frames.
        names: video id -> name.
        sides: train, val or test -> what it holds.
        unlabelled: why -> frames without positive labels that are left out, as nothing shows that
            they are background.
        checked: how copies were searched for, and what that does not exclude.
    """

    FILE: ClassVar[str] = "dataset/split.json"

    leak_free: bool
    reason: str
    leaks: tuple[str, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    videos: dict[str, dict[str, int]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    sides: dict[str, SideCounts] = field(default_factory=dict)
    unlabelled: dict[str, int] = field(default_factory=dict)
    checked: str = ""

    @property
    def trained(self) -> set[str]:
        """The ids of the videos of which frames are trained on."""
        return {video_id for video_id, sides in self.videos.items() if sides.get("train")}

    @property
    def pictures(self) -> dict[str, int]:
        """How many pictures are labelled, background, and left out as unlabelled."""
        labelled = sum(side.labelled_images for side in self.sides.values())
        images = sum(side.images for side in self.sides.values())
        left_out = sum(self.unlabelled.values())
        return {"labelled": labelled, "background": images - labelled, "unlabelled": left_out}


@dataclass(frozen=True)
class Scores(Result):
    """How good the models of a round are.

    Attributes:
        round: the round.
        threshold: working threshold of precision, recall and F1.
        fused: labels of the detectors that the teacher consists of, empty if it is one.
        leak_free: whether the data set was divided without leaks.
        split: how the data set was divided, in words.
        truth: against hand-drawn boxes, on all annotated frames.
        truth_unseen: the same on videos of which nothing was trained on.
        agreement: against the pseudo-labels of frames that were held out; not accuracy.
        held_out: what the models keep of the labels of these frames.
        mirror: how consistent the models are under mirroring.
        labels: the pseudo-labels of this round against hand-drawn boxes.
        rules: the positive labels by the rule that made them, and what was gained and lost since
            the round before.
        background: the background pictures of this round against hand-drawn boxes.
        left_out: names of annotated videos that could not be scored.
        alike: name of an unseen video -> name of one that was trained on and looks like it.
        not_compared: names of unseen videos, and of those trained on, that have no signature to
            compare: they may be copies of each other.
    """

    FILE: ClassVar[str] = "scores.json"

    round: int
    threshold: float
    fused: tuple[str, ...] = ()
    leak_free: bool = True
    split: str = ""
    truth: Comparison | None = None
    truth_unseen: Comparison | None = None
    agreement: Comparison | None = None
    held_out: HeldOutLabels | None = None
    mirror: MirrorConsistency | None = None
    labels: LabelQuality | None = None
    rules: tuple[RuleQuality, ...] = ()
    background: BackgroundQuality | None = None
    left_out: tuple[str, ...] = ()
    alike: dict[str, str] = field(default_factory=dict)
    not_compared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resamples(Result):
    """The AP of every bootstrap resample of the annotated frames, None where it is not defined."""

    FILE: ClassVar[str] = "resamples.json"

    ap: dict[Role, tuple[float | None, ...]] = field(default_factory=dict)


DecidedBy = Literal["truth", "mirror", "agreement", "nothing"]
"""What decides which model is the best; agreement with held-out tags decides on classifiers."""


@dataclass(frozen=True)
class BestResamples(Result):
    """The AP of the best model so far in every bootstrap resample, to be paired with later ones.

    Attributes:
        frames: how many annotated frames were resampled.
        ap: None where it is not defined; empty where it is not known.
    """

    FILE: ClassVar[str] = "best_resamples.json"

    frames: int = 0
    ap: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Decision(Result):
    """Which model labels next, and why.

    Attributes:
        round: the round.
        action: "advance" if another round follows.
        best: the best model so far, as a detector's name.
        best_ap: its AP on hand-drawn boxes, None if they did not decide.
        next_teacher: the model that labels in the next round.
        reason: the decision in words, with numbers and sample sizes.
        by: what decided.
        findings: the comparisons that it rests on.
    """

    FILE: ClassVar[str] = "decision.json"

    round: int
    action: Literal["advance", "stop"]
    best: str
    next_teacher: str
    reason: str
    best_ap: float | None = None
    by: DecidedBy = "nothing"
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class LabelCounts:
    """How many labels of each state a student was trained on."""

    positives: int
    negatives: int
    ignored: int


@dataclass(frozen=True)
class Variant:
    """Students that were trained with some of the temporal evidence.

    Attributes:
        name: which evidence was used.
        trained_as: the first variant with the same labels, whose trainings these are.
        ap: the mean over the trainings.
        ap50: the mean over the trainings.
        ap75: the mean over the trainings.
        precision: of the labels, against ground truth.
        recall: of the labels, against ground truth.
        gain_ap: AP minus that of the variant without evidence; None for that one.
        ap_by_seed: AP of each training.
        labels: what was trained on.
    """

    name: str
    trained_as: str
    ap: Figure
    ap50: Figure
    ap75: Figure
    precision: float | None
    recall: float | None
    gain_ap: Figure | None
    ap_by_seed: tuple[float | None, ...]
    labels: LabelCounts


@dataclass(frozen=True)
class Ablation(Result):
    """What each kind of temporal evidence is worth.

    Attributes:
        round: the round whose labels were compared.
        seeds: of the trainings of each variant.
        on: what the students were scored against.
        variants: the first one without evidence.
    """

    FILE: ClassVar[str] = "ablation.json"

    round: int
    seeds: tuple[int, ...]
    on: Literal["truth", "agreement"]
    variants: tuple[Variant, ...]
