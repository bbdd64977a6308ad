"""What marks an object in the XML files of VOC: a box, or one of the shapes that tools add.

``bndbox`` is VOC's own. Roboflow adds ``polygon`` with ``x1 y1 x2 y2 ...``, LabelMe one with
``pt``, and roLabelImg ``robndbox``: ``cx cy w h`` in pixels and ``angle`` in radians.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from reelabel.errors import FormatError
from reelabel.formats.entries import Four
from reelabel.formats.shapes import around_points, around_turned
from reelabel.formats.xml_files import xml_number


def corners_of(where: str, element: ET.Element) -> Four | None:
    """Return left, top, right, bottom around an object, in the numbers of its file.

    Args:
        where: the file, for messages.
        element: the ``object``.

    Returns:
        None where nothing marks an area, as for a single point.

    Raises:
        FormatError: if a coordinate is no number, or a box ends before it begins.
    """
    if (box := element.find("bndbox")) is not None:
        return _box(where, element, box)
    if (turned := element.find("robndbox")) is not None:
        return _turned(where, turned)
    return around_points(_points(where, element.find("polygon")))


def is_of_labelme(element: ET.Element) -> bool:
    """Return whether LabelMe wrote an object: a polygon of points, which lie on edges from 0."""
    return element.find("bndbox") is None and element.find("polygon/pt") is not None


def _box(where: str, element: ET.Element, box: ET.Element) -> Four:
    x1, y1, x2, y2 = _numbers(where, box, ("xmin", "ymin", "xmax", "ymax"))
    if x2 - x1 + 1 < 0 or y2 - y1 + 1 < 0:
        raise FormatError(
            f"{where}: expected xmin <= xmax and ymin <= ymax in <object> "
            f"'{(element.findtext('name') or '').strip()}', but got {x1} {y1} {x2} {y2}; correct "
            "or remove it"
        )
    return x1, y1, x2, y2


def _turned(where: str, box: ET.Element) -> Four:
    cx, cy, w, h, angle = _numbers(where, box, ("cx", "cy", "w", "h", "angle"))
    return around_turned((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), angle, (cx, cy))


def _points(where: str, polygon: ET.Element | None) -> Iterator[tuple[float, float]]:
    """Yield x and y of the points of a polygon, in pixels."""
    if polygon is None:
        return
    for point in (*polygon.iter("pt"), *polygon.iter("point")):
        x, y = _numbers(where, point, ("x", "y"))
        yield x, y
    number = 1
    while polygon.find(f"x{number}") is not None:
        x, y = _numbers(where, polygon, (f"x{number}", f"y{number}"))
        yield x, y
        number += 1


def _numbers(where: str, element: ET.Element, tags: tuple[str, ...]) -> tuple[float, ...]:
    return tuple(xml_number(where, tag, element.findtext(tag)) for tag in tags)
