"""How much a random split of frames would flatter: nearest neighbours inside and outside groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints, Strings

MOST_MOMENTS = 2000
"""So many moments, spread evenly, are compared: the cost grows with their square."""
_BLOCK = 256


@dataclass(frozen=True)
class LeakTest:
    """Accuracy of the class of the nearest neighbour, which needs no training.

    Attributes:
        random: the neighbour may be of the same video, as with a random split of frames.
        by_group: the neighbour is of another group of videos, as with a split by groups.
        moments: how many were compared.
        groups: how many groups they are of.
    """

    random: float
    by_group: float
    moments: int
    groups: int


def leak_test(features: Floats, class_id: Ints, group: Strings) -> LeakTest | None:
    """Return the accuracy of nearest neighbours, None with fewer than two groups or classes.

    Args:
        features: ``(n, d)`` unit vectors of moments.
        class_id: ``(n,)`` the class of each.
        group: ``(n,)`` the group of each.
    """
    if len(np.unique(group)) < 2 or len(np.unique(class_id)) < 2:  # noqa: PLR2004 -- a pair
        return None
    n = min(MOST_MOMENTS, len(features))
    at = np.linspace(0, len(features) - 1, n).round().astype(int)
    features, class_id, group = features[at], class_id[at], group[at]
    parts = list(_blocks(features, class_id, np.unique(group, return_inverse=True)[1]))
    random, apart = (np.concatenate(column) for column in zip(*parts, strict=True))
    return LeakTest(float(random.mean()), float(apart.mean()), n, len(np.unique(group)))


def _blocks(features: Floats, class_id: Ints, group: Ints) -> Iterator[tuple[Bools, Bools]]:
    """Yield for blocks of moments whether the nearest neighbours are of the same class."""
    for start in range(0, len(features), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(features)))
        near: NDArray[np.float32] = features[rows] @ features.T
        near[np.arange(len(rows)), rows] = -np.inf
        random = class_id[near.argmax(axis=1)] == class_id[rows]
        near[group[rows][:, None] == group] = -np.inf
        yield random, class_id[near.argmax(axis=1)] == class_id[rows]
