"""dedup  frames -> duplicates  N:n  near-duplicates and the frame that stands for each.

Inside a shot the perceptual hash decides, across all videos the embedding does. The sharpest of
alike frames stays; nothing is chained: a frame is dropped only for one that it resembles itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.dedup import find_duplicates, hash_duplicates
from reelabel.tables import DUPLICATES, EMBEDDINGS, FRAMES

HASH_BITS = 64


class DedupSettings(Settings):
    """How alike two frames must be for one of them to go."""

    enabled: bool = True
    """Whether near-duplicates are looked for at all."""
    max_hash_distance: int = Field(0, ge=0, le=HASH_BITS)
    """Inside a shot: differing bits of the 64-bit perceptual hash, at most."""
    max_part: float = Field(0.006, gt=0)
    """Inside a shot also: largest difference in any one number of the embedding. The hash does not
    see a small thing that moves; it changes few of these numbers, but those much."""
    similarity: float = Field(0.9995, gt=0, le=1)
    """Between shots and between videos: cosine of the embeddings, at least."""


DedupUnit = Unit[DedupSettings, None]


@dataclass(frozen=True)
class Pool:
    """The kept frames of all videos, as columns."""

    video: NDArray[Any]
    pts: NDArray[np.int64]
    shot: NDArray[np.int64]
    hash: NDArray[np.uint64]
    sharpness: NDArray[np.float32]
    vector: NDArray[np.float32]


def dedup(unit: DedupUnit) -> Output:
    """Return the dropped frames of every video, each with the frame that stands for it."""
    s = unit.settings
    shards: dict[str, list[dict[str, Any]]] = {v: [] for v in unit.inputs.video_ids(FRAMES)}
    pool = _pool(unit) if s.enabled else None
    if pool is not None:
        for row in _duplicates(pool, s):
            shards[row["video_id"]].append(row)
    dropped = sum(map(len, shards.values()))
    total = 0 if pool is None else len(pool.pts)
    tables = {v: DUPLICATES.from_rows(rows) for v, rows in shards.items()}
    return Output({"duplicates": tables}, {"frames": total, "dropped": dropped})


def _pool(unit: DedupUnit) -> Pool | None:
    """Bring the kept frames of all videos together, without their pictures."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for video_id, frames in unit.shards(FRAMES):
        rows = frames.filter(pa.compute.field("kept"))
        vectors = unit.rows(EMBEDDINGS, video_id)
        if not len(rows):
            continue
        parts["video"].append(np.full(len(rows), video_id))
        for name in ("pts", "shot", "hash", "sharpness"):
            parts[name].append(rows[name].to_numpy())
        flat = vectors["vector"].combine_chunks().flatten().to_numpy()
        parts["vector"].append(flat.reshape(len(rows), -1))
    if not parts:
        return None
    return Pool(**{name: np.concatenate(columns) for name, columns in parts.items()})


def _duplicates(pool: Pool, s: DedupSettings) -> Iterator[dict[str, Any]]:
    """Yield a row for every frame that goes."""
    itself = np.arange(len(pool.pts))
    shots = _shots(pool)
    by_hash = _inside_shots(pool, shots, s)
    left = np.flatnonzero(by_hash == itself)
    found = find_duplicates(pool.vector[left], s.similarity, priority=pool.sharpness[left])
    leader = by_hash.copy()
    # Inside a shot the hash has spoken: embeddings overlook a small thing that moves.
    elsewhere = shots[left] != shots[left][found.leader]
    leader[left] = np.where(elsewhere, left[found.leader], left)
    leader = _unchained(leader, pool.vector, s.similarity)
    for i in np.flatnonzero(leader != itself):
        hashed = leader[i] == by_hash[i]
        bits = int(pool.hash[i] ^ pool.hash[leader[i]]).bit_count()
        cosine = float(pool.vector[i] @ pool.vector[leader[i]])
        yield {
            "video_id": str(pool.video[i]),
            "pts": int(pool.pts[i]),
            "kept_video_id": str(pool.video[leader[i]]),
            "kept_pts": int(pool.pts[leader[i]]),
            "similarity": 1 - bits / HASH_BITS if hashed else min(cosine, 1.0),
            "rule": "hash" if hashed else "embedding",
        }


def _unchained(
    leader: NDArray[np.int64], vector: NDArray[np.float32], similarity: float
) -> NDArray[np.int64]:
    """Return leaders that all stay: where one goes itself, its follower needs its own likeness."""
    result = leader.copy()
    for i in np.flatnonzero(leader[leader] != leader):
        above = leader[leader[i]]
        result[i] = above if vector[i] @ vector[above] >= similarity else i
    return result


def _shots(pool: Pool) -> NDArray[np.int64]:
    """Return a number for the shot of each frame, across all videos."""
    keys = [f"{v}/{s}" for v, s in zip(pool.video, pool.shot, strict=True)]
    return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def _inside_shots(pool: Pool, groups: NDArray[np.int64], s: DedupSettings) -> NDArray[np.int64]:
    """Return for each frame the one of its own shot that stands for it by hash."""
    leader = np.arange(len(pool.pts))
    order = np.argsort(groups, kind="stable")
    for shot in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        rows = shot
        while len(rows):
            found = hash_duplicates(
                pool.hash[rows], s.max_hash_distance, priority=pool.sharpness[rows]
            )
            above = rows[found.leader]
            near = np.abs(pool.vector[rows] - pool.vector[above]).max(axis=1) <= s.max_part
            leader[rows[near]] = above[near]
            # What differs in its parts finds a leader among its like.
            rows = rows[~near]
    return leader


STAGE = Stage(
    name="dedup",
    arrow=(__doc__ or "").splitlines()[0],
    settings=DedupSettings,
    run=dedup,
    scope="all",
    reads=(FRAMES, EMBEDDINGS),
    writes=(DUPLICATES,),
)
