"""Tables of what people drew: ground truth, and labels that were imported."""

from __future__ import annotations

import pyarrow as pa

from reelabel.tables.base import (
    BOOL,
    BOX,
    CATEGORY,
    FRAME_INDEX,
    PTS,
    SCORE,
    TEXT,
    VIDEO_ID,
    Column,
    Table,
)

TRUTH_FRAMES = Table(
    "truth_frames",
    "frames that a person annotated, with or without objects",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
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
    (VIDEO_ID, PTS, CATEGORY, *BOX, Column("crowd", BOOL, "a region to ignore, not an object")),
    "tables",
)

IMPORTED = Table(
    "imported",
    "imported labels; they override model boxes in their frames and classes",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        CATEGORY,
        SCORE,
        *BOX,
        Column("state", TEXT, "positive, ignore or negative"),
        Column("origin", TEXT, "person or truth"),
    ),
    "tables",
)
