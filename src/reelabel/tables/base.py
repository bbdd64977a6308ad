"""What a table is: columns with type, unit and meaning; the columns that tables share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.errors import ShardError

Row = dict[str, Any]
"""One row of a table: column -> value, as Arrow returns it."""

SCHEMA_VERSION = 3
"""Raised when a declaration below changes; part of every shard's fingerprint."""


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its unit (empty if it has none) and what it means."""

    name: str
    type: pa.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True)
class Table:
    """A declared table.

    Attributes:
        name: also the name of its folder.
        columns: in the order in which they are stored.
        where: ``tables`` for what holds for all rounds, ``rounds`` for what each round makes.
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    where: Literal["tables", "rounds"]

    @property
    def schema(self) -> pa.Schema:
        """Return the Arrow schema, with the meanings as field metadata."""
        return pa.schema([pa.field(c.name, c.type) for c in self.columns])

    def build(self, columns: dict[str, object]) -> pa.Table:
        """Return a table of these columns, each cast to its declared type.

        Raises:
            ShardError: if a column is missing, unknown, or holds values of another kind.
        """
        expected = {c.name for c in self.columns}
        if set(columns) != expected:
            missing, unknown = sorted(expected - set(columns)), sorted(set(columns) - expected)
            raise ShardError(
                f"table '{self.name}': expected the columns {sorted(expected)}, "
                f"but {missing} are missing and {unknown} unknown"
            )
        try:
            arrays = [_array(columns[c.name], c.type) for c in self.columns]
            return pa.Table.from_arrays(arrays, schema=self.schema)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as exc:
            raise ShardError(f"table '{self.name}': {exc}") from exc

    def from_rows(self, rows: list[dict[str, object]]) -> pa.Table:
        """Return a table of these rows; a missing key is a null."""
        return self.build({c.name: [row.get(c.name) for row in rows] for c in self.columns})

    def empty(self) -> pa.Table:
        """Return this table without rows."""
        return pa.Table.from_batches([], self.schema)  # `empty_table` would import pandas

    def check(self, schema: pa.Schema, source: str = "") -> None:
        """Check that a table with this schema is what was declared.

        Args:
            schema: of the table.
            source: the file that it comes from, for messages.

        Raises:
            ShardError: if its columns or types differ.
        """
        if schema.remove_metadata() != self.schema:
            raise ShardError(
                f"{source or 'rows'}: expected the table '{self.name}' with the columns "
                f"{self.schema.names}, but got {schema.names}; "
                "delete it, it will be made again"
            )


def joined(table: Table, parts: Iterable[pa.Table]) -> pa.Table:
    """Return the rows of all parts of a declared table, one part after the other.

    A part that has all of the rows is not copied.
    """
    some = [part for part in parts if len(part)] or [table.empty()]
    return some[0] if len(some) == 1 else pa.concat_tables(some).combine_chunks()


def _array(values: object, kind: pa.DataType) -> pa.Array:
    """Return values as an Arrow array of one type."""
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks().cast(kind)
    if isinstance(values, pa.Array):
        return values.cast(kind)
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return pa.array(values).cast(kind)
    return pa.array(values, type=kind)


FRAME = ["video_id", "pts"]
"""The columns that identify a frame."""
CORNERS = ("x1", "y1", "x2", "y2")
"""The columns of a box."""


def xyxy_of(table: pa.Table) -> NDArray[np.float32]:
    """Return the four box columns of a table as ``(n, 4)`` float32."""
    xyxy = np.empty((len(table), 4), np.float32)
    for i, name in enumerate(CORNERS):
        xyxy[:, i] = table[name].to_numpy()
    return xyxy


def xyxy_columns(xyxy: NDArray[np.float32]) -> dict[str, object]:
    """Return ``(n, 4)`` boxes as the four box columns."""
    return {name: xyxy[:, i] for i, name in enumerate(CORNERS)}


TEXT, INT64, INT32, FLOAT64, FLOAT32, BOOL = (
    pa.string(),
    pa.int64(),
    pa.int32(),
    pa.float64(),
    pa.float32(),
    pa.bool_(),
)
VIDEO_ID = Column("video_id", TEXT, "the video, named by its content")
PTS = Column("pts", INT64, "presentation time stamp: identifies the frame", "time base")
FRAME_INDEX = Column(
    "frame_index", INT64, "position among the decoded frames, for display", "frames"
)
BOX = (
    Column("x1", FLOAT32, "left", "px"),
    Column("y1", FLOAT32, "top", "px"),
    Column("x2", FLOAT32, "right, exclusive", "px"),
    Column("y2", FLOAT32, "bottom, exclusive", "px"),
)
CATEGORY = Column("category", TEXT, "class name in the workspace's own words")
SCORE = Column("score", FLOAT32, "confidence of the model", "0..1")
