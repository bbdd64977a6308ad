"""Labels between tables and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from reelabel.data.boxes import Boxes, Placement, Strings
from reelabel.labels.merging import Labels
from reelabel.tables import CORNERS, LABELS
from reelabel.tables.boxes import box_columns, boxes_of


def labels_of(table: pa.Table, names: Sequence[str], round_number: int | None = None) -> Labels:
    """Return the rows of a table of candidates, labels or imported labels.

    Args:
        table: one video's rows.
        names: class names by class id.
        round_number: the round of all rows; None if the table has a column for it.
    """
    rounds = table["round"].to_numpy() if round_number is None else round_number
    return Labels(
        boxes_of(table, names),
        np.full(len(table), rounds).astype(np.int64),
        _strings(table, "rule", "imported"),
        _strings(table, "reason", "imported"),
    )


def _strings(table: pa.Table, name: str, default: str) -> Strings:
    known = name in table.column_names
    return np.array(table[name].to_pylist() if known else [default] * len(table), dtype=str)


def label_table(
    labels: Labels, names: Sequence[str], sources: Sequence[pa.Table], video_id: str
) -> pa.Table:
    """Return labels as the table `labels`.

    Args:
        labels: ``(n,)`` labels of one video.
        names: class names by class id.
        sources: the tables that the labels come from: they know each frame's index.
        video_id: the video.
    """
    index = {
        pts: i
        for table in sources
        for pts, i in zip(table["pts"].to_pylist(), table["frame_index"].to_pylist(), strict=True)
    }
    return LABELS.build({
        **box_columns(labels.boxes, names),
        "video_id": [video_id] * len(labels),
        "frame_index": [index[pts] for pts in labels.pts.tolist()],
        "round": labels.round,
        "rule": labels.rule.tolist(),
        "reason": labels.reason.tolist(),
    })


def boxes_in_picture(
    frame: Mapping[str, Any], labels: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> Boxes:
    """Return the labels of a frame in pixels of its written picture.

    Args:
        frame: a row of the table `frames`, which places the picture in the video.
        labels: rows of the table `labels`.
        names: class names by class id.

    Returns:
        ``(n,)`` boxes with states and origins; the round and rule of each are its `extra`.
    """
    ids = {name: i for i, name in enumerate(names)}
    corners = np.array([[row[key] for key in CORNERS] for row in labels], np.float64)
    extra = [{"round": row["round"], "rule": row["rule"]} for row in labels]
    return Boxes(
        Placement.of_frame(frame).to_picture(corners.reshape(-1, 4)).astype(np.float32),
        np.array([row["score"] for row in labels], np.float32),
        np.array([ids[row["category"]] for row in labels], np.int64),
        state=np.array([row["state"] for row in labels], np.str_),
        origin=np.array([row["origin"] for row in labels], np.str_),
        extra=np.array(extra, np.object_),
    )
