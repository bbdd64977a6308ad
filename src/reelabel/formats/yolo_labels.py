"""Label files of YOLO data sets: one object a line, as shares of its picture.

A line is ``class, centre x, centre y, width, height``; or these and a score; or these and key
points, where the data set states ``kpt_shape``; or ``class`` and a polygon of at least three
points. They are described at https://docs.ultralytics.com/datasets. What Ultralytics writes when it
tracks has the number of the track behind the box, or behind its score: numbers without a point in
all lines of that length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from reelabel.errors import FormatError
from reelabel.files import read_text
from reelabel.formats.entries import Entry, Four

CLASS_LISTS = ("classes.txt", "*.names")
"""Files that list classes, one a line, of folders without a YAML file."""
KptShape = tuple[int, int]
"""Key points of an object, and the values of each: x, y, and 1 more if it states visibility."""
_BOX_FIELDS, _SCORED_FIELDS, _TRIANGLE_FIELDS = 5, 6, 7
_TRACKED_FIELDS = (_BOX_FIELDS + 1, _SCORED_FIELDS + 1)
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
    tracked = _tracked_lengths(lines) if kpt_shape is None else set()
    entries = []
    for number, fields in enumerate(lines, start=1):
        if fields:
            where = f"{path}: line {number}"
            class_id = _class_id(where, fields[0], classes)
            track_id = int(fields.pop()) if len(fields) in tracked else None
            (cx, cy, w, h), score = _parsed(where, fields, kpt_shape)
            xywh = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
            entries.append(Entry.from_xywh(xywh, class_id, score=score, track_id=track_id))
    return entries


def _tracked_lengths(lines: Sequence[Sequence[str]]) -> set[int]:
    """Return how many fields lines have that end with the number of a track.

    A score that is 0 or 1 may be written without a point too, the corner of a triangle hardly.
    """
    last = {n: [fields[-1] for fields in lines if len(fields) == n] for n in _TRACKED_FIELDS}
    whole = {n for n, some in last.items() if some and all(map(_is_whole, some))}
    return {n for n in whole if n > _SCORED_FIELDS or any(int(text) > 1 for text in last[n])}


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
    # Some exports write the number with a decimal point.
    text = field.removesuffix(".0")
    number = int(text[:9]) if text.isascii() and text.isdigit() else len(classes)
    if number >= len(classes):
        raise FormatError(
            f"{where}: expected a class number below {len(classes)}, but got {field[:40]!r}; "
            "correct it, or 'names' in data.yaml"
        )
    return number


def _parsed(
    where: str, fields: Sequence[str], kpt_shape: KptShape | None
) -> tuple[Four, float | None]:
    """Return a line's centre and size as shares of the picture, and its score."""
    shares, score = _shares_in(where, fields, kpt_shape)
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
    where: str, fields: Sequence[str], kpt_shape: KptShape | None
) -> tuple[Four, float | None]:
    """Return the box of a line, NaN where it holds none, and its score."""
    values = _numbers(fields)
    if kpt_shape is not None:
        _check_key_points(where, fields, kpt_shape)
        return _box(values), None
    if len(fields) in {_BOX_FIELDS, _SCORED_FIELDS}:
        return _box(values), values[4] if len(values) == _BOX_FIELDS else None
    if len(values) < _TRIANGLE_FIELDS - 1 or len(values) % 2 or not all(map(math.isfinite, values)):
        return _NOTHING, None
    return _around(where, fields, values), None


def _numbers(fields: Sequence[str]) -> list[float]:
    """Return the values behind the class, none if one is no number."""
    try:
        return [float(field) for field in fields[1:]]
    except ValueError:
        return []


def _box(values: Sequence[float]) -> Four:
    cx, cy, w, h = values[:4] or _NOTHING
    return cx, cy, w, h


def _check_key_points(where: str, fields: Sequence[str], kpt_shape: KptShape) -> None:
    count, size = kpt_shape
    if len(fields) != _BOX_FIELDS + count * size:
        raise FormatError(
            f"{where}: expected {_BOX_FIELDS + count * size} fields, a class, a box and {count} "
            f"key points of {size} values, as kpt_shape in data.yaml is [{count}, {size}], but got "
            f"{len(fields)}: correct the line, or kpt_shape"
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
