"""dedup  frames -> duplicates  N:n  near-duplicates and the frame that stands for each.

Inside a shot the perceptual hash decides, across all videos the embedding does. The sharpest of
similar frames stays; nothing is chained: a frame is dropped only for one that it resembles itself.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.frames import DedupSettings, FramePool, frame_duplicates
from reelabel.tables import DUPLICATES, EMBEDDINGS, FRAMES

DedupUnit = Unit[DedupSettings, None]


def dedup(unit: DedupUnit) -> Output:
    """Return the dropped frames of every video, each with the frame that stands for it."""
    rows: dict[str, list[dict[str, Any]]] = {v: [] for v in unit.inputs.video_ids(FRAMES)}
    pool = _pool(unit) if unit.settings.enabled else None
    for row in _dropped(pool, unit.settings) if pool is not None else ():
        rows[row["video_id"]].append(row)
    counts = {
        "frames": 0 if pool is None else len(pool.pts),
        "dropped": sum(map(len, rows.values())),
    }
    return Output({"duplicates": {v: DUPLICATES.from_rows(r) for v, r in rows.items()}}, counts)


def _pool(unit: DedupUnit) -> FramePool | None:
    """Collect the kept frames of all videos, without their pictures."""
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
    return FramePool(**{name: np.concatenate(columns) for name, columns in parts.items()})


def _dropped(pool: FramePool, settings: DedupSettings) -> list[dict[str, Any]]:
    """Return a row for every frame that is dropped."""
    found = frame_duplicates(pool, settings)
    return [
        {
            "video_id": str(pool.video[i]),
            "pts": int(pool.pts[i]),
            "kept_video_id": str(pool.video[found.leader[i]]),
            "kept_pts": int(pool.pts[found.leader[i]]),
            "similarity": float(found.similarity[i]),
            "rule": "hash" if found.by_hash[i] else "embedding",
        }
        for i in found.dropped
    ]


STAGE = Stage(
    name="dedup",
    arrow=(__doc__ or "").splitlines()[0],
    settings=DedupSettings,
    run=dedup,
    scope="all",
    reads=(FRAMES, EMBEDDINGS),
    writes=(DUPLICATES,),
)
