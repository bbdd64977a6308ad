"""Linear probes: logistic regression on frozen features, its regularisation chosen by inner folds.

Probes on features of a network that has not seen the tags (Alain and Bengio, "Understanding
intermediate layers using linear classifier probes", 2016). Features are standardised. The
regularisation matters: with wrong tags among few videos, one ten times too weak costs 8 points of
accuracy. It is chosen by the log loss on groups that were left out of the fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.sequence import Bools, Floats, Ints

Features = NDArray[np.floating[Any]]
"""``(n, d)``, finite, of any floating type."""

_CHUNK = 4096
_LEAST_PROBABILITY = 1e-6
_TOLERANCE = 1e-3
_MOST_STEPS = 1000


class ProbeSettings(Settings):
    """How linear probes are fitted and who is predicted by which."""

    folds: int = Field(5, ge=2, le=100)
    """Parts into which groups are dealt; each is predicted by a probe fitted on the others."""
    inner_folds: int = Field(3, ge=2, le=100)
    """Parts of the fitted groups by which the regularisation is chosen."""
    strengths: tuple[float, ...] = Field(
        (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0), min_length=1
    )
    """Inverse regularisation strengths to choose from, in ascending order; every video has the
    weight 1."""
    max_frames: int = Field(10_000, ge=100)
    """Frames that a probe is fitted on at most, spread over classes and videos."""


@dataclass(frozen=True)
class Examples:
    """Labelled rows to fit a probe on.

    Attributes:
        x: ``(n, d)`` features.
        label: ``(n,)`` int64, class of each row.
        group: ``(n,)`` int64; rows of one group are fitted on or predicted together.
        weight: ``(n,)`` float64, above 0.
    """

    x: Features
    label: Ints
    group: Ints
    weight: Floats

    def __getitem__(self, rows: Bools | Ints) -> Examples:
        """Return some of the rows."""
        return Examples(self.x[rows], self.label[rows], self.group[rows], self.weight[rows])


@dataclass(frozen=True)
class Probe:
    """A fitted probe.

    Attributes:
        mean, scale: ``(d,)``, by which features are standardised.
        model: the logistic regression.
        n_classes: how many columns a prediction has.
    """

    mean: Floats
    scale: Floats
    model: Any
    n_classes: int

    @property
    def classes(self) -> Ints:
        """The classes that it was fitted on."""
        found: Ints = self.model.classes_
        return found

    def predict(self, x: Features) -> Floats:
        """Return probabilities ``(n, classes)`` of features ``(n, d)``; 0 for unfitted classes."""
        result = np.zeros((len(x), self.n_classes))
        for start in range(0, len(x), _CHUNK):  # so that memory does not double
            part = slice(start, start + _CHUNK)
            rows = (x[part] - self.mean) / self.scale
            result[part, self.classes] = self.model.predict_proba(rows)
        return result


def deal_groups(group: Ints, label: Ints, folds: int, seed: int = 0) -> Ints:
    """Return a fold 0..folds-1 for each row: groups stay whole, classes are spread evenly.

    A group counts for its rarest class, so that each class is spread over as many folds as it has
    groups.

    Args:
        group: ``(n,)`` int64 from 0, without gaps.
        label: ``(n,)`` int64, class of each row; below 0: unknown.
        folds: how many parts.
        seed: of the order in which the groups of a class are dealt.
    """
    n_groups = int(group.max(initial=-1)) + 1
    of_group = np.full(n_groups, -1)
    pairs = np.unique(np.stack([group, label], axis=1)[label >= 0], axis=0)
    frequency = np.bincount(pairs[:, 1]) if len(pairs) else np.zeros(0, np.int64)
    commonest_first = pairs[np.argsort(-frequency[pairs[:, 1]], kind="stable")]
    of_group[commonest_first[:, 0]] = commonest_first[:, 1]  # the last one written stays
    order = np.random.default_rng(seed).permutation(n_groups)
    order = order[np.argsort(of_group[order], kind="stable")]
    fold = np.empty(n_groups, np.int64)
    fold[order] = np.arange(n_groups) % folds
    result: Ints = fold[group]
    return result


def fit_probe(
    examples: Examples, n_classes: int, settings: ProbeSettings, *, seed: int = 0
) -> Probe:
    """Return a probe fitted on ``(n,)`` examples of at least two classes.

    Args:
        examples: what to fit on.
        n_classes: columns of a prediction.
        settings: see `ProbeSettings`.
        seed: of the inner folds.
    """
    weights = examples.weight / examples.weight.sum()
    mean = weights @ examples.x
    scale = np.sqrt(weights @ (examples.x - mean) ** 2)
    scale[scale < np.finfo(np.float32).tiny] = 1
    standard = Examples(
        (examples.x - mean) / scale, examples.label, examples.group, examples.weight
    )
    best = _best_strength(standard, n_classes, settings, seed)
    *_, model = _path(standard, settings.strengths[: best + 1])
    return Probe(mean, scale, model, n_classes)


def _path(examples: Examples, strengths: Sequence[float]) -> Iterator[Any]:
    """Yield the model at each strength in turn, each fit started from the one before."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 -- slow to import

    model = LogisticRegression(warm_start=True, tol=_TOLERANCE, max_iter=_MOST_STEPS)
    for strength in strengths:
        model.set_params(C=strength)
        model.fit(examples.x, examples.label, sample_weight=examples.weight)
        yield model


def _best_strength(examples: Examples, n_classes: int, settings: ProbeSettings, seed: int) -> int:
    """Return the place of the strength with the least log loss on groups that were left out."""
    names, group = np.unique(examples.group, return_inverse=True)
    folds = min(settings.inner_folds, len(names))
    fold = deal_groups(group, examples.label, folds, seed)
    losses = np.zeros(len(settings.strengths))
    for part in range(folds):
        rest, held = examples[fold != part], examples[fold == part]
        if len(np.unique(rest.label)) > 1:
            losses += [
                _log_loss(Probe(np.zeros(1), np.ones(1), model, n_classes), held)
                for model in _path(rest, settings.strengths)
            ]
    return int(losses.argmin())


def _log_loss(probe: Probe, held: Examples) -> float:
    of_label = probe.predict(held.x)[np.arange(len(held.label)), held.label]
    return float(-held.weight @ np.log(np.maximum(of_label, _LEAST_PROBABILITY)))
