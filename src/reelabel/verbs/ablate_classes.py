"""ablate of classes: what each rule that doubts tags is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reelabel.config import Config
from reelabel.data.boxes import Floats as Matrix
from reelabel.data.classes import Moments, Predictions
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.engine.run import Options
from reelabel.errors import MissingInput, UsageError, counted
from reelabel.evaluation.classes.figures import OverallMeasure, ScoreSettings
from reelabel.evaluation.classes.levels import Level, Truth, by_video, level_of
from reelabel.evaluation.classes.resampling import FEWEST_GROUPS, percentile_level
from reelabel.evaluation.classes.scores import Resampled
from reelabel.evaluation.classes.sums import Scored
from reelabel.evaluation.figures import Figure
from reelabel.evaluation.intervals import Floats, over_seeds, percentiles
from reelabel.labels.claims import known_moments
from reelabel.labels.tags.doubt import DoubtSettings
from reelabel.pipeline import task_of
from reelabel.stages.classes.evaluate import ClassEvaluateSettings
from reelabel.tables import (
    CLASS_CANDIDATES,
    CLASS_LABELS,
    CLASS_TRUTH,
    MOMENTS,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
)
from reelabel.tables.claims import moments_of, predictions_of
from reelabel.verbs.compare_truth import KnownVideo, KnownVideos, known_videos
from reelabel.verbs.run import label_counts
from reelabel.verbs.stages import changed
from reelabel.verbs.variants import PLAIN, Trained, Variants, one_by_one, train_variants
from reelabel.workspace import Workspace
from reelabel.workspace.branches import Branch
from reelabel.workspace.class_results import ClassAblation, ClassVariant
from reelabel.workspace.results import SplitReport

RULES = tuple(DoubtSettings.model_fields)
VARIANTS = one_by_one(RULES)
"""Which rules each variant uses."""
_TAUGHT = ("video_id", "pts", "until_pts", "category", "claim", "state")
"""Labels also hold what probes predict, which differs with the rules and teaches nothing."""


def ablate_classes(
    ws: Workspace,
    config: Config,
    *,
    round_number: int,
    seeds: int,
    train: dict[str, Any],
    options: Options,
) -> ClassAblation:
    """Compare the rules that doubt tags; see `reelabel.ablate`."""
    project = config.project
    known = known_videos(ws, [], project.classes, exclusive=not project.multi_label)
    if not ws.shards(PREDICTIONS, round_number):
        raise MissingInput(
            f"round {round_number} has no predictions: run  reelabel run {ws.root} "
            "--until classify  first"
        )
    config = changed(config, "train", train)
    clean = {name: _switched(rules) for name, rules in VARIANTS.items()}
    compared = Variants(
        ws,
        round_number,
        clean,
        made=(CLASS_CANDIDATES, CLASS_LABELS),
        scored=(STUDENT_PREDICTIONS,),
        taught=_TAUGHT,
    )
    with ws.locked():
        found = train_variants(compared, config, seeds, options)
        table = _Scoring.of(ws, config, found, known).table(found, round_number)
        table.save(ws.round_dir(round_number))
    return table


def _switched(rules: tuple[str, ...]) -> dict[str, Any]:
    """Return settings of `clean` with these rules alone."""
    return {rule: {"enabled": rule in rules} for rule in RULES}


@dataclass(frozen=True)
class _Measured:
    """One measure of the trainings of a variant.

    Attributes:
        values: ``(trainings,)``.
        samples: ``(b,)`` their mean in each resample of groups and trainings.
    """

    values: Floats
    samples: Floats

    def __sub__(self, other: _Measured) -> _Measured:
        return _Measured(self.values - other.values, self.samples - other.samples)

    def figure(self, groups: int) -> Figure:
        """Return the mean of the trainings with its interval, which few groups do not have."""
        mean, known = float(self.values.mean()), self.samples[~np.isnan(self.samples)]
        if groups < FEWEST_GROUPS or not len(known):
            return Figure.of(mean)
        return Figure.of(mean, percentiles(known, percentile_level(groups)))


@dataclass(frozen=True)
class _Scoring:
    """What all students are scored on, and how.

    Attributes:
        config: the settings of the workspace.
        settings: those of scores.
        truth: moments of the videos that no student was trained on.
        notes: what was left out, in sentences.
    """

    config: Config
    settings: ScoreSettings
    truth: Truth
    notes: tuple[str, ...]

    @classmethod
    def of(cls, ws: Workspace, config: Config, found: Trained, known: KnownVideos) -> _Scoring:
        """Return the scoring on the videos that no student was trained on.

        Raises:
            UsageError: if there are none.
        """
        branches = found.branches.values()
        splits = (SplitReport.load(branch.home) for branch in branches)
        unseen = known.without({v for split in splits if split for v in split.trained})
        scored = set(ws.shards(MOMENTS)).intersection(
            *(branch.shards(STUDENT_PREDICTIONS, branch.number) for branch in branches)
        )
        parts = [
            (*_known(ws, config, one), one.group)
            for one in unseen.videos
            if one.video.video_id in scored
        ]
        if not parts:
            raise UsageError(
                "expected videos with people's classes that the students could be scored on, but "
                f"none of {counted(len(unseen.videos), 'video')} could: see  reelabel status "
                f"{ws.root}"
            )
        own = config.stages["evaluate"]
        assert isinstance(own, ClassEvaluateSettings)  # noqa: S101 -- those of the task
        truth = Truth.joined(parts, len(config.project.classes))
        return cls(config, own.score_settings(config.project), truth, unseen.notes)

    @cached_property
    def levels(self) -> dict[Level, Truth]:
        """The moments, and their videos as wholes."""
        return {level_of(self.truth.moments): self.truth, "video": self.truth.by_video()}

    @property
    def groups(self) -> int:
        """How many groups of videos there are."""
        return len(np.unique(self.truth.group))

    @property
    def measure(self) -> OverallMeasure:
        """What is compared."""
        return "top1" if self.settings.exclusive else "map"

    def table(self, found: Trained, number: int) -> ClassAblation:
        """Return the scores of all variants."""
        measured = {name: self._measured(found.of(name)) for name in found.names}
        variants = tuple(self._variant(found, name, measured) for name in found.names)
        counts = {level: len(truth.moments) for level, truth in self.levels.items()}
        return ClassAblation(
            number, found.seeds, self.measure, counts, self.groups, variants, self.notes
        )

    def _measured(self, branches: list[Branch]) -> dict[Level, _Measured]:
        """Return the measure of a variant's trainings on each level."""
        scored = [self._scored(branch) for branch in branches]
        found = {}
        for level in self.levels:
            each = [Resampled.of(one[level]) for one in scored]
            samples = np.array([one.samples.overall[self.measure] for one in each])
            values = np.array([one.value.overall[self.measure][0] for one in each])
            found[level] = _Measured(values, over_seeds(samples, self.config.project.seed))
        return found

    def _scored(self, branch: Branch) -> dict[Level, Scored]:
        """Return the probabilities of a training's student beside what is known."""
        names = self.config.project.classes
        videos = np.unique(self.truth.moments.video).tolist()
        tables = (branch.read(STUDENT_PREDICTIONS, video, branch.number) for video in videos)
        every = Predictions.joined(predictions_of(one, names) for one in tables)
        own = every.of(self.truth.moments)
        return {
            level: Scored.of(
                (by_video(own) if level == "video" else own).probability,
                truth.target,
                truth.group,
                self.settings,
            )
            for level, truth in self.levels.items()
        }

    def _variant(
        self, found: Trained, name: str, measured: Mapping[str, Mapping[Level, _Measured]]
    ) -> ClassVariant:
        own, plain, first = measured[name], measured[PLAIN], found.of(name)[0]
        counts = label_counts(first, task_of(self.config), first.number).values()
        gain = {level: (one - plain[level]).figure(self.groups) for level, one in own.items()}
        return ClassVariant(
            name=name,
            trained_as=found.same_as(name),
            scores={level: one.figure(self.groups) for level, one in own.items()},
            gain={} if name == PLAIN else gain,
            by_seed={level: tuple(one.values.tolist()) for level, one in own.items()},
            positives=sum(states.get(POSITIVE, 0) for states in counts),
            ignored=sum(states.get(IGNORE, 0) for states in counts),
        )


def _known(ws: Workspace, config: Config, one: KnownVideo) -> tuple[Moments, Matrix]:
    """Return the moments of a video whose classes a person gave, with their targets."""
    return known_moments(
        ws.read(CLASS_TRUTH, one.video.video_id),
        moments_of(ws.read(MOMENTS, one.video.video_id)),
        one.video,
        config.project.classes,
        exclusive=not config.project.multi_label,
    )
