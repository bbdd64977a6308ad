"""Reads tables of spans: which part of which video is meant."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import FormatError
from reelabel.files import read_text

COLUMNS = ("name", "start_s", "end_s")


@dataclass(frozen=True)
class NamedSpan:
    """One row.

    Attributes:
        name: of the video: file name, end of its path, or id.
        start_s: first instant, in seconds from the first frame.
        end_s: first instant that is no longer in it; None: the end of the video.
    """

    name: str
    start_s: float
    end_s: float | None


def read_spans(path: Path) -> list[NamedSpan]:
    """Read a CSV table with the columns name, start_s and end_s; others are ignored.

    An empty start is 0, an empty end the end of the video. A video may have several rows.

    Raises:
        FormatError: if it is no such table, or a row is no span, with its line.
    """
    reader = csv.DictReader(read_text(path).splitlines())
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise FormatError(
            f"{path}: expected a CSV table with the columns {', '.join(COLUMNS)}, but there is no "
            f"{', '.join(missing)}: add it to the first line"
        )
    try:
        return [_span(path, reader.line_num, row) for row in reader]
    except csv.Error as exc:
        raise FormatError(f"{path}, line {reader.line_num}: no CSV: {exc}; correct it") from exc


def _span(path: Path, line: int, row: dict[str, str | None]) -> NamedSpan:
    name, start, end = ((row[column] or "").strip() for column in COLUMNS)
    try:
        span = NamedSpan(name, float(start or 0), float(end) if end else None)
    except ValueError:
        span = NamedSpan("", 0, None)
    finite = math.isfinite(span.start_s) and (span.end_s is None or math.isfinite(span.end_s))
    late = span.end_s is not None and span.end_s <= span.start_s
    if not span.name or not finite or span.start_s < 0 or late:
        raise FormatError(
            f"{path}, line {line}: expected a name, a start in seconds and an end behind it, but "
            f"got {name[:100]!r}, {start[:20]!r}, {end[:20]!r}: correct the row"
        )
    return span
