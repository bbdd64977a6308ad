"""The regions of Label Studio's pictures: their labels, and the boxes around them.

A region is one row of ``result``, such as ``rectanglelabels``, or, where shapes and labels are
controls of their own (``<Rectangle>`` and ``<Labels>``), two rows with one ``id``: ``rectangle``
and ``labels``. Places are in percent of the picture. ``rotation`` is in degrees clockwise: of
rectangles about the top left corner, of ellipses about the centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from reelabel.formats.checked import Row, bad, number
from reelabel.formats.entries import Four
from reelabel.formats.run_lengths import box_of_packed
from reelabel.formats.shapes import around_ellipse, around_points, around_turned

RECTANGLE, VIDEO_RECTANGLE = "rectanglelabels", "videorectangle"
OF_ANNOTATION = "annotation_id"
"""A key that only the rows of JSON-MIN have."""
_LABELS = "labels"
_FARTHEST_PERCENT = 10_000


@dataclass(frozen=True)
class Region:
    """A row of a result that is a shape.

    Attributes:
        where: its place, for messages.
        row: as it stands.
        kind: its type without ``labels``.
        labels: what it is labelled with, as it stands; None if it is not.
    """

    where: str
    row: Row
    kind: str
    labels: object

    @property
    def value(self) -> Row:
        """Its place, which is in ``value``."""
        return values_of(self.where, self.row)

    def xyxy(self, size_wh: tuple[int, int]) -> Four | None:
        """Return the box around it in pixels; None if there is none.

        Raises:
            FormatError: if a number is missing or no percent.
        """
        box = _BOXES.get(self.kind)
        return None if box is None else box(self.where, self.value, size_wh)


def regions_of(rows: Sequence[tuple[str, Row]]) -> Iterator[Region]:
    """Yield the shapes of a result, each with its labels; other rows are no regions.

    Args:
        rows: of the result, each with its place for messages.
    """
    named = {str(row["id"]): _labels(row) for _, row in rows if _has_id(row, {_LABELS})}
    shapes = {str(row["id"]) for _, row in rows if _has_id(row, {*_BARE, VIDEO_RECTANGLE})}
    for where, row in rows:
        kind, id_ = str(row.get("type")), str(row.get("id"))
        bare = kind.removesuffix(_LABELS)
        if kind == _LABELS:
            # Labels of text have no place in a picture, those of a shape stand with it.
            if id_ not in shapes and (found := _kind_of(row.get("value"))):
                yield Region(where, row, found, named.get(id_, _labels(row)))
        elif kind == VIDEO_RECTANGLE or bare in _BARE:
            own = values_of(where, row).get(kind) if kind != bare else None
            yield Region(where, row, bare, own or _labels(row) or named.get(id_))


def _has_id(row: Row, kinds: set[str]) -> bool:
    return "id" in row and str(row.get("type")) in kinds


def _labels(row: Row) -> object:
    value = row.get("value")
    return value.get(_LABELS) if isinstance(value, Mapping) else None


def _kind_of(value: object) -> str:
    """Return which shape a value is of, empty if it is of none."""
    if not isinstance(value, Mapping):
        return ""
    keys = {"points": "polygon", "radiusX": "ellipse", "rle": "brush", "height": "rectangle"}
    return next((kind for key, kind in keys.items() if key in value), "keypoint" * ("x" in value))


def values_of(where: str, row: Row) -> Row:
    """Return the ``value`` of a row.

    Raises:
        FormatError: if it has none.
    """
    value = row.get("value")
    if not isinstance(value, dict):
        raise bad(f"{where}: 'value'", "an object", value)
    return value


def rectangle_xyxy(where: str, value: Row, size_wh: tuple[int, int]) -> Four:
    """Return the upright box around a rectangle, in pixels.

    Raises:
        FormatError: if a number is missing or no percent.
    """
    x, y, w, h = (_percent(where, value, key) for key in ("x", "y", "width", "height"))
    if min(w, h) < 0:
        raise bad(where, "x, y, width, height in percent, none below zero in size", (x, y, w, h))
    width, height = size_wh[0] / 100, size_wh[1] / 100
    corner = x * width, y * height
    box = (*corner, (x + w) * width, (y + h) * height)
    return around_turned(box, _angle(where, value), corner)


def _ellipse_xyxy(where: str, value: Row, size_wh: tuple[int, int]) -> Four:
    x, y, rx, ry = (_percent(where, value, key) for key in ("x", "y", "radiusX", "radiusY"))
    width, height = size_wh[0] / 100, size_wh[1] / 100
    return around_ellipse((x * width, y * height), (rx * width, ry * height), _angle(where, value))


def _polygon_xyxy(where: str, value: Row, size_wh: tuple[int, int]) -> Four | None:
    points = value.get("points")
    if not isinstance(points, list) or any(not _is_pair(each) for each in points):
        raise bad(f"{where}: 'points'", "a list of [x, y] in percent", points)
    rows = [{"x": x, "y": y} for x, y in points]
    return around_points(
        (
            _percent(where, row, "x") / 100 * size_wh[0],
            _percent(where, row, "y") / 100 * size_wh[1],
        )
        for row in rows
    )


def _is_pair(each: object) -> bool:
    return isinstance(each, list) and len(each) == 2  # noqa: PLR2004 -- x and y


def _brush_xyxy(_: str, value: Row, size_wh: tuple[int, int]) -> Four | None:
    return box_of_packed(value.get("rle"), size_wh)


def _percent(where: str, value: Row, key: str) -> float:
    found = number(f"{where}: '{key}'", value.get(key), "a number of percent")
    if abs(found) > _FARTHEST_PERCENT:
        raise bad(f"{where}: '{key}'", "a number of percent", found)
    return found


def _angle(where: str, value: Row) -> float:
    angle = number(f"{where}: 'rotation'", value.get("rotation") or 0, "degrees")
    return math.radians(angle)


_BOXES: Mapping[str, Callable[[str, Row, tuple[int, int]], Four | None]] = {
    "rectangle": rectangle_xyxy,
    "ellipse": _ellipse_xyxy,
    "polygon": _polygon_xyxy,
    "brush": _brush_xyxy,
    "magicwand": _brush_xyxy,
}
_BARE = {*_BOXES, "keypoint", "bitmask", "vector"}
"""Types of shapes without ``labels``; those that are not in `_BOXES` have no box."""
