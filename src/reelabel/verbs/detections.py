"""Writes what a round's teacher said as text files, one for each video and class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.errors import MissingInput
from reelabel.formats.detections_txt import Block, write_detections
from reelabel.formats.files import safe_stem
from reelabel.media.stream import scan
from reelabel.tables import DETECTIONS, xyxy_of
from reelabel.workspace import Workspace


def export_detections(workspace: Workspace, folder: Path, number: int | None) -> list[Path]:
    """Write the detections of a round and return the files.

    Every frame of a video has its block; one that the teacher did not look at holds no box. With
    one class the files lie in the folder itself, with several in a folder for each.

    Args:
        workspace: a workspace.
        folder: where to write; made if it is not there.
        number: which round; None is the last one that has detections.

    Raises:
        MissingInput: if there are no detections.
    """
    rounds = [n for n in workspace.rounds() if workspace.shards(DETECTIONS, n)]
    rounds = [n for n in rounds if number is None or n == number]
    if not rounds:
        raise MissingInput(f"{workspace.root} has no such detections yet: run  reelabel detect")
    names = {row["video_id"]: row for row in workspace.videos()}
    shards = {
        v: workspace.read(DETECTIONS, v, rounds[-1])
        for v in workspace.shards(DETECTIONS, rounds[-1])
        if v in names
    }
    classes = sorted({c for rows in shards.values() for c in rows["category"].unique().to_pylist()})
    written = []
    for name in classes or [""]:
        home = folder / safe_stem(name) if len(classes) > 1 else folder
        for video_id, rows in shards.items():
            path = home / f"{_stem(names[video_id])}.txt"
            frames = len(scan(workspace.video_path(names[video_id])).pts)
            write_detections(path, _blocks(rows.filter(pc.field("category") == name), frames))
            written.append(path)
    return written


def _stem(video: dict[str, Any]) -> str:
    return f"{safe_stem(Path(video['name']).stem)}-{video['video_id'][:6]}"


def _blocks(rows: pa.Table, frames: int) -> list[Block]:
    """Return the boxes of each frame, ``(n, 5)`` each."""
    xyxy, index = xyxy_of(rows).astype(np.float64), rows["frame_index"].to_numpy()
    sides = xyxy[:, 2:] - xyxy[:, :2]
    boxes = np.column_stack([xyxy[:, :2], sides, rows["score"].to_numpy()])
    order = np.argsort(index, kind="stable")
    count = max(frames, int(index.max(initial=-1)) + 1)
    cuts = np.searchsorted(index[order], np.arange(1, count))
    return np.split(boxes[order], cuts) if count else []
