"""Which tags of videos are wrong: probes, confident learning on means of videos, and a second fit.

Wrong tags make probes worse. Claims that the first probes contradict are therefore left out of a
second fit, still by groups, which decides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Strings
from reelabel.data.sequence import Bools, Floats, Ints
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.labels.tags.contradicts import Contradictions, find_contradictions, mean_by
from reelabel.labels.tags.folds import FEWEST_GROUPS, UNKNOWN, judgeable, out_of_fold
from reelabel.labels.tags.judgement import Predicted, judge
from reelabel.labels.tags.probe import Features, ProbeSettings


class ContradictsSettings(Settings):
    """How tags are found that linear probes contradict."""

    enabled: bool = True
    """Doubt tags of videos that probes, fitted on other videos, contradict."""
    min_margin: float = Field(0.5, ge=0, le=1)
    """Least probability by which another class must exceed the tagged one, as the mean of a
    video's frames."""
    min_accuracy: float = Field(0.8, ge=0, le=1)
    """Estimated share of frames on which probes are right below which they doubt nothing."""
    fits: int = Field(2, ge=1, le=5)
    """How often probes are fitted; each time without the tags that the last ones contradict."""
    probe: ProbeSettings = ProbeSettings()
    """How probes are fitted."""


@dataclass(frozen=True)
class TagProblem:
    """What one set of probes tells apart: exclusive classes, or a class and its absence.

    Attributes:
        category: the class that is told from its absence; empty for exclusive classes.
        names: of the classes; for one class: empty (absent) and its name.
        label: ``(n,)`` int64, the claimed class of each moment; -1 where none is.
    """

    category: str
    names: tuple[str, ...]
    label: Ints


@dataclass(frozen=True)
class TaggedRows:
    """What probes need of moments.

    Attributes:
        features: ``(n, d)``.
        video: ``(n,)``.
        group: ``(n,)``, what must not be split.
        on_topic: ``(n,)`` bool, whether a moment takes part in fits and means.
    """

    features: Features
    video: Strings
    group: Strings
    on_topic: Bools


@dataclass(frozen=True)
class WrongTags:
    """What `find_wrong_tags` found.

    Attributes:
        mask: ``(n,)`` bool, True for moments of a video whose tag is probably wrong.
        suggested: ``(n,)`` int64, the most probable class of the video.
        margin: ``(n,)`` float64, its probability less that of the tag; NaN where not judged.
        probability: ``(n, k)`` float64 of each moment, out of fold; NaN where not predicted.
        of_video: ``(n, k)`` float64, their mean over the video's moments with the same tag.
        judgement: how well the probes do.
    """

    mask: Bools
    suggested: Ints
    margin: Floats
    probability: Floats
    of_video: Floats
    judgement: Judgement


def find_wrong_tags(
    problem: TagProblem, rows: TaggedRows, settings: ContradictsSettings, *, seed: int = 0
) -> WrongTags:
    """Return which tags of ``(n,)`` moments are contradicted by probes fitted on other groups.

    Classes with examples in fewer than two groups are left out. Nothing is doubted where the probes
    are not good enough; the judgement states why.

    Args:
        problem: what to tell apart, and what is claimed.
        rows: the moments.
        settings: see `ContradictsSettings`.
        seed: of the folds.
    """
    groups = np.unique(rows.group, return_inverse=True)[1].astype(np.int64)
    claimed = np.where(rows.on_topic, problem.label, UNKNOWN)
    enough = judgeable(claimed, groups, len(problem.names))
    if enough.sum() < 2:  # noqa: PLR2004 -- to tell apart
        return _unjudged(problem, enough)
    kept = np.flatnonzero(enough)
    place = np.full(len(enough) + 1, UNKNOWN)  # the last one is that of UNKNOWN
    place[kept] = np.arange(len(kept))
    label = place[claimed]
    compared = _Probes(rows, groups, settings, seed).compared(label)
    judgement = judge(
        compared.predicted, settings.min_accuracy, category=problem.category, seed=seed
    )
    return compared.expanded(problem, kept, judgement, settings.min_margin)


def _unjudged(problem: TagProblem, enough: Bools) -> WrongTags:
    """Return that nothing is doubted, and why."""
    n, k = len(problem.label), len(problem.names)
    few = " and ".join(
        f"'{name or f'not {problem.category}'}'"
        for name, is_enough in zip(problem.names, enough, strict=True)
        if not is_enough
    )
    reason = (
        f"expected videos of at least {FEWEST_GROUPS} groups for two classes, but {few} "
        "has fewer: tag more videos, or videos from more sources"
    )
    unknown = np.full((n, k), np.nan)
    unknown_class, none = np.full(n, UNKNOWN), np.zeros(n, bool)
    judgement = Judgement(problem.category, reason=reason)
    return WrongTags(none, unknown_class, unknown[:, 0], unknown, unknown, judgement)


@dataclass(frozen=True)
class _Compared:
    """Claims about videos beside the mean probabilities of their moments.

    Attributes:
        probability: ``(n, k)`` of all moments.
        row: ``(m,)`` int64, moments with a claim and a probability.
        predicted: these moments.
        mean: ``(u, k)`` of each claim about a video.
        found: ``(u,)``, which of these are contradicted.
    """

    probability: Floats
    row: Ints
    predicted: Predicted
    mean: Floats
    found: Contradictions

    def wrong(self) -> Bools:
        """Return which moments ``(n,)`` have a claim that is contradicted."""
        mask = np.zeros(len(self.probability), bool)
        mask[self.row] = self.found.mask[self.predicted.unit]
        return mask

    def expanded(
        self, problem: TagProblem, kept: Ints, judgement: Judgement, min_margin: float
    ) -> WrongTags:
        """Return the result for all moments and classes."""
        n, unit = len(self.probability), self.predicted.unit
        margin = np.full(n, np.nan)
        suggested = np.full(n, UNKNOWN)
        probability, of_video = (np.full((n, len(problem.names)), np.nan) for _ in range(2))
        probability[:, kept] = self.probability
        of_video[self.row[:, None], kept] = self.mean[unit]
        suggested[self.row] = kept[self.found.suggested[unit]]
        margin[self.row] = self.found.margin[unit]
        mask = self.wrong() & (margin >= min_margin) & judgement.can_be_judged
        return WrongTags(mask, suggested, margin, probability, of_video, judgement)


@dataclass(frozen=True)
class _Probes:
    """What all fits of one problem share; `groups` are codes of ``rows.group``."""

    rows: TaggedRows
    groups: Ints
    settings: ContradictsSettings
    seed: int

    def compared(self, label: Ints) -> _Compared:
        """Return the last of several fits, each without the claims that the last contradicts."""
        n_classes = int(label.max()) + 1
        result = self._fitted(label, label)
        for _ in range(self.settings.fits - 1):
            cleaned = np.where(result.wrong(), UNKNOWN, label)
            if not judgeable(cleaned, self.groups, n_classes).all():
                break
            result = self._fitted(cleaned, label)
        return result

    def _fitted(self, fitted: Ints, label: Ints) -> _Compared:
        """Return claims beside the predictions of probes that were fitted on some of them."""
        classes = np.arange(int(label.max()) + 1)
        target = np.where(fitted[:, None] == classes, 1.0, 0.0)
        target[fitted == UNKNOWN] = np.nan
        probability = out_of_fold(
            self.rows.features,
            target,
            self.rows.group,
            self.settings.probe,
            video=self.rows.video,
            seed=self.seed,
        )
        row = np.flatnonzero((label != UNKNOWN) & np.isfinite(probability).all(axis=1))
        videos = np.unique(self.rows.video[row], return_inverse=True)[1]
        keys = videos * len(classes) + label[row]
        first, unit = np.unique(keys, return_index=True, return_inverse=True)[1:]
        predicted = Predicted(probability[row], label[row], unit, self.groups[row])
        mean = mean_by(unit, predicted.probability)
        found = find_contradictions(mean, predicted.label[first])
        return _Compared(probability, row, predicted, mean, found)
