"""What can be measured without ground truth: kept labels, and consistency under mirroring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reelabel.evaluation.comparison import Found, Scoring
from reelabel.evaluation.consistency import Views, box_shift, consistency, consistency_gain
from reelabel.evaluation.figures import ROLES, Figure, Role, number
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.held_out import Kept, kept_labels, working_threshold
from reelabel.evaluation.intervals import Floats, Ratio, frame_weights, percentiles
from reelabel.evaluation.scores import frame_matches


@dataclass(frozen=True)
class KeptLabels:
    """What one model keeps of the held-out labels, at its own working threshold.

    Attributes:
        threshold: the score at which it agrees best with the labels.
        labels: kept share of the labels that a detection made.
        gaps: kept share of the labels that fill gaps of tracks; undefined without any.
    """

    threshold: float
    labels: Figure
    gaps: Figure


@dataclass(frozen=True)
class HeldOutLabels:
    """What the models keep of the labels of frames that were not trained on.

    Attributes:
        frames: how many frames.
        labels: how many labels a detection made.
        gaps: how many labels fill gaps of tracks.
        models: role -> what it keeps.
        lost: role -> how much less the student keeps of the labels than this model, -1..1.
    """

    frames: int
    labels: int
    gaps: int
    models: dict[Role, KeptLabels]
    lost: dict[Role, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class SharedGain:
    """How much more consistent one model is than another on the objects that both find.

    Attributes:
        gain: difference of the mean IoU of mirrored boxes, -1..1.
        objects: how many such objects there are, each weighted by its score.
        shift: how far their boxes differ systematically, see `consistency.box_shift`.
    """

    gain: Figure
    objects: int
    shift: float | None = None


@dataclass(frozen=True)
class MirrorConsistency:
    """How consistent the models are under mirroring.

    Attributes:
        frames: how many frames were compared with their mirror images.
        models: role -> mean IoU of a box and its mirrored counterpart, 0..1.
        student: role -> how much more consistent the student is than this model.
        start: how much more consistent the untrained start is than the teacher.
        same_input: whether teacher and student process pictures of the same size.
    """

    frames: int
    models: dict[Role, Figure]
    student: dict[Role, SharedGain] = field(default_factory=dict)
    start: SharedGain | None = None
    same_input: bool = False


def held_out_labels(frames: Sequence[KnownFrame], found: Found, scoring: Scoring) -> HeldOutLabels:
    """Return what each model keeps of the labels of these frames.

    Args:
        frames: frames that were not trained on, with their labels.
        found: the detections of each model, one entry per frame.
        scoring: classes, resamples and seed.
    """
    weights = frame_weights(frames, scoring.resamples, scoring.seed)
    thresholds: dict[Role, float] = {}
    kept: dict[Role, Kept] = {}
    for role in (role for role in ROLES if role in found):
        matches = frame_matches(frames, found[role], scoring.classes)
        thresholds[role] = working_threshold(matches.values())
        kept[role] = kept_labels(frames, found[role], thresholds[role])
    student = kept["student"]
    return HeldOutLabels(
        frames=len(frames),
        labels=int(student.labels.whole.sum()),
        gaps=int(student.gaps.whole.sum()),
        models={
            role: KeptLabels(
                thresholds[role], _figure(one.labels, weights), _figure(one.gaps, weights)
            )
            for role, one in kept.items()
        },
        lost={
            role: _figure(one.labels.minus(student.labels), weights)
            for role, one in kept.items()
            if role != "student"
        },
    )


def mirror_consistency(
    frames: Sequence[KnownFrame], views: Mapping[Role, Views], scoring: Scoring
) -> MirrorConsistency:
    """Return how consistent the models are under mirroring.

    Args:
        frames: any frames of the footage; their boxes do not count.
        views: what each model finds in them and in their mirror images.
        scoring: resamples and seed.
    """
    weights = frame_weights(frames, scoring.resamples, scoring.seed)
    others: tuple[Role, ...] = ("teacher", "start")
    start = None
    if "teacher" in views and "start" in views:
        start = _shared(views["teacher"], views["start"], weights)
    return MirrorConsistency(
        frames=len(frames),
        models={
            role: _figure(consistency(views[role]), weights) for role in ROLES if role in views
        },
        student={
            role: _shared(views[role], views["student"], weights)
            for role in others
            if role in views
        },
        start=start,
    )


def _shared(first: Views, second: Views, weights: Floats) -> SharedGain:
    gain = consistency_gain(first, second)
    objects = round(float(gain.whole.sum()) / 2)  # each counts in both views
    return SharedGain(_figure(gain, weights), objects, number(box_shift(first, second)))


def _figure(ratio: Ratio, weights: Floats) -> Figure:
    return Figure.of(ratio.value, percentiles(ratio.over(weights)))
