"""Tables of the footage: videos, clips, sampled frames and which of them are near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reelabel.tables.base import (
    BOOL,
    FLOAT32,
    FLOAT64,
    FRAME_INDEX,
    INT32,
    INT64,
    PTS,
    TEXT,
    VIDEO_ID,
    Column,
    Table,
)

VIDEOS = Table(
    "videos",
    "one row per file: where it came from and what is in it",
    (
        VIDEO_ID,
        Column("path", TEXT, "where the file lies: absolute, or relative to the workspace"),
        Column("name", TEXT, "file name, for people"),
        Column("role", TEXT, "footage: sampled and labelled; test: only evaluated on"),
        Column("origin", TEXT, "address or manifest entry it came from, empty if it is own"),
        Column("licence", TEXT, "licence, empty if unknown"),
        Column("size_bytes", INT64, "file size", "bytes"),
        Column("container", TEXT, "container format"),
        Column("codec", TEXT, "codec of the picture stream"),
        Column("width", INT32, "upright, square pixels", "px"),
        Column("height", INT32, "upright, square pixels", "px"),
        Column("rotation", INT32, "clockwise turn that makes it upright", "degrees"),
        Column("time_base_num", INT64, "numerator of the time base"),
        Column("time_base_den", INT64, "denominator of the time base"),
        Column("start_pts", INT64, "first time stamp", "time base"),
        Column("duration_s", FLOAT64, "length of the picture stream", "s"),
        Column("fps", FLOAT64, "average frame rate, for display", "frames/s"),
        Column("state", TEXT, "ok, or failed"),
        Column("error", TEXT, "why it failed, empty if it did not"),
    ),
    "tables",
)

CLIPS = Table(
    "clips",
    "spans of a video that are worked on, in order of time and apart from each other",
    (
        VIDEO_ID,
        Column("clip", INT32, "number of the span, from 0"),
        Column("start_s", FLOAT64, "first instant", "s"),
        Column("end_s", FLOAT64, "first instant that is no longer in it", "s"),
        Column("origin", TEXT, "whole, user, manifest or shots"),
    ),
    "tables",
)


def spans_of(
    clips: Iterable[Mapping[str, Any]], duration_s: float
) -> list[tuple[float, float | None]]:
    """Return start and end of clips in seconds; an end of None is that of the video.

    Args:
        clips: rows of `CLIPS`.
        duration_s: length of the video; its last frames may lie at it, up to rounding.
    """
    return [(c["start_s"], c["end_s"] if c["end_s"] < duration_s else None) for c in clips]


FRAMES = Table(
    "frames",
    "sampled frames, also those that were rejected",
    (
        VIDEO_ID,
        PTS,
        FRAME_INDEX,
        Column("time_s", FLOAT64, "from the first frame, for display", "s"),
        Column("clip", INT32, "the span it belongs to"),
        Column("shot", INT32, "number of the shot, from 0"),
        Column("sharpness", FLOAT32, "variance of the Laplacian less the share of noise", "grey²"),
        Column("noise", FLOAT32, "standard deviation of the noise", "grey"),
        Column("entropy", FLOAT32, "entropy of the grey levels", "bit"),
        Column("exposure", FLOAT32, "mean grey level", "0..255"),
        Column(
            "change", FLOAT32, "mean difference from the frame before it, null at first", "grey"
        ),
        Column("hash", pa.uint64(), "perceptual hash"),
        Column(
            "signature",
            pa.binary(),
            "32 x 32 grey levels without black bars, of frames half a second apart; else null",
        ),
        Column("kept", BOOL, "whether it goes on"),
        Column("reason", TEXT, "why it does not, empty if it does"),
        Column("picture", TEXT, "file below the workspace, empty if it was not written"),
        Column("crc32", INT64, "of that file: other pixels are another row"),
        Column("width", INT32, "of the written picture", "px"),
        Column("height", INT32, "of the written picture", "px"),
        Column("scale_x", FLOAT64, "picture x = video x times this, plus offset"),
        Column("scale_y", FLOAT64, "picture y = video y times this, plus offset"),
        Column("offset_x", FLOAT64, "padding at the left", "px"),
        Column("offset_y", FLOAT64, "padding at the top", "px"),
    ),
    "tables",
)

EMBEDDINGS = Table(
    "embeddings",
    "one unit vector per kept frame",
    (VIDEO_ID, PTS, Column("vector", pa.list_(pa.float32()), "length 1")),
    "tables",
)

DUPLICATES = Table(
    "duplicates",
    "dropped frames and the frame that stands for each",
    (
        VIDEO_ID,
        PTS,
        Column("kept_video_id", TEXT, "the video of the frame that stands for it"),
        Column("kept_pts", INT64, "the frame that stands for it", "time base"),
        Column("similarity", FLOAT32, "cosine, or share of equal hash bits", "0..1"),
        Column("rule", TEXT, "hash, inside a shot; embedding, everywhere"),
    ),
    "tables",
)

COPIES = Table(
    "copies",
    "videos that show what another one shows, or go on where it ends",
    (
        VIDEO_ID,
        Column("other_video_id", TEXT, "the other video, each pair stands once; empty for unknown"),
        Column("kind", TEXT, "copy, continuation, or unknown: it could not be compared"),
        Column("similarity", FLOAT32, "correlation that decided", "-1..1"),
    ),
    "tables",
)


def signatures_of(frames: pa.Table) -> NDArray[np.uint8]:
    """Return the signatures in rows of `FRAMES`, in their order: ``(n, 32, 32)`` uint8."""
    found = [one for one in frames["signature"].to_pylist() if one is not None]
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32, 32)
