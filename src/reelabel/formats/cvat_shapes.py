"""The shapes of CVAT's XML files, and the boxes around them; see `reelabel.formats.cvat`.

``rotation`` is in degrees clockwise about the centre. ``points`` hold ``x,y;x,y``. The corners of a
cuboid are those of its front and back face. A skeleton holds its points as elements, of which those
that are ``outside`` are not there.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable

from reelabel.errors import FormatError
from reelabel.formats.entries import Four
from reelabel.formats.shapes import around_ellipse, around_points, around_turned
from reelabel.formats.xml_files import xml_number

CORNERS = ("xtl", "ytl", "xbr", "ybr")
"""Attributes of a box."""
_CUBOID = tuple(f"{corner}{face}" for face in "12" for corner in ("tl", "bl", "tr", "br"))


def is_outside(shape: ET.Element) -> bool:
    """Return whether a shape of a track, or each point of a skeleton, is not in its frame."""
    if shape.get("outside") == "1":
        return True
    parts = [each for each in shape if each.tag in _HULLS]
    return bool(parts) and all(each.get("outside") == "1" for each in parts)


def box_around(where: str, shape: ET.Element) -> Four | None:
    """Return the box of a shape, or the one around it in pixels; None if it encloses nothing.

    Args:
        where: the file, and the place in it.
        shape: the element.

    Raises:
        FormatError: if a number of it is wrong.
    """
    hull = _HULLS.get(shape.tag)
    return None if hull is None else hull(where, shape)


def _box(where: str, shape: ET.Element) -> Four:
    x1, y1, x2, y2 = _numbers(where, shape, CORNERS)
    if x2 < x1 or y2 < y1:
        raise FormatError(
            f"{where}: expected xtl <= xbr and ytl <= ybr, but got {x1} {y1} {x2} {y2}; "
            "correct or remove it"
        )
    return around_turned((x1, y1, x2, y2), _angle(where, shape), ((x1 + x2) / 2, (y1 + y2) / 2))


def _around_ellipse(where: str, shape: ET.Element) -> Four:
    cx, cy, rx, ry = _numbers(where, shape, ("cx", "cy", "rx", "ry"))
    return around_ellipse((cx, cy), (rx, ry), _angle(where, shape))


def _angle(where: str, shape: ET.Element) -> float:
    return math.radians(xml_number(where, "rotation", shape.get("rotation", "0")))


def _mask_box(where: str, shape: ET.Element) -> Four:
    x, y, w, h = _numbers(where, shape, ("left", "top", "width", "height"))
    return x, y, x + abs(w), y + abs(h)


def _around_points(where: str, shape: ET.Element) -> Four | None:
    return around_points(_points(where, shape))


def _points(where: str, shape: ET.Element) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in (shape.get("points") or "").split(";")]
    if any(len(pair) != 2 for pair in pairs):  # noqa: PLR2004 -- x and y
        raise FormatError(f"{where}: expected 'points' as x,y;x,y; correct or remove it")
    return [(xml_number(where, "points", x), xml_number(where, "points", y)) for x, y in pairs]


def _around_cuboid(where: str, shape: ET.Element) -> Four | None:
    x = _numbers(where, shape, (f"x{corner}" for corner in _CUBOID))
    y = _numbers(where, shape, (f"y{corner}" for corner in _CUBOID))
    return around_points(zip(x, y, strict=True))


def _around_skeleton(where: str, shape: ET.Element) -> Four | None:
    """Return the box around the elements of a skeleton, which may be shapes of any kind."""
    found = list[tuple[float, float]]()
    for part in shape:
        if part.get("outside") == "1" or part.tag not in _HULLS:
            continue
        if part.tag == "points":
            found += _points(where, part)
        elif (box := box_around(where, part)) is not None:
            found += [box[:2], box[2:]]
    return around_points(found)


def _numbers(where: str, shape: ET.Element, keys: Iterable[str]) -> list[float]:
    return [xml_number(where, key, shape.get(key)) for key in keys]


_HULLS: dict[str, Callable[[str, ET.Element], Four | None]] = {
    "box": _box,
    "polygon": _around_points,
    "polyline": _around_points,
    "points": _around_points,
    "ellipse": _around_ellipse,
    "mask": _mask_box,
    "cuboid": _around_cuboid,
    "skeleton": _around_skeleton,
}
