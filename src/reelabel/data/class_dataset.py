"""A data set of classes: moments of videos, their pictures and what is claimed of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reelabel.data.boxes import Floats, Strings
from reelabel.data.classes import Moments


@dataclass(frozen=True, eq=False)
class ClassDataset:
    """What a classifier learns from or is judged by.

    Attributes:
        classes: class names; the columns of `target`.
        exclusive: True if exactly one class is right; else each class is a question of its own.
        moments: ``(n,)`` frames, or windows of frames.
        pictures: ``n`` tuples of picture files in order of time, one for a frame; relative paths.
        target: ``(n, k)`` float32: 1 the class is right, 0 it is not, NaN unknown.
        weight: ``(n,)`` float32, at least 0: the share of each moment in the loss.
        group: ``(n,)`` strings; moments of one group never stand on two sides of a split.
        step_s: seconds between the pictures of a window; 0 for single frames.

    Raises:
        ValueError: if the lengths differ, or a target is neither 0, 1 nor NaN.
    """

    classes: tuple[str, ...]
    exclusive: bool
    moments: Moments
    pictures: tuple[tuple[str, ...], ...]
    target: Floats
    weight: Floats
    group: Strings
    step_s: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.moments)
        lengths = {len(self.pictures), len(self.target), len(self.weight), len(self.group)}
        if lengths != {n} or self.target.shape != (n, len(self.classes)):
            raise ValueError(
                f"expected {n} rows of {len(self.classes)} classes, but got lengths "
                f"{sorted(lengths)} and targets of shape {self.target.shape}"
            )
        if not np.isin(self.target[~np.isnan(self.target)], (0, 1)).all():
            raise ValueError("expected targets of 0, 1 or NaN")

    def __len__(self) -> int:
        """Return the number of moments."""
        return len(self.moments)

    def __getitem__(self, at: Any) -> ClassDataset:
        """Return the moments of a mask ``(n,)`` or of positions."""
        chosen = np.arange(len(self))[at]
        return ClassDataset(
            self.classes,
            self.exclusive,
            self.moments[chosen],
            tuple(self.pictures[i] for i in chosen),
            self.target[chosen],
            self.weight[chosen],
            self.group[chosen],
            self.step_s,
        )

    def in_group(self, name: str) -> ClassDataset:
        """Return these moments as members of one group."""
        return replace(self, group=np.full(len(self), name))

    def names_at(self, number: int) -> Iterator[str]:
        """Yield the names of the classes that are right at a moment."""
        for name, value in zip(self.classes, self.target[number], strict=True):
            if value == 1:
                yield name

    @classmethod
    def joined(cls, parts: Sequence[ClassDataset]) -> ClassDataset:
        """Return the moments of several parts of the same classes, at least one, in order."""
        return cls(
            parts[0].classes,
            parts[0].exclusive,
            Moments.joined(part.moments for part in parts),
            tuple(pictures for part in parts for pictures in part.pictures),
            np.concatenate([part.target for part in parts]),
            np.concatenate([part.weight for part in parts]),
            np.concatenate([part.group for part in parts]),
            max(part.step_s for part in parts),
        )

    @classmethod
    def empty(cls, classes: Sequence[str], *, exclusive: bool = True) -> ClassDataset:
        """Return a data set without moments."""
        target, weight = np.zeros((0, len(classes)), np.float32), np.zeros(0, np.float32)
        group = np.array([], np.str_)
        return cls(tuple(classes), exclusive, Moments.empty(), (), target, weight, group)
