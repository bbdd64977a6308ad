"""Near-duplicate frames across all videos, and the frame that stands for each.

Inside a shot the perceptual hash decides, between shots and videos the embedding. The sharpest of
similar frames stays; nothing is chained: a frame is dropped only for one that it resembles itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.labels.dedup import Bools, Floats, Ints, find_duplicates, hash_duplicates

HASH_BITS = 64


class DedupSettings(Settings):
    """How similar two frames must be for one of them to be dropped."""

    enabled: bool = True
    """Whether near-duplicates are searched at all."""
    max_hash_distance: int = Field(0, ge=0, le=HASH_BITS)
    """Inside a shot: differing bits of the 64-bit perceptual hash, at most."""
    max_part: float = Field(0.006, gt=0)
    """Inside a shot also: largest difference in any one number of the embedding. The hash does not
    change with a small thing that moves; few of these numbers do, but those much."""
    similarity: float = Field(0.9995, gt=0, le=1)
    """Between shots and between videos: cosine of the embeddings, at least."""


@dataclass(frozen=True)
class FramePool:
    """The kept frames of all videos, as columns.

    Attributes:
        video: ``(n,)`` strings; pts: ``(n,)`` int64; shot: ``(n,)`` int64 within the video.
        hash: ``(n,)`` uint64 perceptual hashes.
        sharpness: ``(n,)`` float32, the higher is kept.
        vector: ``(n, d)`` float32 embeddings of length 1.
    """

    video: NDArray[Any]
    pts: Ints
    shot: Ints
    hash: NDArray[np.uint64]
    sharpness: Floats
    vector: Floats


@dataclass(frozen=True)
class FrameDuplicates:
    """Which frame stands for each.

    Attributes:
        leader: ``(n,)`` int64, the row that stands for each row; itself if it is kept.
        by_hash: ``(n,)`` bool, whether the hash decided; the embedding did otherwise.
        similarity: ``(n,)`` float64 in -1..1, to the leader: share of equal bits, or cosine.
    """

    leader: Ints
    by_hash: Bools
    similarity: NDArray[np.float64]

    @property
    def dropped(self) -> Ints:
        """Return the rows for which another stands, ascending."""
        return np.flatnonzero(self.leader != np.arange(len(self.leader)))


_DEFAULTS = DedupSettings()


def frame_duplicates(pool: FramePool, settings: DedupSettings = _DEFAULTS) -> FrameDuplicates:
    """Return for each of ``(n,)`` frames the kept one that stands for it."""
    shots = _shot_numbers(pool)
    in_shot = _inside_shots(pool, shots, settings)
    left = np.flatnonzero(in_shot == np.arange(len(pool.pts)))
    found = find_duplicates(pool.vector[left], settings.similarity, priority=pool.sharpness[left])
    leader = in_shot.copy()
    # Inside a shot the hash has decided: embeddings overlook a small thing that moves.
    elsewhere = shots[left] != shots[left][found.leader]
    leader[left] = np.where(elsewhere, left[found.leader], left)
    leader = _unchained(leader, pool.vector, settings.similarity)
    return FrameDuplicates(leader, leader == in_shot, _similarity(pool, leader, in_shot))


def _similarity(pool: FramePool, leader: Ints, in_shot: Ints) -> NDArray[np.float64]:
    """Return how similar each frame is to its leader, by what decided."""
    result: NDArray[np.float64] = 1 - np.bitwise_count(pool.hash ^ pool.hash[leader]) / HASH_BITS
    for i in np.flatnonzero(leader != in_shot):
        result[i] = min(float(pool.vector[i] @ pool.vector[leader[i]]), 1.0)
    return result


def _unchained(leader: Ints, vector: Floats, similarity: float) -> Ints:
    """Return leaders that all stay: where one goes itself, its follower must resemble the next."""
    result = leader.copy()
    for i in np.flatnonzero(leader[leader] != leader):
        above = leader[leader[i]]
        result[i] = above if vector[i] @ vector[above] >= similarity else i
    return result


def _shot_numbers(pool: FramePool) -> Ints:
    """Return a number for the shot of each frame, across all videos."""
    keys = [f"{v}/{s}" for v, s in zip(pool.video, pool.shot, strict=True)]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _inside_shots(pool: FramePool, shots: Ints, settings: DedupSettings) -> Ints:
    """Return for each frame the one of its own shot that stands for it by hash."""
    leader = np.arange(len(pool.pts))
    order = np.argsort(shots, kind="stable")
    for shot in np.split(order, np.flatnonzero(np.diff(shots[order])) + 1):
        rows = shot
        while len(rows):
            found = hash_duplicates(
                pool.hash[rows], settings.max_hash_distance, priority=pool.sharpness[rows]
            )
            above = rows[found.leader]
            near = np.abs(pool.vector[rows] - pool.vector[above]).max(axis=1) <= settings.max_part
            leader[rows[near]] = above[near]
            # Frames that differ in one number are compared among themselves.
            rows = rows[~near]
    return leader
