"""True classes as arrays, and the checks of what is scored against them.

A target is ``(n, k)`` float32: 1 where the class is true, 0 where it is not, NaN where it is
unknown. It holds exclusive classes and multi-label ones alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints
from reelabel.data.classes import outside_range
from reelabel.errors import UsageError

UNKNOWN = -1
"""The class id of a moment whose true class is not known."""
_SUM_TOLERANCE = 0.01
"""How far from 1 the probabilities of exclusive classes may sum: half precision rounds so."""


def target_of(class_id: Ints, n_classes: int) -> Floats:
    """Return the target of exclusive classes: ``(n,)`` class ids -> ``(n, k)`` float32.

    Args:
        class_id: the true class of each moment, 0 to ``n_classes - 1``; -1 where it is not known.
        n_classes: how many classes there are.

    Raises:
        UsageError: if a class id is out of range.

    >>> target_of(np.array([1, -1]), 2).tolist()
    [[0.0, 1.0], [nan, nan]]
    """
    outside = (class_id < UNKNOWN) | (class_id >= n_classes)
    if outside.any():
        row = int(outside.argmax())
        raise UsageError(
            f"expected class ids of 0 to {n_classes - 1}, or -1 for unknown, but row {row} has "
            f"{class_id[row]}: use the order of the class names"
        )
    target: Floats = (class_id[:, None] == np.arange(n_classes)).astype(np.float32)
    target[class_id == UNKNOWN] = np.nan
    return target


def class_ids(target: Floats) -> Ints:
    """Return the true class of each moment: ``(n, k)`` -> ``(n,)`` int64, -1 where not known.

    Raises:
        UsageError: if a moment has two true classes, which exclusive classes cannot have.
    """
    true = target == 1
    several = true.sum(axis=1) > 1
    if several.any():
        row = int(several.argmax())
        raise UsageError(
            f"expected one true class in each moment, but row {row} has "
            f"{np.flatnonzero(true[row]).tolist()}: score these classes as multi-label"
        )
    if not target.shape[1]:
        return np.full(len(target), UNKNOWN)
    return np.where(true.any(axis=1), true.argmax(axis=1), UNKNOWN).astype(np.int64)


def known_moments(target: Floats, *, exclusive: bool) -> Bools:
    """Return which moments have truth to be scored against: ``(n, k)`` -> ``(n,)`` bool."""
    if exclusive:
        return class_ids(target) >= 0
    result: Bools = np.isnan(target).sum(axis=1) < target.shape[1]
    return result


def check_scored(probability: NDArray[Any], target: NDArray[Any], *, exclusive: bool) -> None:
    """Check what is scored.

    Args:
        probability: ``(n, k)`` probability of each class, 0..1.
        target: ``(n, k)`` 1, 0 or NaN.
        exclusive: whether each moment has one class, so that rows sum to 1.

    Raises:
        UsageError: if shapes differ, or a value is none of these; it names the first place.
    """
    if np.ndim(probability) != 2 or np.shape(probability) != np.shape(target):  # noqa: PLR2004 -- n, k
        raise UsageError(
            "expected probabilities and a target of one shape (n, k), but got "
            f"{np.shape(probability)} and {np.shape(target)}: give both for the same moments"
        )
    _check_probability(probability)
    _check_target(target)
    if exclusive and probability.shape[1]:
        _check_sums(probability)


def _check_probability(probability: NDArray[Any]) -> None:
    wrong = outside_range(probability)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UsageError(
            f"expected probabilities of 0 to 1, but row {row}, class {column} has "
            f"{probability[row, column]}: give probabilities, not logits "
            f"({int(wrong.sum())} such values)"
        )


def _check_target(target: NDArray[Any]) -> None:
    wrong = ~(np.isnan(target) | (target == 0) | (target == 1))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise UsageError(
            f"expected a target of 1, 0 or NaN, but row {row}, class {column} has "
            f"{target[row, column]}: decide which classes are true"
        )


def _check_sums(probability: NDArray[Any]) -> None:
    total = probability.sum(axis=1)
    wrong = np.abs(total - 1) > _SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        raise UsageError(
            f"expected probabilities of exclusive classes that sum to 1, but row {row} sums to "
            f"{total[row]:.4g}: give a softmax, or score the classes as multi-label"
        )
