"""What classifiers give for videos of known classes; each video is decoded once for all alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from reelabel.data.boxes import Floats
from reelabel.data.classes import Moments, Predictions
from reelabel.engine.progress import Display
from reelabel.errors import MediaError, UsageError, counted, few
from reelabel.evaluation.classes.levels import Truth
from reelabel.labels.claims import span_targets
from reelabel.media.probe import probe
from reelabel.models.base import Window
from reelabel.models.classifier_pool import ClassifierPool, classify_ahead
from reelabel.models.classifiers.mapped import shared_out
from reelabel.models.joint import JointClassifier
from reelabel.models.video_moments import MomentPlan, video_moments
from reelabel.tables import CLASS_TRUTH
from reelabel.tables.claims import spans_of, times_s
from reelabel.verbs.class_models import FoundClassifier
from reelabel.verbs.compare_truth import KnownVideo, KnownVideos

MOST_WINDOWS = 16
"""So many windows of the footage are kept, to measure speed on."""


@dataclass(frozen=True, eq=False)
class Classified:
    """What models give for the moments of videos whose classes are known.

    Attributes:
        classes: of all models and of the truth; the columns of everything below.
        truth: of the moments of the first model.
        predictions: model -> its probabilities; 0 for classes that it does not have.
        windows: model -> some windows of the footage.
        same_moments: whether all models judged the same moments.
        described: what each model judges, in words.
        notes: what was left out, in sentences.
    """

    classes: tuple[str, ...]
    truth: Truth
    predictions: Mapping[str, Predictions]
    windows: Mapping[str, Sequence[Window]]
    same_moments: bool
    described: str
    notes: tuple[str, ...]


def classify_known(
    found: Mapping[str, FoundClassifier], known: KnownVideos, *, quiet: bool
) -> Classified:
    """Return what models give for videos of known classes.

    Args:
        found: the models by name, all of exclusive classes or none.
        known: the videos.
        quiet: show no progress.

    Raises:
        UsageError: if a model has none of the classes.
        MediaError: if no video can be read.
    """
    classes = _all_classes(found, known)
    passes = [_Pass.of(plan, names, found, classes) for plan, names in _plans(found).items()]
    unreadable: list[str] = []
    with Display("compare", len(known.videos), quiet=quiet) as display:
        for one in known.videos:
            unreadable += _taken(passes, one)
            display.finished(one.video.video_id, one.video.name)
    shared = set.intersection(*(each.videos() for each in passes))
    if not shared:
        why = f": {unreadable[0]}" if unreadable else ""
        raise MediaError(f"expected moments of known classes, but no video has any{why}")
    return Classified(
        classes=classes,
        truth=passes[0].truth(shared),
        predictions={
            name: predictions
            for each in passes
            for name, predictions in each.predictions(shared).items()
        },
        windows={name: each.windows for each in passes for name in each.names},
        same_moments=len(passes) == 1,
        described="; ".join(each.described for each in passes),
        notes=(*known.notes, *_notes(unreadable, len(known.videos) - len(shared))),
    )


def _taken(passes: Sequence[_Pass], one: KnownVideo) -> list[str]:
    """Classify one video in every pass; return why it cannot be read, if so."""
    try:
        for each in passes:
            each.take(one)
    except MediaError as exc:
        return [str(exc)]
    return []


def _all_classes(found: Mapping[str, FoundClassifier], known: KnownVideos) -> tuple[str, ...]:
    """Return the classes of all models, then those of the truth.

    Raises:
        UsageError: if a model has none of the truth's.
    """
    true = dict.fromkeys(row["category"] for one in known.videos for row in one.rows)
    for name, one in found.items():
        if not set(true) & set(one.classifier.classes):
            raise UsageError(
                f"expected models with classes of the truth ({few(true)}), but {name} has "
                f"{few(one.classifier.classes)}: name the classes alike"
            )
    own = (name for one in found.values() for name in one.classifier.classes)
    return tuple(dict.fromkeys([*own, *true]))


def _plans(found: Mapping[str, FoundClassifier]) -> dict[tuple[int, float], list[str]]:
    """Return the models that judge the same frames: pictures per moment, distance -> names."""
    plans: dict[tuple[int, float], list[str]] = {}
    for name, one in found.items():
        plan = MomentPlan.of(one.classifier)
        plans.setdefault((plan.frames, plan.step_s), []).append(name)
    return plans


def _notes(unreadable: Sequence[str], missing: int) -> Iterator[str]:
    if unreadable:
        yield f"{counted(len(unreadable), 'video')} could not be read: {few(unreadable, 3)}"
    if missing > len(unreadable):
        rest = counted(missing - len(unreadable), "video")
        yield f"{rest} left out in which some model has no moment of known class"


@dataclass(eq=False)
class _Pass:
    """One pass over the videos with all models that judge the same frames."""

    plan: MomentPlan
    names: Sequence[str]
    classes: tuple[str, ...]
    exclusive: bool
    joint: JointClassifier
    pool: ClassifierPool
    windows: list[Window] = field(default_factory=list)
    _moments: list[Moments] = field(default_factory=list)
    _targets: list[Floats] = field(default_factory=list)
    _groups: list[str] = field(default_factory=list)
    _rows: list[Floats] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        plan: tuple[int, float],
        names: Sequence[str],
        found: Mapping[str, FoundClassifier],
        classes: tuple[str, ...],
    ) -> Self:
        """Return a pass that has seen no video yet."""
        joint = JointClassifier([found[name].classifier for name in names])
        exclusive = found[names[0]].exclusive
        judged = MomentPlan(*plan, joint.fit_wh)
        return cls(judged, names, classes, exclusive, joint, ClassifierPool(joint))

    @property
    def described(self) -> str:
        """What its models judge, in words."""
        what = f"a frame every {self.plan.step_s:g} s"
        if self.plan.frames > 1:
            what = f"clips of {self.plan.frames} frames, {self.plan.step_s:g} s apart"
        return f"{few(self.names)}: {what}"

    def take(self, one: KnownVideo) -> None:
        """Classify the moments of one video whose class is known.

        Raises:
            MediaError: if it cannot be read.
        """
        info = probe(one.video.path)
        ends: list[tuple[int, int]] = []

        def windows() -> Iterator[Window]:
            for moment in video_moments(one.video.path, info, (0.0, info.duration_s), self.plan):
                ends.append((moment[0].ref.pts, moment[-1].ref.pts))
                window = [frame.picture for frame in moment]
                if len(self.windows) < MOST_WINDOWS:
                    self.windows.append(window)
                yield window

        rows = list(classify_ahead(self.pool, windows()))
        if not rows:
            raise MediaError(f"{one.video.path}: no frame is readable")
        first, last = np.array(ends).T
        moments = Moments(np.full(len(rows), one.video.video_id), first, last)
        spans = spans_of(CLASS_TRUTH.from_rows(list(one.rows)), self.classes)
        target = span_targets(
            spans, times_s(moments, one.video), len(self.classes), exclusive=self.exclusive
        )
        known = np.flatnonzero((~np.isnan(target)).any(axis=1))
        self._moments.append(moments[known])
        self._targets.append(target[known])
        self._groups += [one.group] * len(known)
        self._rows.append(np.stack(rows)[known])

    def videos(self) -> set[str]:
        """Return the videos that have moments of known class."""
        return {str(video) for part in self._moments for video in part.video}

    def truth(self, videos: set[str]) -> Truth:
        """Return what is known of the moments of some videos."""
        moments = Moments.joined(self._moments)
        chosen = np.isin(moments.video, sorted(videos))
        target = np.concatenate(self._targets)
        return Truth(moments[chosen], target[chosen], np.array(self._groups, np.str_)[chosen])

    def predictions(self, videos: set[str]) -> dict[str, Predictions]:
        """Return what each model gives for these videos, in the columns of all classes."""
        moments, rows = Moments.joined(self._moments), np.concatenate(self._rows)
        chosen = np.isin(moments.video, sorted(videos))
        found = {}
        for name, part, columns in zip(
            self.names, self.joint.parts, self.joint.columns(), strict=True
        ):
            own = rows[:, columns]
            if self.exclusive and not part.exclusive:
                own = shared_out(own)  # what it gives to classes that were left out
            spread = np.zeros((len(rows), len(self.classes)), np.float32)
            spread[:, [self.classes.index(one) for one in part.classes]] = own
            found[name] = Predictions(moments[chosen], spread[chosen])
        return found
