"""What a classifier judges, and the class probabilities that it gives.

A moment is a frame or a window of frames, so that classifiers of frames and of clips share every
type, table and metric.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints, Strings, freeze_array

ROUNDING = 1e-5
"""Probabilities may leave 0..1 by this much: the rounding of float32 sums."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Frames, or windows of frames, of any number of videos.

    Attributes:
        video: ``(n,)`` video ids.
        pts: ``(n,)`` int64, the first frame's time stamp.
        until_pts: ``(n,)`` int64, the last frame's time stamp; equal to ``pts`` for a frame.

    The arrays are read-only copies. Index with a mask, with positions or with a slice to select.

    Raises:
        ValueError: if the lengths do not agree, or a moment ends before it begins.
    """

    video: Strings
    pts: Ints
    until_pts: Ints

    def __post_init__(self) -> None:
        n = len(self.video)
        freeze_array(self, "video", np.str_, (n,))
        freeze_array(self, "pts", np.int64, (n,))
        freeze_array(self, "until_pts", np.int64, (n,))
        ends_early = self.until_pts < self.pts
        if ends_early.any():
            row = int(ends_early.argmax())
            raise ValueError(
                f"until_pts must not be less than pts, but {_place(self, row)} ends at "
                f"{self.until_pts[row]}"
            )

    @classmethod
    def empty(cls) -> Moments:
        """Return no moments."""
        return cls(np.zeros(0, np.str_), np.zeros(0, np.int64), np.zeros(0, np.int64))

    @classmethod
    def joined(cls, parts: Iterable[Moments]) -> Moments:
        """Return the moments of all parts, in order."""
        parts = [cls.empty(), *parts]
        return cls(
            np.concatenate([part.video for part in parts]),
            np.concatenate([part.pts for part in parts]),
            np.concatenate([part.until_pts for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.video)

    def __getitem__(self, which: NDArray[Any] | slice) -> Moments:
        return Moments(self.video[which], self.pts[which], self.until_pts[which])

    def ids(self) -> list[tuple[str, int, int]]:
        """Return video, first and last time stamp of each moment, which identify it."""
        columns = (self.video.tolist(), self.pts.tolist(), self.until_pts.tolist())
        return list(zip(*columns, strict=True))

    def rows_of(self, wanted: Moments) -> Ints:
        """Return the row of each wanted moment ``(m,)``, -1 where it is not there."""
        at = {key: i for i, key in enumerate(self.ids())}
        return np.array([at.get(key, -1) for key in wanted.ids()], np.int64)

    def __eq__(self, other: object) -> bool:
        """Tell whether they are the same moments in the same order."""
        if not isinstance(other, Moments):
            return NotImplemented
        return (
            np.array_equal(self.video, other.video)
            and np.array_equal(self.pts, other.pts)
            and np.array_equal(self.until_pts, other.until_pts)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def __repr__(self) -> str:
        return f"Moments({len(self)} of {len(np.unique(self.video))} videos)"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of moments.

    Attributes:
        moments: ``(n,)`` what was judged.
        probability: ``(n, k)`` float32 in 0..1 for each class; rows sum to 1 where classes are
            exclusive. Class names travel beside it.

    The array is a read-only copy. Index with a mask, with positions or with a slice to select.

    Raises:
        ValueError: if the shapes do not agree, or a probability is NaN or outside 0..1.
    """

    moments: Moments
    probability: Floats

    def __post_init__(self) -> None:
        columns = np.shape(self.probability)[1:]
        if len(columns) != 1:
            raise ValueError(
                f"probability must have shape (n, k), but got {np.shape(self.probability)}"
            )
        freeze_array(self, "probability", np.float32, (len(self.moments), *columns))
        wrong = outside_range(self.probability)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise ValueError(
                f"probability must lie in 0..1, but {_place(self.moments, row)}, class {column} "
                f"has {self.probability[row, column]}"
            )

    @classmethod
    def empty(cls, n_classes: int) -> Predictions:
        """Return the predictions of no moments."""
        return cls(Moments.empty(), np.zeros((0, n_classes), np.float32))

    @classmethod
    def joined(cls, parts: Iterable[Predictions]) -> Predictions:
        """Return the predictions of all parts, in order; at least one part.

        Raises:
            ValueError: if there is no part, or the numbers of classes differ.
        """
        parts = list(parts)
        return cls(
            Moments.joined(part.moments for part in parts),
            np.concatenate([part.probability for part in parts]),
        )

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return int(self.probability.shape[1])

    def __len__(self) -> int:
        return len(self.moments)

    def __getitem__(self, which: NDArray[Any] | slice) -> Predictions:
        return Predictions(self.moments[which], self.probability[which])

    def of(self, moments: Moments) -> Predictions:
        """Return those of some moments, in their order.

        Raises:
            KeyError: if a moment has none.
        """
        rows = self.moments.rows_of(moments)
        if (rows < 0).any():
            raise KeyError(_place(moments, int(rows.argmin())))
        return self[rows]

    def __eq__(self, other: object) -> bool:
        """Tell whether they are equal probabilities of the same moments in the same order."""
        if not isinstance(other, Predictions):
            return NotImplemented
        same = np.array_equal(self.probability, other.probability)
        return same and self.moments == other.moments

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash

    def __repr__(self) -> str:
        return f"Predictions({len(self)} moments, {self.n_classes} classes)"


def outside_range(probability: NDArray[Any]) -> Bools:
    """Return which values are NaN or outside 0..1 beyond rounding: ``(n, k)`` -> ``(n, k)``."""
    inside = (probability >= -ROUNDING) & (probability <= 1 + ROUNDING)
    result: Bools = ~inside
    return result


def _place(moments: Moments, row: int) -> str:
    """Return where a moment is, in words."""
    return f"row {row} (video {moments.video[row]}, pts {moments.pts[row]})"
