"""Which claims of tags are doubtful: by what a frame shows, or by what probes predict of a video.

Four rules, in this order; the first that applies to a claim decides:

- ``blank``: the frame shows next to nothing.
- ``copied``: the same frame is in a video that excludes the class.
- ``stranger``: the frame is unlike the rest of its video.
- ``contradicts``: probes that were fitted without the video contradict its tag (confident learning
  on the mean of its frames).

Frames that one of the first three doubts take no part in the fourth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reelabel.config import Settings
from reelabel.data.boxes import Strings
from reelabel.data.sequence import Floats, Ints
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.labels.tags.claims import (
    CONTRADICTS,
    DoubtfulClaims,
    TaggedMoments,
    check_moments,
)
from reelabel.labels.tags.folds import UNKNOWN, conflicting_videos, exclusive_labels
from reelabel.labels.tags.frame_rules import blank_claims, copied_claims, strange_claims
from reelabel.labels.tags.stranger import BlankSettings, CopiedSettings, StrangerSettings
from reelabel.labels.tags.video_tags import (
    ContradictsSettings,
    TaggedRows,
    TagProblem,
    WrongTags,
    find_wrong_tags,
)


class DoubtSettings(Settings):
    """Which tags are doubted, and how each rule finds them."""

    contradicts: ContradictsSettings = ContradictsSettings()
    """Tags of videos that probes, fitted on other videos, contradict."""
    stranger: StrangerSettings = StrangerSettings()
    """Frames that are unlike the rest of their video."""
    blank: BlankSettings = BlankSettings()
    """Frames that show next to nothing."""
    copied: CopiedSettings = CopiedSettings()
    """Frames that videos of different classes share."""


_DEFAULTS = DoubtSettings()


@dataclass(frozen=True)
class Doubts:
    """What `find_doubts` found, one row for each doubtful claim.

    Attributes:
        row: ``(m,)`` int64, the moment; ascending.
        category: ``(m,)``, the class of the claim.
        rule: ``(m,)``: blank, copied, stranger or contradicts.
        margin: ``(m,)`` float64, how far beyond the rule's limit, in the rule's own unit.
        suggested: ``(m,)``, the class that is more probable; empty if none is.
        reason: ``(m,)``, in words with values.
        judgements: how well the probes do: one for exclusive classes, else one for each class;
            none if the rule is off.
        probability: ``(n, k)`` of each class, out of fold; NaN where not predicted.
        conflicting: names of videos that are left out because they claim exclusive classes.
    """

    row: Ints
    category: Strings
    rule: Strings
    margin: Floats
    suggested: Strings
    reason: Strings
    judgements: tuple[Judgement, ...]
    probability: Floats
    conflicting: Strings


def find_doubts(
    moments: TaggedMoments,
    settings: DoubtSettings = _DEFAULTS,
    *,
    exclusive: bool = True,
    seed: int = 0,
) -> Doubts:
    """Return which claims about ``(n,)`` moments are doubtful, each by one rule.

    Args:
        moments: with ``(n, d)`` features and ``(n, k)`` targets.
        settings: see `DoubtSettings`.
        exclusive: whether a moment is of one class at most. Then a claim of one excludes the
            others, and videos that claim two at once are left out.
        seed: of the folds.

    Raises:
        UsageError: if shapes do not fit or features are not finite.
    """
    check_moments(moments)
    no_videos: Strings = np.array([], np.str_)
    conflicting = conflicting_videos(moments.video, moments.target) if exclusive else no_videos
    target = _used_target(moments, conflicting, exclusive)
    found = list(_frame_rules(moments, target, settings))
    on_topic = np.ones(len(target), bool)
    for rule in found:
        on_topic &= ~rule.frames
    rows = TaggedRows(moments.features, moments.video, moments.group, on_topic)
    problems = list(_problems(moments, target, exclusive)) if settings.contradicts.enabled else []
    wrong = [find_wrong_tags(p, rows, settings.contradicts, seed=seed) for p in problems]
    found += [_contradicted(*pair, moments.classes) for pair in zip(problems, wrong, strict=True)]
    probability = _probabilities(problems, wrong, moments)
    judgements = tuple(w.judgement for w in wrong)
    return _doubts(
        found,
        moments.classes,
        judgements=judgements,
        probability=probability,
        conflicting=conflicting,
    )


def _used_target(moments: TaggedMoments, conflicting: Strings, exclusive: bool) -> Floats:
    """Return targets without conflicting videos; a claim of an exclusive class excludes others."""
    target = moments.target.astype(np.float64)
    target[np.isin(moments.video, conflicting)] = np.nan
    claimed = (target == 1).any(axis=1)
    if exclusive:
        target[claimed] = np.nan_to_num(target[claimed])
    return target


def _frame_rules(
    moments: TaggedMoments, target: Floats, s: DoubtSettings
) -> Iterator[DoubtfulClaims]:
    """Yield what the rules about single frames doubt."""
    if s.blank.enabled:
        yield from blank_claims(moments, target, s.blank)
    if s.copied.enabled:
        yield from copied_claims(moments, target)
    if s.stranger.enabled:
        yield from strange_claims(moments, target, s.stranger)


def _problems(moments: TaggedMoments, target: Floats, exclusive: bool) -> Iterator[TagProblem]:
    """Yield one problem for exclusive classes, else one for each class."""
    if exclusive:
        yield TagProblem("", moments.classes, exclusive_labels(target))
        return
    for name, column in zip(moments.classes, target.T, strict=True):
        label = np.where(np.isnan(column), UNKNOWN, column).astype(np.int64)
        yield TagProblem(name, ("", name), label)


def _contradicted(
    problem: TagProblem, wrong: WrongTags, classes: tuple[str, ...]
) -> DoubtfulClaims:
    """Return the claims that probes contradict."""
    label = problem.label
    own = classes.index(problem.category) if problem.category else label
    mask = wrong.mask[:, None] & (np.arange(len(classes)) == np.reshape(own, (-1, 1)))

    def reason(i: int, _: int) -> str:
        names = [name or f"not {problem.category}" for name in problem.names]
        pair = (label[i], wrong.suggested[i])
        shown = " but ".join(f"{names[c]} {wrong.of_video[i, c]:.2f}" for c in pair)
        return f"tagged {shown} in the mean of the video, by probes fitted without it"

    suggested = np.array(problem.names, np.str_)[wrong.suggested]
    return DoubtfulClaims(CONTRADICTS, wrong.mask, mask, wrong.margin, suggested, reason)


def _probabilities(
    problems: list[TagProblem], wrong: list[WrongTags], moments: TaggedMoments
) -> Floats:
    """Return the probability of each class for each moment, NaN where it was not predicted."""
    result = np.full(moments.target.shape, np.nan)
    for problem, found in zip(problems, wrong, strict=True):
        for name, column in zip(problem.names, found.probability.T, strict=True):
            if name:
                result[:, moments.classes.index(name)] = column
    return result


def _doubts(
    found: list[DoubtfulClaims],
    classes: tuple[str, ...],
    *,
    judgements: tuple[Judgement, ...],
    probability: Floats,
    conflicting: Strings,
) -> Doubts:
    """Return the doubtful claims, each by the first rule that doubts it."""
    first = np.full(probability.shape, len(found))
    for number, rule in reversed(list(enumerate(found))):
        first[rule.mask] = number
    row, column = np.nonzero(first < len(found))
    rules = [found[number] for number in first[row, column]]
    places = list(zip(rules, row.tolist(), column.tolist(), strict=True))
    return Doubts(
        row=row,
        category=np.array(classes, np.str_)[column],
        rule=np.array([rule.rule for rule in rules], np.str_),
        margin=np.array([rule.margin[i] for rule, i, _ in places], np.float64),
        suggested=np.array([rule.suggested[i] for rule, i, _ in places], np.str_),
        reason=np.array([rule.reason(i, j) for rule, i, j in places], np.str_),
        judgements=judgements,
        probability=probability,
        conflicting=conflicting,
    )
