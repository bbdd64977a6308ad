"""Label files of YOLO data sets: one object a line, as shares of its picture.

A line is ``class, centre x, centre y, width, height``; or these and key points, where the data set
states ``kpt_shape``; or ``class`` and a polygon of at least three points. They are described at
https://docs.ultralytics.com/datasets. What Ultralytics predicts has a score behind each, and what
it tracks the number of the track at the end: numbers without a point in all lines of one kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from reelabel.errors import FormatError
from reelabel.files import read_text
from reelabel.formats.entries import Entry, Four

CLASS_LISTS = ("classes.txt", "*.names")
"""Files that list classes, one a line, of folders without a YAML file."""
KptShape = tuple[int, int]
"""Key points of an object, and the values of each: x, y, and 1 more if it states visibility."""
_BOX_FIELDS, _TRIANGLE_FIELDS = 5, 7
_POLYGONS = -2
"""Stands for the lengths of lines with more points than a triangle has: this, and 1 more if odd."""
_CLASS_NUMBER = re.compile(r"\d{1,9}(\.\d*)?(e[+-]?\d{1,2})?", re.ASCII | re.IGNORECASE)
_NOTHING: Four = (math.nan, math.nan, math.nan, math.nan)


def read_yolo_labels(
    path: Path,
    classes: Sequence[str],
    picture_wh: tuple[int, int],
    *,
    kpt_shape: KptShape | None = None,
) -> list[Entry]:
    """Return the boxes of one label file, in pixels of a picture of that size.

    Without the file, and in an empty one, there are none.

    Args:
        path: the label file.
        classes: class names.
        picture_wh: size of the picture in pixels.
        kpt_shape: of a data set of key points, which stand behind each box and are not returned.

    Raises:
        FormatError: naming the line that is wrong, and what was expected.
    """
    width, height = picture_wh
    lines = [line.split() for line in _label_lines(path)]
    tracks = _taken_tracks(lines, _unscored_fields(kpt_shape))
    scored = all(_may_be_scored(len(fields)) for fields in lines if fields)
    entries = []
    for number, fields in enumerate(lines, start=1):
        if fields:
            where = f"{path}: line {number}"
            class_id = _class_id(where, fields[0], classes)
            (cx, cy, w, h), score = _parsed(where, fields, kpt_shape, scored=scored)
            xywh = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
            track_id = tracks[number - 1]
            entries.append(Entry.from_xywh(xywh, class_id, score=score, track_id=track_id))
    return entries


def _taken_tracks(lines: Sequence[list[str]], unscored: int) -> list[int | None]:
    """Take the number of the track off each line that has one, and return them."""
    tracked = _tracked_layouts(lines, unscored)
    return [
        int(fields.pop()) if _layout(len(fields), unscored) in tracked else None for fields in lines
    ]


def _may_be_scored(length: int) -> bool:
    """Return whether a line of a box or polygon may have a score: a predictor gives all lines one.

    Without that, an odd number of coordinates is a damaged polygon.
    """
    return length == _BOX_FIELDS + 1 or (length > _TRIANGLE_FIELDS and length % 2 == 0)


def _unscored_fields(kpt_shape: KptShape | None) -> int:
    """Return how many fields a line with a box has, without score and track."""
    return _BOX_FIELDS + (kpt_shape[0] * kpt_shape[1] if kpt_shape else 0)


def _layout(length: int, unscored: int) -> int:
    """Return what stands for a length of lines: itself, but for all polygons whether it is odd."""
    polygon = unscored == _BOX_FIELDS and length > _TRIANGLE_FIELDS
    return _POLYGONS + length % 2 if polygon else length


def _tracked_layouts(lines: Sequence[Sequence[str]], unscored: int) -> set[int]:
    """Return the layouts of lines that end with the number of a track.

    A score that is 0 or 1 may be written without a point too, and so the edge of the picture in a
    polygon, the corner of a triangle hardly.
    """
    last: dict[int, list[str]] = {}
    for fields in lines:
        if len(fields) > unscored or (fields and unscored == _BOX_FIELDS):
            last.setdefault(_layout(len(fields), unscored), []).append(fields[-1])
    last.pop(unscored, None)
    whole = {n for n, some in last.items() if all(map(_is_whole, some))}
    return {n for n in whole if n == unscored + 2 or any(int(text) > 1 for text in last[n])}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10  # noqa: PLR2004 -- fits an int64


def holds_labels(path: Path) -> bool:
    """Return whether the first line of a text is that of an object."""
    try:
        fields = next((line.split() for line in _label_lines(path) if line.strip()), [])
    except FormatError:
        return False
    return len(fields) >= _BOX_FIELDS and bool(_numbers(fields))


def _label_lines(path: Path) -> list[str]:
    return read_text(path).split("\n") if path.is_file() else []


def _class_id(where: str, field: str, classes: Sequence[str]) -> int:
    # Some exports write the number as a decimal fraction.
    value = float(field) if _CLASS_NUMBER.fullmatch(field) else math.inf
    number = int(value) if value < len(classes) and value.is_integer() else len(classes)
    if number >= len(classes):
        raise FormatError(
            f"{where}: expected a class number below {len(classes)}, but got {field[:40]!r}; "
            "correct it, or 'names' in data.yaml"
        )
    return number


def _parsed(
    where: str, fields: Sequence[str], kpt_shape: KptShape | None, *, scored: bool
) -> tuple[Four, float | None]:
    """Return a line's centre and size as shares of the picture, and its score."""
    shares, score = _shares_in(where, fields, kpt_shape, scored=scored)
    if not _near(shares) or min(shares[2:]) < 0 or not 0 <= (score or 0) <= 1:
        raise FormatError(
            f"{where}: expected class, centre x, centre y, width, height (and a score) as shares "
            f"of the picture in 0..1, but got {_shown(fields)}; correct or remove it"
        )
    return shares, score


def _near(shares: Sequence[float]) -> bool:
    """Return whether shares are about 0..1: they leave it a little at the edge, pixels by far."""
    return all(-1 <= v < 2 for v in shares)  # noqa: PLR2004 -- see above


def _shown(fields: Sequence[str]) -> str:
    return repr(" ".join(fields)[:80])


def _shares_in(
    where: str, fields: Sequence[str], kpt_shape: KptShape | None, *, scored: bool
) -> tuple[Four, float | None]:
    """Return the box of a line, NaN where it holds none, and its score."""
    values, unscored = _numbers(fields), _unscored_fields(kpt_shape)
    if kpt_shape is not None and len(fields) not in {unscored, unscored + 1}:
        raise _wrong_key_points(where, fields, kpt_shape)
    if len(fields) in {unscored, unscored + 1}:
        return _box(values), values[-1] if len(values) == unscored else None
    score = values.pop() if scored and len(values) % 2 else None
    if len(values) < _TRIANGLE_FIELDS - 1 or len(values) % 2 or not all(map(math.isfinite, values)):
        return _NOTHING, None
    return _around(where, fields, values), score


def _numbers(fields: Sequence[str]) -> list[float]:
    """Return the values behind the class, none if one is no number."""
    try:
        return [float(field) for field in fields[1:]]
    except ValueError:
        return []


def _box(values: Sequence[float]) -> Four:
    cx, cy, w, h = values[:4] or _NOTHING
    return cx, cy, w, h


def _wrong_key_points(where: str, fields: Sequence[str], kpt_shape: KptShape) -> FormatError:
    (count, size), expected = kpt_shape, _unscored_fields(kpt_shape)
    return FormatError(
        f"{where}: expected {expected} fields, a class, a box and {count} key points of {size} "
        f"values, as kpt_shape in data.yaml is [{count}, {size}], but got {len(fields)}: correct "
        "the line, or kpt_shape"
    )


def _around(where: str, fields: Sequence[str], values: Sequence[float]) -> Four:
    """Return the box around a polygon.

    Raises:
        FormatError: if a point lies far outside the picture.
    """
    if not _near(values):
        raise FormatError(
            f"{where}: expected a polygon with points in 0..1, as shares of the picture, but got "
            f"{_shown(fields)}; correct or remove it; key points behind a box need kpt_shape in "
            "data.yaml"
        )
    x, y = values[::2], values[1::2]
    centre = ((min(x) + max(x)) / 2, (min(y) + max(y)) / 2)
    return (*centre, max(x) - min(x), max(y) - min(y))
