"""Reads tables of spans: which part of which video is meant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import FormatError
from reelabel.formats.table_text import column_name, read_table_text, table_rows

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

    Cells, and the encoding of the text, are as in `reelabel.formats.table_text`.

    Raises:
        FormatError: if it is no such table, or a row is no span, with its line.
    """
    rows = iter(table_rows(read_table_text(path)))
    header = [column_name(cell) for cell in next(rows, (1, None))[1] or ()]
    if missing := [name for name in COLUMNS if header.count(name) != 1]:
        raise FormatError(
            f"{path}: expected a CSV table with one column each for {', '.join(COLUMNS)}, but "
            f"there is none, or are several, for {', '.join(missing)}: correct the first line"
        )
    found = []
    for line, cells in rows:
        if cells is None:
            raise FormatError(f"{path}, line {line}: expected CSV, but its quotes do not match")
        if any(cell.strip() for cell in cells):
            found.append(_span(path, line, dict(zip(header, cells, strict=False))))
    return found


def _span(path: Path, line: int, row: Mapping[str, str]) -> NamedSpan:
    name, start, end = (row.get(column, "").strip() for column in COLUMNS)
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
