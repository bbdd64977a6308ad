"""One row of a file of tags, checked cell by cell: what it claims of which video."""

from __future__ import annotations

import math
import re

from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError, shown
from reelabel.formats.checked import Row
from reelabel.formats.class_export import named_moment
from reelabel.formats.label_studio_choices import local_name, several_of

LONGEST_NAME = 1000
"""Longer names of videos or classes are taken for damage."""
_SEVERAL = re.compile(r"\s*[;|]\s*")
_WHOLE = re.compile(r"-?\d{1,18}")
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")

"""Cells by the meaning of their column; ``given`` maps classes with a column to their cells."""


def claims_in(row: Row, where: str) -> list[TagRow]:
    """Return the claims of a row.

    Raises:
        FormatError: naming the row and what is wrong in it.
    """
    if "error" in row:
        raise FormatError(str(row["error"]))
    given, needed = row.get("cells", (1, 1))
    if given < needed:
        raise FormatError(f"{where}: expected {needed} columns or more, but got {given}")
    video = local_name(_name(where, "video", row.get("video")))
    pts, until_pts = _moment(where, row)
    if pts is None and (named := named_moment(video)):
        video, pts, until_pts = named
    start_s, end_s = _span_s(where, row) if pts is None else (None, None)
    return [
        TagRow(video, name, right, start_s, end_s, where, pts, until_pts)
        for name, right in _classes(where, row).items()
    ]


def _moment(where: str, row: Row) -> tuple[int | None, int | None]:
    """Return the first and the last time stamp of the moment that a row is about, None without."""
    pts, until_pts = (_stamp(where, key, row.get(key)) for key in ("pts", "until_pts"))
    if pts is None:
        return None, None
    last = pts if until_pts is None else until_pts
    if last < pts:
        raise FormatError(f"{where}: expected until_pts from pts {pts} up, but got {last}")
    return pts, last


def _stamp(where: str, what: str, value: object) -> int | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not _WHOLE.fullmatch(str(value).strip()):
        raise FormatError(f"{where}: expected a whole number as {what}, but got {shown(value, 40)}")
    return int(str(value))


def _span_s(where: str, row: Row) -> tuple[float | None, float | None]:
    start_s, end_s = (_time_of(where, key, row.get(key)) for key in ("start", "end"))
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise FormatError(f"{where}: expected an end after the start {start_s}, but got {end_s}")
    return start_s, end_s


def _classes(where: str, row: Row) -> dict[str, bool]:
    """Return what a row claims of which classes."""
    given = {
        _name(where, "class", name): _is_one(where, name, cell)
        for name, cell in row.get("given", {}).items()
        if cell.strip()
    }
    if given or (row.get("given") and "class" not in row):
        return given  # where each class has a column, empty cells claim nothing
    right, value = _is_right(where, row.get("claim")), several_of(row.get("class"))
    cells = value if isinstance(value, list) else _parts(_name(where, "class", value))
    return dict.fromkeys((_name(where, "class", cell) for cell in cells), right)


def _parts(cell: str) -> list[str]:
    """Return the classes in a cell; tools end lists with a separator, which stands for nothing."""
    return [part for part in _SEVERAL.split(cell) if part] or [cell]


def _is_one(where: str, name: str, cell: str) -> bool:
    if cell.strip() not in {"0", "1"}:
        raise FormatError(f"{where}: expected 1, 0 or nothing for '{name}', but got {cell[:40]!r}")
    return cell.strip() == "1"


def _name(where: str, what: str, value: object) -> str:
    """Return a name: text that can be shown and looked for."""
    named = isinstance(value, str | int) and not isinstance(value, bool)
    text = str(value).strip() if named else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        came = "nothing" if value in (None, "") else shown(value, 60)
        raise FormatError(
            f"{where}: expected a {what} of 1 to {LONGEST_NAME} printable characters, "
            f"but got {came}"
        )
    return text


def _time_of(where: str, what: str, value: object) -> float | None:
    try:
        return seconds_of(what, value)
    except FormatError as exc:
        raise FormatError(f"{where}: {exc}") from exc


def seconds_of(what: str, value: object) -> float | None:
    """Return seconds, also of ``MM:SS`` and ``HH:MM:SS``; None for none.

    Raises:
        FormatError: if it is neither, or below zero.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    clock = _CLOCK.fullmatch(str(value).strip())
    try:
        found = _clock_s(clock) if clock else float(str(value))
    except ValueError:
        found = math.nan
    if not 0 <= found < math.inf:
        raise FormatError(f"expected seconds or HH:MM:SS as {what}, but got {str(value)[:40]!r}")
    return found


def _clock_s(clock: re.Match[str]) -> float:
    hours, minutes, seconds = (float(part or 0) for part in clock.groups())
    return 3600 * hours + 60 * minutes + seconds


def _is_right(where: str, value: object) -> bool:
    text = str(value or "is").strip().casefold().replace(" ", "_")
    if text not in {"is", "is_not"}:
        raise FormatError(f"{where}: expected the claim is or is_not, but got {text[:40]!r}")
    return text == "is"
