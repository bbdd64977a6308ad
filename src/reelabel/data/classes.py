"""What classifiers judge and what they answer: frames or windows of videos, and probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reelabel.data.boxes import Floats, Ints, Strings


@dataclass(frozen=True, eq=False)
class Moments:
    """What is judged: frames, or windows of frames, of videos.

    Attributes:
        video: ``(n,)`` strings, video ids.
        pts: ``(n,)`` int64, time stamp of the first frame, in the video's time base.
        until_pts: ``(n,)`` int64, time stamp of the last frame; equal to `pts` for a single frame.

    Raises:
        ValueError: if the lengths differ.
    """

    video: Strings
    pts: Ints
    until_pts: Ints

    def __post_init__(self) -> None:
        object.__setattr__(self, "video", np.array(self.video, np.str_))
        object.__setattr__(self, "pts", np.array(self.pts, np.int64))
        object.__setattr__(self, "until_pts", np.array(self.until_pts, np.int64))
        if not len(self.video) == len(self.pts) == len(self.until_pts):
            raise ValueError("expected as many video ids as time stamps")

    def __len__(self) -> int:
        """Return the number of moments."""
        return len(self.video)

    def __getitem__(self, at: Any) -> Moments:
        """Return the moments of a mask, of positions or of a slice."""
        return Moments(self.video[at], self.pts[at], self.until_pts[at])

    @classmethod
    def empty(cls) -> Moments:
        """Return no moments."""
        return cls(np.array([], np.str_), np.array([], np.int64), np.array([], np.int64))

    @classmethod
    def joined(cls, parts: Iterable[Moments]) -> Moments:
        """Return all moments of several parts, in order."""
        parts = [cls.empty(), *parts]
        return cls(
            np.concatenate([part.video for part in parts]),
            np.concatenate([part.pts for part in parts]),
            np.concatenate([part.until_pts for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class Predictions:
    """Class probabilities of moments.

    Attributes:
        moments: ``(n,)``.
        probability: ``(n, k)`` float32 in 0..1; rows sum to 1 where classes are exclusive.

    Raises:
        ValueError: if the lengths differ.
    """

    moments: Moments
    probability: Floats

    def __post_init__(self) -> None:
        n, *rest = self.probability.shape
        if n != len(self.moments) or len(rest) != 1:
            raise ValueError(
                f"expected probabilities of {len(self.moments)} moments, but got the shape "
                f"{self.probability.shape}"
            )

    def __len__(self) -> int:
        """Return the number of moments."""
        return len(self.moments)
