"""Tables of footage that is fetched: what a manifest offers and what is wanted of it, what came.

The shard of both is a source: one manifest with its reader, not a video.
"""

from __future__ import annotations

import pyarrow as pa

from reelabel.tables.base import BOOL, FLOAT64, INT32, INT64, TEXT, Column, Table

_SOURCE = Column("source", TEXT, "the manifest that it comes from, by its short name")
_WANT = Column("want_id", TEXT, "names one video or span of the source; also its file")

WANTS = Table(
    "wants",
    "videos and spans of manifests, those that are chosen and those that may replace them",
    (
        _SOURCE,
        _WANT,
        Column("native_id", TEXT, "the manifest's own name of the video, such as a YouTube id"),
        Column("url", TEXT, "address of the whole video"),
        Column("page", BOOL, "whether the address is a page that names the file, not the file"),
        Column("labels", pa.list_(pa.string()), "classes of the workspace that the manifest names"),
        Column("native_label", TEXT, "the manifest's own label, of Kinetics; else empty"),
        Column("start_s", FLOAT64, "first instant of the span; null: the whole video", "s"),
        Column("end_s", FLOAT64, "first instant that is no longer in the span", "s"),
        Column("split", TEXT, "the manifest's own side, such as train; empty if it has none"),
        Column("licence", TEXT, "as the manifest states it, empty if it does not"),
        Column("uploader", TEXT, "as the manifest states it"),
        Column("title", TEXT, "as the manifest states it"),
        Column("rank", INT64, "order inside its classes: the lowest are chosen first"),
        Column("chosen", BOOL, "whether it is fetched at first; others replace what is gone"),
        Column("why_not", TEXT, "why it is not chosen, empty if it is"),
    ),
    "tables",
)

DOWNLOADS = Table(
    "downloads",
    "one row per wanted video or span that was tried, with its outcome",
    (
        _SOURCE,
        _WANT,
        Column("state", TEXT, "waiting, fetched, gone, refused, failed or replaced"),
        Column("outcome", TEXT, "why, of the closed list of outcomes"),
        Column("final", BOOL, "whether trying again is of no use"),
        Column("attempts", INT32, "how often it was tried"),
        Column("next_try_at", TEXT, "earliest time of the next attempt, ISO 8601 UTC; empty: any"),
        Column("http_status", INT32, "the last one, null if there was no answer"),
        Column("message", TEXT, "the server's or library's own words, up to 500 characters"),
        Column("file", TEXT, "below the workspace, empty if there is none"),
        Column("sha256", TEXT, "of that file, hexadecimal"),
        Column("size_bytes", INT64, "of that file", "bytes"),
        Column("fetched_bytes", INT64, "that came over the network for it", "bytes"),
        Column(
            "span_start_s", FLOAT64, "where in the video the file begins; null: at its start", "s"
        ),
        Column("span_end_s", FLOAT64, "where in the video the file ends; null: at its end", "s"),
        Column(
            "extractor",
            TEXT,
            "what found the file: mirror, a site's extractor; empty for a plain address",
        ),
        Column("format", TEXT, "the site's own name of the format; of a mirror, the archive"),
        Column("licence", TEXT, "as the site states it, else as the manifest does"),
        Column("uploader", TEXT, "as the site states it, else as the manifest does"),
        Column("title", TEXT, "as the site states it, else as the manifest does"),
        Column("fetched_at", TEXT, "ISO 8601 UTC, empty if it was not"),
    ),
    "tables",
)
