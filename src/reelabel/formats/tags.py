"""Weak labels of videos: CSV, JSON and JSON lines, among them the manifests of Kinetics.

A row names a video and a class, and may name a span of the video in seconds and whether the class
is right or not (``is``, ``is_not``). Columns are found by their names; see `COLUMNS`. A cell may
hold several classes, divided by ``;`` or ``|``. The class ``none`` claims that no class is right.
A row with a time stamp (``pts``), or with the name of an exported picture, is about that frame or
window alone; tasks of Label Studio are rows too (`reelabel.formats.label_studio_choices`). Columns
such as
``class:indoor`` hold 1 or 0 for each class, as `reelabel.formats.class_csv` writes them.

A row that cannot be used is left out and named; the others go on. Times are seconds, or
``HH:MM:SS``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError, few, nearest, shown
from reelabel.files import write_text
from reelabel.formats.checked import Row
from reelabel.formats.label_studio_choices import is_task, task_row
from reelabel.formats.span_names import check_span_names
from reelabel.formats.table_text import column_name, read_table_text, table_rows
from reelabel.formats.tag_claims import claims_in
from reelabel.json_text import each_key_once

Meaning = Literal["video", "class", "start", "end", "claim"]
"""What a column is about."""
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "video": (
        *("video", "video_id", "youtube_id", "path", "file", "file_name", "filename"),
        *("filepath", "file_path", "image", "image_path", "name", "id", "clip"),
    ),
    "class": (
        *("class", "classes", "label", "labels", "category", "tag", "tags"),
        *("ground_truth.label", "choice", "choices"),
    ),
    "start": ("start", "start_s", "time_start", "start_time"),
    "end": ("end", "end_s", "time_end", "end_time"),
    "claim": ("claim",),
    "pts": ("pts",),
    "until_pts": ("until_pts",),
}
"""What a column means -> the names that it may have, in any case."""
MOST_PROBLEMS = 1000
"""Further unusable rows are counted, not named."""
_OF_CLASS = re.compile(r"class:(.+)", re.IGNORECASE)


@dataclass
class TagFile:
    """What a file of tags holds.

    Attributes:
        rows: the claims.
        problems: one sentence for each row that cannot be used, up to `MOST_PROBLEMS`.
        unusable: number of rows that cannot be used.
    """

    rows: list[TagRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unusable: int = 0

    def add(self, row: Row, where: str) -> None:
        """Add the claims of one row, or the reason why it has none."""
        try:
            self.rows += claims_in(row, where)
        except FormatError as exc:
            self.unusable += 1
            if len(self.problems) < MOST_PROBLEMS:
                self.problems.append(str(exc))


Columns = Mapping[str, tuple[str, ...]]
"""What a column means -> the names that it may have."""


def read_tags(path: Path, columns: Mapping[Meaning, str] | None = None) -> TagFile:
    """Return the claims of a file: JSON, JSON lines, or else CSV with a header.

    CSV may be divided by commas, semicolons or tabs. Text is UTF-8, UTF-16 with its mark, or else
    Windows-1252, as spreadsheets write it.

    Args:
        path: the file.
        columns: what columns mean -> their names, where they are not among `COLUMNS`.

    Raises:
        FormatError: if the file is damaged as a whole, or no row of it can be used.
        WorkspaceError: if it cannot be read.
    """
    text, found = read_table_text(path), TagFile()
    known = dict(COLUMNS)
    known |= {meaning: (column_name(name),) for meaning, name in (columns or {}).items()}
    readers = {".json": _read_json, ".jsonl": _read_lines, ".ndjson": _read_lines}
    for where, row in readers.get(path.suffix.lower(), _read_csv)(path, text, known):
        found.add(row, where)
    if not found.rows:
        why = f": {found.problems[0]}" if found.problems else ""
        raise FormatError(
            f"{path}: expected rows with a video and its class, but got none{why}; correct it"
        )
    return found


def _read_csv(path: Path, text: str, columns: Columns) -> Iterator[tuple[str, Row]]:
    """Yield each row with its place.

    Raises:
        FormatError: if the header names no video, or neither a class nor classes of their own.
    """
    rows = iter(table_rows(text))
    first_row = next(rows, (1, []))[1] or []
    header, of_class = _header(path, first_row, columns), _class_columns(first_row)
    for number, row in rows:
        where = f"{path.name}:{number}"
        if row is None:
            yield where, {"error": f"{where}: expected CSV, but its quotes do not match"}
        elif any(cell.strip() for cell in row):
            named = {name: row[at] for name, at in header.items() if at < len(row)}
            given = {name: row[at] for name, at in of_class.items() if at < len(row)}
            yield where, named | {"given": given, "cells": (len(row), max(header.values()) + 1)}


def _header(path: Path, cells: Sequence[str] | None, columns: Columns) -> dict[str, int]:
    """Return the position of each known column."""
    names = [column_name(cell) for cell in cells or ()]
    _check_columns(path, names, columns)
    check_span_names(str(path), cells or (), columns)
    found = {
        meaning: next(names.index(name) for name in known if name in names)
        for meaning, known in columns.items()
        if any(name in names for name in known)
    }
    needed = ("video",) if _class_columns(cells or ()) else ("video", "class")
    for meaning in needed:
        if meaning not in found:
            known = columns[meaning]
            hint = next((h for name in names if (h := nearest(name, known))), "")
            raise FormatError(
                f"{path}: expected a header with a column for the {meaning} ({', '.join(known)}), "
                f"but got {few(name[:40] for name in names) or 'an empty file'}{hint}; correct it"
            )
    return found


def _check_columns(path: Path, names: Sequence[str], columns: Columns) -> None:
    """Refuse a header in which one of several columns would be taken without a word.

    A video may have several names in a row: an id, a path.
    """
    for meaning, known in columns.items():
        given = [name for name in names if name in known]
        if len(given) > (len(set(given)) if meaning == "video" else 1):
            raise FormatError(
                f"{path}: expected one column for the {meaning}, but got {few(given)}: remove all "
                f"but one, or name one in reelabel.yaml:  columns: {{{meaning}: NAME}}"
            )


def _class_columns(cells: Sequence[str]) -> dict[str, int]:
    """Return the position of the column of each class, where classes have columns."""
    found = ((_OF_CLASS.fullmatch(cell.strip()), at) for at, cell in enumerate(cells))
    return {match[1]: at for match, at in found if match}


def _read_lines(path: Path, text: str, columns: Columns) -> Iterator[tuple[str, Row]]:
    """Yield the object of each line with its place."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            where = f"{path.name}:{number}"
            yield where, _by_meaning(where, _parsed(where, line, fails=False), columns)


def _read_json(path: Path, text: str, columns: Columns) -> Iterator[tuple[str, Row]]:
    """Yield each entry of a list of objects, or of an object by video.

    The latter maps a video to its class, to several, or to a Kinetics entry.
    """
    raw = _parsed(str(path), text)
    if isinstance(raw, list):
        for number, entry in enumerate(raw):
            where = f"{path.name}[{number}]"
            yield where, _by_meaning(where, entry, columns)
    elif isinstance(raw, dict) and isinstance(raw.get("database"), dict):
        yield from _activitynet(path, raw["database"])
    elif isinstance(raw, dict):
        for video, entry in raw.items():
            where = f"{path.name}: '{str(video)[:80]}'"
            yield where, {"video": video, **_of_video(where, entry, columns)}
    else:
        raise FormatError(f"{path}: expected a list or an object of videos, but got {shown(raw)}")


def _activitynet(path: Path, database: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """Yield each annotation of ActivityNet's layout: several spans of each video."""
    for video, entry in database.items():
        where = f"{path.name}: '{str(video)[:80]}'"
        annotations = entry.get("annotations") if isinstance(entry, dict) else None
        if not isinstance(annotations, list):
            yield where, {"error": f"{where}: expected 'annotations', but got {shown(entry)}"}
            continue
        for each in annotations:
            yield where, {"video": video, **_of_video(where, {"annotations": each}, COLUMNS)}


def _parsed(where: str, text: str, *, fails: bool = True) -> Any:
    try:
        return json.loads(text, object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as exc:
        if fails:
            raise FormatError(f"{where}: expected JSON, but {exc}; correct it") from exc
        return f"no JSON: {exc}"


def _by_meaning(where: str, entry: Any, columns: Columns) -> Row:
    """Return an entry with its keys named by their meaning."""
    if not isinstance(entry, dict):
        return {"error": f"{where}: expected an object, but got {str(entry)[:80]!r}"}
    if is_task(entry):
        return task_row(where, entry)
    keys = {column_name(str(key)): value for key, value in entry.items()}
    row: dict[str, Any] = {}
    for meaning, known in columns.items():
        values = [keys[name] for name in known if keys.get(name) is not None]
        if meaning != "video" and any(one != values[0] for one in values):
            came = few(shown(one, 40) for one in values)
            return {"error": f"{where}: expected one {meaning}, but got several keys: {came}"}
        row |= {meaning: values[0]} if values else {}
    try:
        check_span_names(where, entry, columns)
    except FormatError as exc:
        return {"error": str(exc)}
    return _with_segment(where, row, entry.get("segment"))


def _with_segment(where: str, row: Row, segment: object) -> Row:
    """Return a row with the start and end of a ``segment``, if there is one."""
    if segment is None:
        return row
    if not isinstance(segment, list) or len(segment) != 2:  # noqa: PLR2004 -- start and end
        return {"error": f"{where}: expected a segment [start, end], but got {shown(segment, 60)}"}
    return {"start": segment[0], "end": segment[1], **row}


def _of_video(where: str, entry: Any, columns: Columns) -> Row:
    """Return what an object by video holds of one of them."""
    if not isinstance(entry, dict):
        return {"class": entry}
    inner = entry.get("annotations")
    if not isinstance(inner, dict):
        return _by_meaning(where, entry, columns)
    return _with_segment(where, {"class": inner.get("label")}, inner.get("segment"))


def write_tags_csv(
    path: Path, rows: Sequence[TagRow], columns: Mapping[Meaning, str] | None = None
) -> None:
    """Write claims about videos and spans as a CSV that `read_tags` reads.

    Args:
        path: the file.
        rows: the claims.
        columns: what columns mean -> their names, where they are not the usual ones.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    usual: dict[Meaning, str] = {
        "video": "video",
        "class": "class",
        "start": "start_s",
        "end": "end_s",
        "claim": "claim",
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((usual | dict(columns or {})).values())
    for row in rows:
        start_s, end_s = ("" if s is None else f"{s:.17g}" for s in (row.start_s, row.end_s))
        claim = "is" if row.right else "is_not"
        writer.writerow([row.video, row.category, start_s, end_s, claim])
    write_text(path, text.getvalue())
