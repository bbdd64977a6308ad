"""What a model is scored on: frames, clips, or videos, which are never mixed.

Scores of frames are no measure of those of videos, so every score names its level. The prediction
of a video is the mean of the probabilities of its moments, each weighing the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints, Strings
from reelabel.data.classes import Moments, Predictions
from reelabel.errors import UsageError

Level = Literal["frame", "clip", "video"]
"""What one prediction is about."""


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of moments, and which of them are no independent samples.

    Attributes:
        moments: ``(n,)`` frames, clips or videos.
        target: ``(n, k)`` float32, 1 where a class is true, 0 where it is not, NaN where unknown.
        group: ``(n,)`` the group of each moment: its source, or the cluster of duplicates that its
            video belongs to. Moments of one group are alike; a video has one group.

    Raises:
        UsageError: if the lengths do not agree, or a video is in two groups.
    """

    moments: Moments
    target: Floats
    group: Strings

    def __post_init__(self) -> None:
        lengths = len(self.moments), len(self.target), len(self.group)
        if len(set(lengths)) > 1:
            raise UsageError(
                f"expected a target and a group for each of {lengths[0]} moments, but got "
                f"{lengths[1]} and {lengths[2]}: give one row for each moment"
            )
        videos, first, of_video = _videos(self.moments)
        split = self.group != self.group[first][of_video]
        if split.any():
            row = int(split.argmax())
            raise UsageError(
                f"expected one group for each video, but {videos[of_video[row]]} is in "
                f"{self.group[first][of_video[row]]} and {self.group[row]}: join the two"
            )

    @classmethod
    def joined(cls, parts: Sequence[tuple[Moments, Floats, str]], n_classes: int) -> Self:
        """Return what is known of some videos: the moments of each, their targets, its group."""
        empty = np.zeros((0, n_classes), np.float32)
        return cls(
            Moments.joined(moments for moments, _, _ in parts),
            np.concatenate([empty, *(target for _, target, _ in parts)]),
            np.array([group for moments, _, group in parts for _ in range(len(moments))], np.str_),
        )

    def by_video(self) -> Truth:
        """Return what is known of whole videos, in order of their ids.

        A class is true of a video, or false, if it is in all of the moments in which it is known;
        where they differ it is unknown.
        """
        _, first, of_video = _videos(self.moments)
        known = ~np.isnan(self.target)
        means = _means(np.where(known, self.target, 0), of_video, known.astype(np.float64))
        settled = (means == 0) | (means == 1)
        target = np.where(settled, means, np.nan).astype(np.float32)
        return Truth(_whole(self.moments), target, self.group[first])


def level_of(moments: Moments) -> Level:
    """Return "clip" if any moment is a window of frames, "frame" otherwise."""
    return "clip" if (moments.until_pts > moments.pts).any() else "frame"


def by_video(predictions: Predictions) -> Predictions:
    """Return one prediction for each video, in order of their ids: the mean over its moments.

    Its moment lasts from the first of the video's moments to the last.
    """
    _, _, of_video = _videos(predictions.moments)
    weights = np.ones((len(predictions), 1))
    means = _means(predictions.probability, of_video, weights)
    return Predictions(_whole(predictions.moments), means.astype(np.float32))


def _videos(moments: Moments) -> tuple[Strings, Ints, Ints]:
    """Return the videos, the first row of each, and the number of each row's video."""
    return np.unique(moments.video, return_index=True, return_inverse=True)


def _whole(moments: Moments) -> Moments:
    """Return one moment for each video, which spans all of its moments."""
    videos, _, of_video = _videos(moments)
    latest = np.iinfo(np.int64)
    pts, until_pts = np.full(len(videos), latest.max), np.full(len(videos), latest.min)
    np.minimum.at(pts, of_video, moments.pts)
    np.maximum.at(until_pts, of_video, moments.until_pts)
    return Moments(videos, pts, until_pts)


def _means(values: Floats, of_video: Ints, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean of each video's rows: ``(videos, k)``, NaN where none weighs."""
    n_videos = int(of_video.max(initial=-1)) + 1
    total, weight = np.zeros((2, n_videos, values.shape[1]))
    np.add.at(total, of_video, values * weights)
    np.add.at(weight, of_video, np.broadcast_to(weights, values.shape))
    return np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
