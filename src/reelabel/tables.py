"""Every table, declared once: column, type, unit and meaning.

Reading and writing check against these declarations, and the reference page of the documentation
is made from them. A table belongs to the stage that writes it and is never changed afterwards.
All boxes are ``x1 y1 x2 y2`` in pixels of the upright video picture with square pixels; right and
bottom are exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.errors import ShardError

SCHEMA_VERSION = 3
"""Raised when a declaration below changes; part of every shard's fingerprint."""

POSITIVE, IGNORE, NEGATIVE = "positive", "ignore", "negative"
"""The three states of a label."""

TEACHER, TRACKER, PREVIOUS = "teacher", "tracker", "previous"
"""Where a label's box came from; others are truth and person."""


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
        return self.schema.empty_table()

    def check(self, table: pa.Table) -> pa.Table:
        """Return `table` if it is what was declared.

        Raises:
            ShardError: if its columns or types differ.
        """
        if table.schema.remove_metadata() != self.schema:
            raise ShardError(
                f"table '{self.name}': expected the columns {self.schema.names}, "
                f"but the file holds {table.schema.names}; delete it, it will be made again"
            )
        return table


def _array(values: object, kind: pa.DataType) -> pa.Array:
    """Return values as an Arrow array of one type."""
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks().cast(kind)
    if isinstance(values, pa.Array):
        return values.cast(kind)
    return pa.array(values, type=kind)


def xyxy_of(table: pa.Table) -> NDArray[np.float32]:
    """Return the four box columns of a table as ``(n, 4)`` float32."""
    sides = [table[name].to_numpy() for name in ("x1", "y1", "x2", "y2")]
    return np.stack(sides, axis=1).astype(np.float32) if len(table) else np.zeros((0, 4), "f4")


def xyxy_columns(xyxy: NDArray[np.float32]) -> dict[str, object]:
    """Return ``(n, 4)`` boxes as the four box columns."""
    return {name: xyxy[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))}


_TEXT, _I64, _I32, _F64, _F32, _YES = (
    pa.string(),
    pa.int64(),
    pa.int32(),
    pa.float64(),
    pa.float32(),
    pa.bool_(),
)
_VIDEO = Column("video_id", _TEXT, "the video, named by its content")
_PTS = Column("pts", _I64, "presentation time stamp: identifies the frame", "time base")
_INDEX = Column("frame_index", _I64, "position among the decoded frames, for display", "frames")
_BOX = (
    Column("x1", _F32, "left", "px"),
    Column("y1", _F32, "top", "px"),
    Column("x2", _F32, "right, exclusive", "px"),
    Column("y2", _F32, "bottom, exclusive", "px"),
)
_CLASS = Column("category", _TEXT, "class name in the workspace's own words")
_SCORE = Column("score", _F32, "confidence of the model", "0..1")

VIDEOS = Table(
    "videos",
    "one row per file: where it came from and what is in it",
    (
        _VIDEO,
        Column("path", _TEXT, "where the file lies: absolute, or relative to the workspace"),
        Column("name", _TEXT, "file name, for people"),
        Column("role", _TEXT, "footage: sampled and labelled; test: only evaluated on"),
        Column("origin", _TEXT, "address or manifest entry it came from, empty if it is own"),
        Column("licence", _TEXT, "licence, empty if unknown"),
        Column("size_bytes", _I64, "file size", "bytes"),
        Column("container", _TEXT, "container format"),
        Column("codec", _TEXT, "codec of the picture stream"),
        Column("width", _I32, "upright, square pixels", "px"),
        Column("height", _I32, "upright, square pixels", "px"),
        Column("rotation", _I32, "clockwise turn that makes it upright", "degrees"),
        Column("time_base_num", _I64, "numerator of the time base"),
        Column("time_base_den", _I64, "denominator of the time base"),
        Column("start_pts", _I64, "first time stamp", "time base"),
        Column("duration_s", _F64, "length of the picture stream", "s"),
        Column("fps", _F64, "average frame rate, for display", "frames/s"),
        Column("state", _TEXT, "ok, or failed"),
        Column("error", _TEXT, "why it failed, empty if it did not"),
    ),
    "tables",
)

CLIPS = Table(
    "clips",
    "spans of a video that are worked on",
    (
        _VIDEO,
        Column("clip", _I32, "number of the span, from 0"),
        Column("start_s", _F64, "first instant", "s"),
        Column("end_s", _F64, "first instant that is no longer in it", "s"),
        Column("origin", _TEXT, "whole, user or manifest"),
    ),
    "tables",
)

FRAMES = Table(
    "frames",
    "sampled frames, also those that were rejected",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        Column("time_s", _F64, "from the first frame, for display", "s"),
        Column("clip", _I32, "the span it belongs to"),
        Column("shot", _I32, "number of the shot, from 0"),
        Column("sharpness", _F32, "variance of the Laplacian less the share of noise", "grey²"),
        Column("noise", _F32, "standard deviation of the noise", "grey"),
        Column("entropy", _F32, "entropy of the grey levels", "bit"),
        Column("exposure", _F32, "mean grey level", "0..255"),
        Column("change", _F32, "mean difference from the frame before it, null at first", "grey"),
        Column("hash", pa.uint64(), "perceptual hash"),
        Column("kept", _YES, "whether it goes on"),
        Column("reason", _TEXT, "why it does not, empty if it does"),
        Column("picture", _TEXT, "file below the workspace, empty if it was not written"),
        Column("crc32", _I64, "of that file: other pixels are another row"),
        Column("width", _I32, "of the written picture", "px"),
        Column("height", _I32, "of the written picture", "px"),
        Column("scale_x", _F64, "picture x = video x times this, plus offset"),
        Column("scale_y", _F64, "picture y = video y times this, plus offset"),
        Column("offset_x", _F64, "padding at the left", "px"),
        Column("offset_y", _F64, "padding at the top", "px"),
    ),
    "tables",
)

EMBEDDINGS = Table(
    "embeddings",
    "one unit vector per kept frame",
    (_VIDEO, _PTS, Column("vector", pa.list_(pa.float32()), "length 1")),
    "tables",
)

DUPLICATES = Table(
    "duplicates",
    "dropped frames and the frame that stands for each",
    (
        _VIDEO,
        _PTS,
        Column("kept_video_id", _TEXT, "the video of the frame that stands for it"),
        Column("kept_pts", _I64, "the frame that stands for it", "time base"),
        Column("similarity", _F32, "cosine, or share of equal hash bits", "0..1"),
        Column("rule", _TEXT, "hash, inside a shot; embedding, everywhere"),
    ),
    "tables",
)

TRUTH_FRAMES = Table(
    "truth_frames",
    "frames that a person annotated, with or without objects",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        Column("complete", pa.list_(pa.string()), "classes that are fully annotated; null: all"),
    ),
    "tables",
)

IMPORTED_FRAMES = Table(
    "imported_frames", "the same of labels that were brought in", TRUTH_FRAMES.columns, "tables"
)

TRUTH = Table(
    "truth",
    "boxes that a person drew",
    (_VIDEO, _PTS, _CLASS, *_BOX, Column("crowd", _YES, "a region to ignore, not an object")),
    "tables",
)

IMPORTED = Table(
    "imported",
    "labels that were brought in from outside; they silence models in their frames and classes",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        _CLASS,
        _SCORE,
        *_BOX,
        Column("state", _TEXT, "positive, ignore or negative"),
        Column("origin", _TEXT, "person or truth"),
    ),
    "tables",
)

SEEN = Table(
    "seen",
    "the frames that the teacher looked at, with boxes and without",
    (_VIDEO, _PTS, _INDEX, Column("time_s", _F64, "from the first frame, for display", "s")),
    "rounds",
)

DETECTIONS = Table(
    "detections",
    "everything that the teacher said, from a low floor up",
    (_VIDEO, _PTS, _INDEX, _CLASS, _SCORE, *_BOX),
    "rounds",
)

_TRACK = Column("track_id", _I64, "its track, numbered by first appearance in the video")
_SHOT = Column("shot", _I32, "span without a cut or a hole, numbered from 0; no track crosses one")

CAMERA = Table(
    "camera",
    "the frames that the teacher looked at: where they belong together, how the camera moved",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        _SHOT,
        Column("shift_x", _F64, "motion of the whole picture since the row before", "px"),
        Column("shift_y", _F64, "motion of the whole picture since the row before", "px"),
    ),
    "rounds",
)

TRACKS = Table(
    "tracks",
    "which detections are one object; one row for each detection, in the same order",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        Column("detection", _I32, "row of the detection"),
        _TRACK,
        Column("started", _YES, "whether a box of the track is strong; else it is a weak hint"),
        _SHOT,
    ),
    "rounds",
)

EVIDENCE = Table(
    "evidence",
    "what time says about boxes",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        _CLASS,
        _SCORE,
        *_BOX,
        Column("kind", _TEXT, "flicker, unsupported, gap, static or smooth"),
        Column("detection", _I32, "row of the detection it is about, -1 for a box that was added"),
        _TRACK,
        Column("similarity", _F32, "correlation that it rests on, null if none was taken", "-1..1"),
        Column("sigma", _F32, "of a smoothed box's centre, standard deviation, else null", "px"),
        Column("frames", pa.list_(_I64), "time stamps of the frames it rests on", "time base"),
        Column("between", pa.list_(_I64), "rows of the detections that a gap lies between"),
        Column("reason", _TEXT, "the same in words, with values"),
    ),
    "rounds",
)

_STATE = Column("state", _TEXT, "positive, ignore or negative")
_RULE = Column("rule", _TEXT, "what decided the state")
_REASON = Column("reason", _TEXT, "the same in words, with values")

CANDIDATES = Table(
    "candidates",
    "what the rules think of each detection",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        _CLASS,
        _SCORE,
        *_BOX,
        Column("detection", _I32, "row of the detection it rests on, -1 for an added box"),
        _STATE,
        Column("origin", _TEXT, "teacher, or tracker for a box found in a gap"),
        _RULE,
        _REASON,
    ),
    "rounds",
)

LABELS = Table(
    "labels",
    "what training sees",
    (
        _VIDEO,
        _PTS,
        _INDEX,
        _CLASS,
        _SCORE,
        *_BOX,
        _STATE,
        Column("origin", _TEXT, "teacher, previous, tracker, truth or person"),
        Column("round", _I32, "the round that made it"),
        _RULE,
        _REASON,
    ),
    "rounds",
)

ALL = (
    *(VIDEOS, CLIPS, FRAMES, EMBEDDINGS, DUPLICATES),
    TRUTH_FRAMES,
    TRUTH,
    IMPORTED_FRAMES,
    IMPORTED,
    SEEN,
    DETECTIONS,
    CAMERA,
    TRACKS,
    EVIDENCE,
    CANDIDATES,
    LABELS,
)
"""Every table, in the order of the flow."""


def named(name: str) -> Table:
    """Return the declared table of that name."""
    return {table.name: table for table in ALL}[name]
