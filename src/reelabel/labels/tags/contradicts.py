"""Labels that contradict out-of-fold probabilities: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR
2021, arXiv 1911.00068). The threshold of a class is the mean probability of that class among the
rows that have its label. A row counts as truly of the most probable class whose threshold it
reaches. The counts, scaled to the number of labels of each class, estimate how many rows of label
i are of class j; as many with the largest margin are pruned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelabel.data.sequence import Bools, Floats, Ints

_ROUNDING = 1e-6
_CERTAIN = 0.9
"""A probability that is confident whatever the mean is: where probes tell classes apart almost
perfectly, half of the wrong labels would lie below the mean by chance."""


@dataclass(frozen=True)
class Contradictions:
    """What `find_contradictions` found.

    Attributes:
        mask: ``(n,)`` bool, True for labels that are probably wrong.
        suggested: ``(n,)`` int64, the most probable class.
        margin: ``(n,)`` float64 in -1..1, probability of the most probable other class less that of
            the label; above 0 where `mask` is True.
    """

    mask: Bools
    suggested: Ints
    margin: Floats


def confident_joint(probability: Floats, label: Ints) -> Ints:
    """Return how many rows of label i are estimated to be of class j: ``(k, k)`` counts.

    Rows add up to the number of labels of each class.

    Args:
        probability: ``(n, k)`` out-of-fold, in 0..1.
        label: ``(n,)`` int64 in 0..k-1.
    """
    k = probability.shape[1]
    labels = np.bincount(label, minlength=k)
    given = label[:, None] == np.arange(k)
    sums = np.where(given, probability, 0).sum(axis=0)
    threshold = np.divide(sums, labels, out=np.full(k, np.inf), where=labels > 0)
    reached = probability >= np.minimum(threshold, _CERTAIN) - _ROUNDING
    likeliest = np.where(reached, probability, -1).argmax(axis=1)
    confident = reached.any(axis=1)
    pairs = label[confident] * k + likeliest[confident]
    counts = np.bincount(pairs, minlength=k * k).reshape(k, k)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    shares = counts / counts.sum(axis=1, keepdims=True)
    return _rounded(shares * labels[:, None])


def _rounded(counts: Floats) -> Ints:
    """Return whole counts with the same row sums: the largest remainders are rounded up."""
    lower = np.floor(counts + _ROUNDING)
    missing = np.rint((counts - lower).sum(axis=1))
    order = np.argsort(lower - counts, axis=1, kind="stable")
    place = np.argsort(order, axis=1)
    result: Ints = (lower + (place < missing[:, None])).astype(np.int64)
    return result


def find_contradictions(probability: Floats, label: Ints) -> Contradictions:
    """Return which labels are probably wrong, pruned by noise rate.

    A label that is itself the most probable class is never among them.

    Args:
        probability: ``(n, k)`` out-of-fold, in 0..1.
        label: ``(n,)`` int64 in 0..k-1.

    Raises:
        ValueError: if shapes do not fit, a probability is not finite, or a label is out of range.
    """
    _check(probability, label)
    rows = np.arange(len(label))
    of_label = probability[rows, label]
    others = probability.copy()
    others[rows, label] = -np.inf
    mask = np.zeros(len(label), bool)
    joint = confident_joint(probability, label)
    for i, j in np.argwhere(joint):
        if i != j:
            of_class = np.flatnonzero(label == i)
            margin = probability[of_class, j] - probability[of_class, i]
            mask[of_class[np.argsort(-margin, kind="stable")[: joint[i, j]]]] = True
    suggested: Ints = probability.argmax(axis=1)
    margin = others.max(axis=1, initial=-1) - of_label
    return Contradictions(mask & (suggested != label), suggested, margin)


def _check(probability: Floats, label: Ints) -> None:
    fits = probability.ndim == 2 and label.shape == probability.shape[:1]  # noqa: PLR2004 -- (n, k)
    if not fits or not np.isfinite(probability).all():
        raise ValueError(
            f"expected finite probabilities (n, k) and labels (n,), but got {probability.shape} "
            f"and {label.shape}"
        )
    if len(label) and not (label.min() >= 0 and label.max() < probability.shape[1]):
        raise ValueError(f"expected labels in 0..{probability.shape[1] - 1}, but some are not")


def mean_by(unit: Ints, values: Floats) -> Floats:
    """Return the mean of the rows ``(n, k)`` of each unit ``(n,)``, numbered from 0: ``(u, k)``.

    >>> mean_by(np.array([0, 1, 1]), np.array([[1.0], [0.0], [0.5]])).tolist()
    [[1.0], [0.25]]
    """
    count = np.bincount(unit)
    sums = [np.bincount(unit, column) for column in values.T]
    result: Floats = np.stack(sums, axis=1) / count[:, None]
    return result
