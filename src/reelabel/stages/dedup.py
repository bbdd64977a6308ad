"""dedup  frames -> duplicates, copies  N:n  near-duplicates, and videos that show the same.

Inside a shot the perceptual hash decides, across all videos the embedding does. The sharpest of
similar frames stays; nothing is chained: a frame is dropped only for one that it resembles itself.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.copies import UNKNOWN, Seen, find_copies
from reelabel.labels.frames import DedupSettings, FramePool, frame_duplicates
from reelabel.tables import COPIES, DUPLICATES, EMBEDDINGS, FRAMES, VIDEOS, Row
from reelabel.tables.footage import signatures_of

DedupUnit = Unit[DedupSettings, None]


def dedup(unit: DedupUnit) -> Output:
    """Return the dropped frames of every video, each with the frame that stands for it."""
    rows: dict[str, list[Row]] = {v: [] for v in unit.inputs.readable_ids(FRAMES)}
    pool = _pool(unit) if unit.settings.enabled else None
    for row in _dropped(pool, unit.settings) if pool is not None else ():
        rows[row["video_id"]].append(row)
    counts = {
        "frames": 0 if pool is None else len(pool.pts),
        "dropped": sum(map(len, rows.values())),
    }
    copies = _copies(unit)
    counts["copies"] = sum(row["kind"] != UNKNOWN for found in copies.values() for row in found)
    tables = {"duplicates": (DUPLICATES, rows), "copies": (COPIES, copies)}
    return Output(
        {
            name: {v: table.from_rows(found) for v, found in by_video.items()}
            for name, (table, by_video) in tables.items()
        },
        counts,
    )


def _copies(unit: DedupUnit) -> dict[str, list[Row]]:
    """Return by video the rows on others that show the same, whatever their encoding is.

    One without any signature has a row that states so.
    """
    names = {video.video_id: video.name for video in unit.inputs.videos}
    videos = {
        video_id: Seen(names.get(video_id, video_id), signatures_of(frames))
        for video_id, frames in unit.readable_shards(FRAMES)
    }
    unknown = {"other_video_id": "", "kind": UNKNOWN, "similarity": 0.0}
    rows: dict[str, list[Row]] = {
        video_id: [] if len(seen.frames) else [unknown | {"video_id": video_id}]
        for video_id, seen in videos.items()
    }
    for one in find_copies(videos):
        rows[one.first].append({
            "video_id": one.first,
            "other_video_id": one.second,
            "kind": one.kind,
            "similarity": one.similarity,
        })
    return rows


def _pool(unit: DedupUnit) -> FramePool | None:
    """Collect the kept frames of all videos, without their pictures."""
    parts: dict[str, list[Any]] = defaultdict(list)
    for video_id, frames in unit.readable_shards(FRAMES):
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


def _dropped(pool: FramePool, settings: DedupSettings) -> list[Row]:
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
    reads=(VIDEOS, FRAMES, EMBEDDINGS),
    writes=(DUPLICATES, COPIES),
    version=3,
)
