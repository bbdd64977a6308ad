"""Frames that the tag of their video does not fit: unlike the rest of it, blank, or copied.

Confident learning misses them: a probe is unsure of a title card, not against its tag.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Strings
from reelabel.data.sequence import Bools, Floats, Ints
from reelabel.labels.tags.probe import Features

_TO_SIGMA = 1.4826
"""From a median absolute deviation to the standard deviation of a normal distribution."""
_ROUNDING = 1e-9


class StrangerSettings(Settings):
    """How frames are found that are unlike the rest of their video."""

    enabled: bool = True
    """Doubt the tags of frames that are unlike the rest of their video."""
    deviations: float = Field(5.0, gt=0)
    """Distance from the video's median from which a frame is doubted: so many robust deviations
    above the median distance."""
    min_frames: int = Field(5, ge=3)
    """Videos with fewer frames have no usual distance: nothing of them is doubted."""


class BlankSettings(Settings):
    """How frames are found that show next to nothing."""

    enabled: bool = True
    """Doubt the tags of frames that show next to nothing: black frames, fades, title cards."""
    min_entropy_bits: float = Field(2.75, ge=0, le=8)
    """Least entropy of the grey levels, 0 to 8; footage by night has 3, cards of one colour with
    text 0.2 to 1.8. Lower it for slides and drawings."""
    min_sharpness: float = Field(3.0, ge=0)
    """Least Laplacian variance without its noise part, in squared grey levels; footage has 8 and
    more."""


class CopiedSettings(Settings):
    """How frames are found that videos of different classes share."""

    enabled: bool = True
    """Doubt the tags of near-duplicates in videos of which one claims what another excludes, such
    as the intro of a channel."""


@dataclass(frozen=True)
class Strangers:
    """What `find_strangers` found.

    Attributes:
        mask: ``(n,)`` bool, True for frames unlike the rest of their video.
        distance: ``(n,)`` float64 in 0..2, one less the cosine to the median of the video.
        threshold: ``(n,)`` float64, the distance from which a frame of that video is doubted;
            infinite where the video has too few frames.
    """

    mask: Bools
    distance: Floats
    threshold: Floats


def find_strangers(
    features: Features, video: Strings, settings: StrangerSettings | None = None
) -> Strangers:
    """Return which frames are far from the median of their video.

    The threshold of a video is the median of its distances and a number of robust deviations
    (median absolute deviations, scaled). A video deviates by at least what the median video does:
    where all frames are nearly the same, small differences are none. Works up to the point where
    half of a video is off topic.

    Args:
        features: ``(n, d)``.
        video: ``(n,)``, the video of each frame.
        settings: see `StrangerSettings`; None takes the defaults.
    """
    s = settings or StrangerSettings()
    codes = np.unique(video, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(order) else []
    distance = np.zeros(len(codes))
    for rows in parts:
        distance[rows] = _from_median(features[rows].astype(np.float64))
    usual = np.array([np.median(distance[rows]) for rows in parts])
    spread = np.array([
        _TO_SIGMA * np.median(np.abs(distance[rows] - u))
        for rows, u in zip(parts, usual, strict=True)
    ])
    count = np.array([len(rows) for rows in parts])
    judged = count >= s.min_frames
    floor = float(np.median(spread[judged])) if judged.any() else 0.0
    limit = usual + s.deviations * np.maximum(spread, floor) + _ROUNDING
    threshold = np.where(judged, limit, np.inf)[codes] if parts else np.zeros(0)
    return Strangers(distance > threshold, distance, threshold)


def _from_median(rows: Floats) -> Floats:
    """Return one less the cosine of each row to the median of all."""
    median = np.median(rows, axis=0)
    length = np.linalg.norm(rows, axis=1) * np.linalg.norm(median)
    cosine = np.divide(rows @ median, length, out=np.ones(len(rows)), where=length > 0)
    result: Floats = 1 - np.clip(cosine, -1, 1)
    return result


def find_blank(
    entropy_bits: Floats, sharpness: Floats, settings: BlankSettings | None = None
) -> Bools:
    """Return which frames show next to nothing.

    Args:
        entropy_bits: ``(n,)``, of the grey levels, 0..8.
        sharpness: ``(n,)``, variance of the Laplacian less the share of noise, squared grey levels.
        settings: see `BlankSettings`; None takes the defaults.
    """
    s = settings or BlankSettings()
    blank: Bools = (entropy_bits < s.min_entropy_bits) | (sharpness < s.min_sharpness)
    return blank


@dataclass(frozen=True)
class Copies:
    """What `find_copied` found.

    Attributes:
        mask: ``(n, k)`` bool, True where a moment's claim of a class is excluded by a copy of it.
        shared: ``(n,)`` bool, True for copies of which one claims a class and another excludes it.
        videos: ``(n,)`` int64, in how many videos the frame stands.
        share: ``(n, k)`` float64, share 0..1 of the moment's near-duplicates with a claim about the
            class that exclude it; NaN without such.
    """

    mask: Bools
    shared: Bools
    videos: Ints
    share: Floats


def find_copied(video: Strings, target: Floats, kept_video: Strings, kept_pts: Ints) -> Copies:
    """Return which claims are about frames that also stand in videos that claim the opposite.

    Args:
        video: ``(n,)``, the video of each moment.
        target: ``(n, k)``: 1 the class is claimed, 0 it is claimed not to be there, NaN unknown.
        kept_video: ``(n,)``, the video of the frame that stands for each moment's near-duplicates,
            as in the table ``duplicates``; its own for a frame that was kept.
        kept_pts: ``(n,)``, the time stamp of that frame.
    """
    names = np.unique(kept_video, return_inverse=True)[1]
    keys = np.stack([names, kept_pts], axis=1).reshape(-1, 2)
    cluster = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    codes = np.unique(video, return_inverse=True)[1]
    pairs = np.unique(np.stack([cluster, codes], axis=1), axis=0)
    videos = np.bincount(pairs[:, 0])[cluster] if len(pairs) else np.zeros(0, np.int64)
    against = _per_cluster(cluster, target == 0)
    claims = _per_cluster(cluster, ~np.isnan(target))
    share = np.divide(against, claims, out=np.full(target.shape, np.nan), where=claims > 0)
    divided: Bools = (against > 0) & (claims > against)
    shared: Bools = np.any(divided, axis=1)
    return Copies(divided & (target == 1), shared, videos, share)


def _per_cluster(cluster: Ints, values: Bools) -> Floats:
    """Return for each row and column how many rows of its cluster are True."""
    columns = [np.bincount(cluster, column.astype(np.float64))[cluster] for column in values.T]
    result: Floats = np.stack(columns, axis=1) if len(cluster) else np.zeros(values.shape)
    return result
