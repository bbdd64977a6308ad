"""The entries of a JSON label file, checked value by value.

`where` always names the file and entry that a value is in. Everything here raises
`FormatError` with them, what was expected, and what came.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import reprlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from reelabel.errors import FormatError
from reelabel.files import read_text
from reelabel.json_text import each_key_once

Row = Mapping[str, Any]
Box = tuple[float, float, float, float]

FARTHEST = 2**24
"""Pixels from the picture's corner; beyond, float32 does not distinguish neighbouring pixels."""


def load_json(path: Path) -> Any:
    """Return the content of a JSON file; NaN and Infinity, which JSON has not, become None."""
    try:
        return json.loads(
            read_text(path), parse_constant=lambda _: None, object_pairs_hook=each_key_once
        )
    except (ValueError, RecursionError) as exc:
        raise FormatError(f"{path}: expected JSON, but {exc}; correct or replace it") from exc


def rows_of(path: str, raw: Row, key: str) -> Iterator[tuple[str, Row]]:
    """Yield each entry of a list, with its place for messages."""
    rows = raw.get(key, [])
    if not isinstance(rows, list):
        raise bad(f"{path}: '{key}'", "a list", rows)
    for i, row in enumerate(rows):
        where = f"{path}: {key}[{i}]"
        if not isinstance(row, dict):
            raise bad(where, "an object", row)
        yield (f"{where} (id {reprlib.repr(row['id'])})" if "id" in row else where), row


def bad(where: str, expected: str, came: object) -> FormatError:
    """Return the error for a value that is not what it should be."""
    # `load_json` makes None of all three.
    given = "null, NaN or Infinity" if came is None else reprlib.repr(came)
    return FormatError(f"{where}: expected {expected}, but got {given}; correct or remove it")


def is_id(value: object) -> bool:
    """Return whether a value can be an id: text, or a whole number, which pandas writes as 7.0.

    Python's ``7.0`` equals and hashes as ``7``, so that both find the same entry.
    """
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int | str) and not isinstance(value, bool)


def id_of(where: str, row: Row, key: str) -> object:
    """Return an id."""
    value = row.get(key)
    if not is_id(value):
        raise bad(f"{where}: '{key}'", "a whole number or text", value)
    return int(value) if isinstance(value, float) else value


def order(id_: object) -> tuple[bool, Any]:
    """Return what ids are sorted by: numbers first."""
    return isinstance(id_, str), id_


def text_of(where: str, row: Row, key: str) -> str:
    """Return text, empty if there is none."""
    value = row.get(key)
    if not isinstance(value, str | None):
        raise bad(f"{where}: '{key}'", "text", value)
    return value or ""


def real_of(where: str, row: Row, key: str) -> float | None:
    """Return a finite number, None if there is none."""
    value = row.get(key)
    return None if value is None else number(f"{where}: '{key}'", value, "a number")


def score_of(where: str, row: Row) -> float | None:
    """Return a score in 0..1, None if there is none."""
    score = real_of(where, row, "score")
    if score is not None and not 0 <= score <= 1:
        raise bad(f"{where}: 'score'", "a number in 0..1", score)
    return score


def number(where: str, value: object, expected: str) -> float:
    """Return a finite number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Beyond 1e308 an integer is no float any more.
        with contextlib.suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    raise bad(where, expected, value)


def whole_of(where: str, row: Row, key: str, least: int | None = None) -> int | None:
    """Return a whole number of at least `least`, None if there is none."""
    value = row.get(key)
    if value is None:
        return None
    expected = "a whole number" if least is None else f"a whole number from {least} up"
    number(f"{where}: '{key}'", value, expected)
    if value != int(value) or (least is not None and value < least):
        raise bad(f"{where}: '{key}'", expected, value)
    return int(value)


def time_base_of(where: str, row: Row) -> Fraction | None:
    """Return the ``time_base`` of an entry in seconds per tick, None if there is none."""
    given = row.get("time_base")
    if given is None:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,9})/([1-9][0-9]{0,9})", str(given))
    if found is None:
        raise bad(f"{where}: 'time_base'", "seconds per tick, such as '1/600'", given)
    return Fraction(int(found[1]), int(found[2]))


def xyxy_of(where: str, bbox: object, *, corners: bool) -> Box:
    """Return a box as left, top, right, bottom; `corners`: it is given by them."""
    layout = "[left, top, right, bottom]" if corners else "[left, top, width, height]"
    expected = f"{layout} in pixels, four numbers up to {FARTHEST} and none below zero in size"
    if not isinstance(bbox, list) or len(bbox) != 4:  # noqa: PLR2004 -- a box has four sides
        raise bad(where, expected, bbox)
    x1, y1, x2, y2 = (number(where, each, expected) for each in bbox)
    if not corners:
        x2, y2 = x1 + x2, y1 + y2
    if x2 < x1 or y2 < y1 or max(map(abs, (x1, y1, x2, y2))) > FARTHEST:
        raise bad(where, expected, bbox)
    return x1, y1, x2, y2
