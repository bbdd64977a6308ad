"""Tables of each round: detections, tracks, evidence, candidates, labels."""

from __future__ import annotations

import pyarrow as pa

from reelabel.data.states import EVIDENCE_KINDS
from reelabel.tables.base import (
    BOOL,
    BOX,
    CATEGORY,
    FLOAT32,
    FLOAT64,
    FRAME_INDEX,
    INT32,
    INT64,
    PTS,
    SCORE,
    TEXT,
    VIDEO_ID,
    Column,
    Table,
)

TRACK_ID = Column("track_id", INT64, "its track, numbered by first appearance in the video")
SHOT = Column(
    "shot", INT32, "span without a cut or a gap in time, numbered from 0; no track crosses one"
)
STATE = Column("state", TEXT, "positive, ignore or negative")
RULE = Column("rule", TEXT, "what decided the state")
REASON = Column("reason", TEXT, "the same in words, with values")


SEEN = Table(
    "seen",
    "the frames that the teacher processed, with boxes and without",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        Column("time_s", FLOAT64, "from the first frame, for display", "s"),
    ),
    "rounds",
)

DETECTIONS = Table(
    "detections",
    "all boxes that the teacher found, from a low floor up",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        CATEGORY,
        SCORE,
        *BOX,
        Column("found_by", TEXT, "which of several fused teachers found it; null if it is one"),
    ),
    "rounds",
)

CAMERA = Table(
    "camera",
    "the frames that the teacher processed: their shots, and how the camera moved",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        SHOT,
        Column("shift_x", FLOAT64, "motion of the whole picture since the row before", "px"),
        Column("shift_y", FLOAT64, "motion of the whole picture since the row before", "px"),
    ),
    "rounds",
)

TRACKS = Table(
    "tracks",
    "which detections are one object; one row for each detection, in the same order",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        Column("detection", INT32, "row of the detection"),
        TRACK_ID,
        Column("started", BOOL, "whether a box of the track is strong; else all are weak"),
        SHOT,
    ),
    "rounds",
)

EVIDENCE = Table(
    "evidence",
    "temporal evidence about boxes",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        CATEGORY,
        SCORE,
        *BOX,
        Column("kind", TEXT, f"one of {', '.join(EVIDENCE_KINDS)}"),
        Column("detection", INT32, "row of the detection it is about, -1 for a box that was added"),
        TRACK_ID,
        Column(
            "similarity",
            FLOAT32,
            "correlation that it rests on; of a smoothed box the overlap with its detection before "
            "both were clipped; null if there is none",
            "-1..1",
        ),
        Column("sigma", FLOAT32, "of a smoothed box's centre, standard deviation, else null", "px"),
        Column("frames", pa.list_(INT64), "time stamps of the frames it rests on", "time base"),
        Column("between", pa.list_(INT64), "rows of the detections that a gap lies between"),
        Column("reason", TEXT, "the same in words, with values"),
    ),
    "rounds",
)

CANDIDATES = Table(
    "candidates",
    "what the rules and the evidence decide about each detection",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        CATEGORY,
        SCORE,
        *BOX,
        Column("detection", INT32, "row of the detection it rests on, -1 for an added box"),
        STATE,
        Column("origin", TEXT, "teacher, or tracker for a box found in a gap"),
        RULE,
        REASON,
    ),
    "rounds",
)

LABELS = Table(
    "labels",
    "what training uses",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        CATEGORY,
        SCORE,
        *BOX,
        STATE,
        Column("origin", TEXT, "teacher, previous, tracker, truth or person"),
        Column("round", INT32, "the round that made it"),
        RULE,
        REASON,
    ),
    "rounds",
)
