"""Labels between tables and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from reelabel.data.boxes import Boxes, Placement, read_only
from reelabel.data.dataset import ImageEntry
from reelabel.labels.merging import Labels
from reelabel.tables import LABELS, Row
from reelabel.tables.boxes import box_columns, boxes_of
from reelabel.tables.columns import Texts, equal_texts, repeated_text, texts_of

READ_LABELS = tuple(
    name for name in LABELS.schema.names if name not in {"video_id", "frame_index", "reason"}
)
"""The columns of the table `labels` that a data set is made of."""


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
        _texts(table, "rule"),
        _texts(table, "reason"),
    )


def _texts(table: pa.Table, name: str) -> Texts:
    known = name in table.column_names
    return texts_of(table, name) if known else equal_texts("imported", len(table))


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
    columns = [table.select(["pts", "frame_index"]) for table in sources]
    pts, position = (column.to_numpy() for column in pa.concat_tables(columns).columns)
    known, first = np.unique(pts, return_index=True)
    index = position[first][np.searchsorted(known, labels.pts)] if len(labels) else labels.pts
    return LABELS.build({
        **box_columns(labels.boxes, names),
        "video_id": repeated_text(video_id, len(labels)),
        "frame_index": index,
        "round": labels.round,
        "rule": labels.rule,
        "reason": labels.reason,
    })


class FrameBoxes:
    """The labels of one video, frame by frame.

    Args:
        table: its rows of the table `labels`, with the columns `READ_LABELS`.
        names: class names by class id.

    Raises:
        ShardError: if a label is of another class.
    """

    def __init__(self, table: pa.Table, names: Sequence[str]) -> None:
        extra = read_only(np.array(_extra(table), np.object_))
        rows = boxes_of(table, names)
        rows = replace(rows, boxes=replace(rows.boxes, extra=extra))
        if (rows.frame[1:] < rows.frame[:-1]).any():
            rows = rows[np.argsort(rows.frame, kind="stable")]
        self._boxes, self._pts = rows.boxes, rows.frame

    def in_picture(self, frame: Mapping[str, Any]) -> Boxes:
        """Return the labels of a frame in pixels of its written picture.

        Args:
            frame: a row of the table `frames`, which places the picture in the video.

        Returns:
            ``(n,)`` boxes with states and origins; the round and rule of each are its `extra`.
        """
        boxes = self._boxes[slice(*np.searchsorted(self._pts, [frame["pts"], frame["pts"] + 1]))]
        placed = Placement.of_frame(frame).to_picture(boxes.xyxy.astype(np.float64))
        return replace(boxes, xyxy=read_only(placed.astype(np.float32)))


def picture_of(frame: Mapping[str, Any], file_name: str) -> ImageEntry:
    """Return a frame whose picture was written as an entry of a data set.

    Args:
        frame: a row of the table `frames`.
        file_name: of the picture in the data set.
    """
    return ImageEntry(
        file_name=file_name,
        width=frame["width"],
        height=frame["height"],
        video=frame["video_id"],
        frame_index=frame["frame_index"],
        pts=frame["pts"],
        pts_time=frame["time_s"],
    )


def _extra(table: pa.Table) -> list[Row]:
    """Return the round and rule of each row; equal ones are one dictionary."""
    known: dict[tuple[int, str], Row] = {}
    pairs = zip(table["round"].to_pylist(), texts_of(table, "rule").tolist(), strict=True)
    return [known.setdefault(pair, {"round": pair[0], "rule": pair[1]}) for pair in pairs]
