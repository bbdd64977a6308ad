"""Boxes between tables and memory: class names become ids here, and names again here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.boxes import Boxes, read_only
from reelabel.data.sequence import BoxSequence, Ints
from reelabel.errors import ShardError
from reelabel.tables.base import xyxy_columns, xyxy_of
from reelabel.tables.columns import chosen_texts, strings_of


def class_names(*tables: pa.Table) -> tuple[str, ...]:
    """Return the class names of some tables, each once, in alphabetical order."""
    found = {name for table in tables for name in pc.unique(table["category"]).to_pylist()}
    return tuple(sorted(found))


def boxes_of(table: pa.Table, names: Sequence[str]) -> BoxSequence:
    """Return the boxes of a table, with its time stamps as frames.

    Args:
        table: one video's rows of any table of boxes.
        names: class names; a box's class id is the position of its name.

    Returns:
        ``(rows,)`` boxes in the order of the rows; states and origins are set if the table has
        these columns, scores that are null are NaN; in a table without scores they are 1.

    Raises:
        ShardError: if a class name is not among `names`.
        ValueError: if a box is not finite or has a negative size.
    """
    has = set(table.column_names)
    boxes = Boxes(
        xyxy=read_only(xyxy_of(table)),
        score=table["score"].to_numpy() if "score" in has else np.ones(len(table), np.float32),
        class_id=read_only(_class_ids(table, names)),
        track_id=table["track_id"].to_numpy() if "track_id" in has else None,
        state=read_only(strings_of(table, "state")) if "state" in has else None,
        origin=read_only(strings_of(table, "origin")) if "origin" in has else None,
    )
    return BoxSequence(table["pts"].to_numpy(), boxes)


def box_columns(boxes: BoxSequence, names: Sequence[str]) -> dict[str, object]:
    """Return boxes as the columns that tables of boxes share.

    Args:
        boxes: ``(n,)`` boxes with time stamps as frames.
        names: class names by class id.

    Returns:
        ``pts``, ``category``, ``score``, the four sides, and ``state`` and ``origin`` if the boxes
        have them.
    """
    columns: dict[str, object] = {
        "pts": boxes.frame,
        "category": chosen_texts(names, boxes.class_id),
        "score": boxes.score,
        **xyxy_columns(boxes.xyxy),
    }
    for name in ("state", "origin"):
        values = getattr(boxes.boxes, name)
        columns |= {} if values is None else {name: values}
    return columns


def _class_ids(table: pa.Table, names: Sequence[str]) -> Ints:
    found = pc.index_in(table["category"], value_set=pa.array(names, pa.string()))
    if found.null_count:
        unknown = sorted(set(table["category"].to_pylist()) - set(names))
        raise ShardError(f"expected boxes of the classes {list(names)}, but got {unknown}")
    result: Ints = found.to_numpy().astype(np.int64)
    return result
