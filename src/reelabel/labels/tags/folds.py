"""Out-of-fold class probabilities: each moment is predicted by a probe fitted without its group.

A group is everything that must not be split: a video, its near-duplicates, its source. Folds over
single frames would let a probe recognise the video instead of the class: it then repeats a wrong
tag, and hides it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import Strings
from reelabel.data.sequence import Bools, Floats, Ints
from reelabel.errors import UsageError
from reelabel.labels.tags.probe import Examples, Features, ProbeSettings, deal_groups, fit_probe

UNKNOWN = -1
"""Label of a row without a claim."""
FEWEST_GROUPS = 2
"""Groups of a class below which none of its members can be predicted without it."""

_DEFAULTS = ProbeSettings()


def out_of_fold(
    features: Features,
    target: Floats,
    group: Strings,
    settings: ProbeSettings = _DEFAULTS,
    *,
    exclusive: bool = True,
    video: Strings | None = None,
    seed: int = 0,
) -> Floats:
    """Return the probability of each class for each moment, by probes fitted without its group.

    Moments without a claim are predicted in the same way and fitted on by no probe. The result
    depends on the arguments alone.

    Args:
        features: ``(n, d)`` frozen features; never of a network that was trained on these targets.
        target: ``(n, k)``: 1 the class is claimed, 0 it is claimed not to be there, NaN unknown.
        group: ``(n,)``, what must not be split.
        settings: see `ProbeSettings`. With fewer groups than folds there are fewer folds.
        exclusive: one class per moment: one probe for all classes. Otherwise one probe for each.
        video: ``(n,)``; videos have equal weight. None: groups have.
        seed: of the folds.

    Returns:
        ``(n, k)`` float64 in 0..1; rows add up to 1 where classes are exclusive. NaN where the
        probe of a moment's fold has not met the class that it claims.

    Raises:
        UsageError: if shapes do not fit, a feature is not finite, a moment claims two exclusive
            classes, or a class cannot be judged: it has fewer than two groups of examples, or
            there is only one class.
    """
    _check(features, target, group)
    codes = np.unique(group, return_inverse=True)[1].astype(np.int64)
    units = codes if video is None else np.unique(video, return_inverse=True)[1].astype(np.int64)
    rows = _Rows(features, codes, units, settings, seed)
    if exclusive:
        label = exclusive_labels(target)
        _check_judgeable(judgeable(label, codes, target.shape[1]), exclusive)
        return rows.predicted(label, target.shape[1])
    columns = [np.where(np.isnan(column), UNKNOWN, column).astype(np.int64) for column in target.T]
    for j, label in enumerate(columns):
        _check_judgeable(judgeable(label, codes, 2), exclusive, f" of class {j}")
    return np.stack([rows.predicted(label, 2)[:, 1] for label in columns], axis=1)


def exclusive_labels(target: Floats) -> Ints:
    """Return the claimed class of each row of ``(n, k)`` targets: ``(n,)``, -1 where none is.

    Raises:
        UsageError: if a row claims two.
    """
    claimed = target == 1
    if (claimed.sum(axis=1) > 1).any():
        raise UsageError(
            f"expected one class per moment, but {int((claimed.sum(axis=1) > 1).sum())} claim "
            "several that exclude each other: leave out the videos that conflicting_videos() names"
        )
    label: Ints = np.where(claimed.any(axis=1), claimed.argmax(axis=1), UNKNOWN)
    return label


def conflicting_videos(video: Strings, target: Floats) -> Strings:
    """Return the names of videos ``(n,)`` of which a moment claims two classes of ``(n, k)``."""
    names: Strings = np.unique(video[(target == 1).sum(axis=1) > 1])
    return names


def judgeable(label: Ints, group: Ints, n_classes: int) -> Bools:
    """Return which classes have labels ``(n,)`` in two groups ``(n,)`` or more: ``(classes,)``."""
    known = label >= 0
    pairs = np.unique(np.stack([label[known], group[known]], axis=1), axis=0)
    enough: Bools = np.bincount(pairs[:, 0], minlength=n_classes) >= FEWEST_GROUPS
    return enough


def _check(features: Features, target: Floats, group: Strings) -> None:
    shapes = (features.ndim, target.ndim, features.shape[:1], target.shape[:1])
    if shapes != (2, 2, group.shape, group.shape) or not target.size:
        raise UsageError(
            f"expected features (n, d), targets (n, k) and groups (n,) of at least one moment, but "
            f"got {features.shape}, {target.shape} and {group.shape}"
        )
    if not np.isfinite(features).all():
        raise UsageError("expected finite features, but some are not: leave these moments out")
    if not np.isin(target[~np.isnan(target)], (0, 1)).all():
        raise UsageError("expected targets 1 (claimed), 0 (claimed not) or NaN, but got others")


def _check_judgeable(enough: Bools, exclusive: bool, of: str = "") -> None:
    if enough.all() and len(enough) > 1:
        return
    few = [str(j) for j in np.flatnonzero(~enough)]
    what = "classes" if exclusive else "targets"
    if len(enough) < 2:  # noqa: PLR2004 -- to tell apart
        raise UsageError("expected at least two classes, but got one: there is nothing to compare")
    raise UsageError(
        f"expected examples in at least {FEWEST_GROUPS} groups of each class, but {what} "
        f"{', '.join(few)}{of} have fewer and cannot be judged: tag more videos, or leave them out"
    )


@dataclass(frozen=True)
class _Rows:
    """What all probes of one call share."""

    features: Features
    group: Ints
    video: Ints
    settings: ProbeSettings
    seed: int

    def predicted(self, label: Ints, n_classes: int) -> Floats:
        """Return ``(n, classes)``: each fold predicted by a probe fitted on the others."""
        from threadpoolctl import threadpool_limits  # noqa: PLC0415 -- comes with scikit-learn

        with threadpool_limits(1, "blas"):  # small fits: threads cost more than they gain
            return self._predicted(label, n_classes)

    def _predicted(self, label: Ints, n_classes: int) -> Floats:
        known = label >= 0
        folds = min(self.settings.folds, len(np.unique(self.group[known])))
        fold = deal_groups(self.group, label, folds, self.seed)
        kept = self._thinned(label)
        weight = self._weights(label, kept)
        result = np.full((len(label), n_classes), np.nan)
        for part in range(folds):
            fitted, held = fold[kept] != part, np.flatnonzero(fold == part)
            rows = kept[fitted]
            examples = Examples(
                self.features[rows].astype(np.float64),
                label[rows],
                self.group[rows],
                weight[fitted],
            )
            if len(np.unique(examples.label)) > 1:
                probe = fit_probe(examples, n_classes, self.settings, seed=self.seed)
                met = np.isin(label[held], [*probe.classes, UNKNOWN])
                result[held[met]] = probe.predict(self.features[held[met]])
        return result

    def _thinned(self, label: Ints) -> Ints:
        """Return the rows to fit on: as many of each class, one of each video before a second."""
        known = np.flatnonzero(label >= 0)
        classes = np.unique(label[known])
        if len(known) <= self.settings.max_frames:
            return known
        drawn = np.random.default_rng(self.seed).permutation(known)
        turn = _rank(self.video[drawn])
        drawn = drawn[np.argsort(turn, kind="stable")]
        most = self.settings.max_frames // len(classes)
        kept: Ints = np.sort(drawn[_rank(label[drawn]) < most])
        return kept

    def _weights(self, label: Ints, kept: Ints) -> Floats:
        """Return weights of the kept rows: 1 per video, and per class what all its videos weigh."""
        weight = 1 / np.bincount(self.video[kept])[self.video[kept]]
        for c in np.unique(label[kept]):
            videos = len(np.unique(self.video[label == c]))
            of_class = label[kept] == c
            weight[of_class] *= videos / len(np.unique(self.video[kept][of_class]))
        return weight


def _rank(code: Ints) -> Ints:
    """Return how many equal codes ``(n,)`` stand before each.

    >>> _rank(np.array([3, 3, 1, 3, 1])).tolist()
    [0, 1, 0, 2, 1]
    """
    order = np.argsort(code, kind="stable")
    ordered = code[order]
    first = np.searchsorted(ordered, ordered)
    rank = np.empty(len(code), np.int64)
    rank[order] = np.arange(len(code)) - first
    return rank
