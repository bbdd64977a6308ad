"""Tables of classification: tags, moments, predictions, and what is made of them each round."""

from __future__ import annotations

import pyarrow as pa

from reelabel.tables.base import CATEGORY, FLOAT32, INT32, INT64, PTS, TEXT, VIDEO_ID, Column, Table
from reelabel.tables.labels import REASON, RULE, STATE

UNTIL_PTS = Column(
    "until_pts", INT64, "time stamp of its last frame; equal to pts for a single frame", "time base"
)
PROBABILITY = Column("probability", FLOAT32, "of the class", "0..1")

TAGS = Table(
    "tags",
    "weak labels of whole videos or spans; a video without rows is untagged",
    (
        VIDEO_ID,
        CATEGORY,
        Column("claim", TEXT, "is, or is_not"),
        Column(
            "start_s",
            pa.float64(),
            "first instant from the first frame; null: the whole video",
            "s",
        ),
        Column("end_s", pa.float64(), "first instant after it; null: the whole video", "s"),
        Column("origin", TEXT, "folder, csv or manifest"),
        Column("source", TEXT, "the folder or file, and its line"),
    ),
    "tables",
)

MOMENTS = Table(
    "moments",
    "what is judged: sampled frames, or windows of frames",
    (
        VIDEO_ID,
        PTS,
        UNTIL_PTS,
        Column("shot", INT32, "number of the shot, from 0"),
        Column("frames", pa.list_(INT64), "time stamps of its frames", "time base"),
        Column("pictures", pa.list_(TEXT), "their files below the workspace"),
        Column("crc32", INT64, "of these files: other pixels are another row"),
    ),
    "tables",
)

PREDICTIONS = Table(
    "predictions",
    "class probabilities of each moment by the round's teacher; no rows where there is none",
    (VIDEO_ID, PTS, UNTIL_PTS, CATEGORY, PROBABILITY),
    "rounds",
)

STUDENT_PREDICTIONS = Table(
    "student_predictions",
    "class probabilities by the round's student of the moments that it was scored on",
    PREDICTIONS.columns,
    "rounds",
)

_CLAIM = (
    VIDEO_ID,
    PTS,
    UNTIL_PTS,
    CATEGORY,
    Column("claim", TEXT, "is, or is_not"),
    STATE,
    Column(
        "probability", FLOAT32, "that the claim is right, by a model that it did not teach", "0..1"
    ),
    Column("suggested", TEXT, "a class that fits better, empty if there is none"),
    Column("origin", TEXT, "tag, teacher, previous, truth or person"),
    RULE,
    REASON,
)

CLASS_CANDIDATES = Table(
    "class_candidates", "what the rules decide about each claim of a moment", _CLAIM, "rounds"
)

CLASS_LABELS = Table(
    "class_labels",
    "what training of a classifier uses",
    (*_CLAIM, Column("round", INT32, "the round that made it")),
    "rounds",
)

CLASS_TRUTH = Table(
    "class_truth",
    "classes that a person gave to videos or spans; never trained on",
    TAGS.columns,
    "tables",
)

CLASS_IMPORTED = Table(
    "class_imported",
    "classes that a person gave to videos or spans, to train on",
    TAGS.columns,
    "tables",
)
