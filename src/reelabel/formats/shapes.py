"""The upright boxes around shapes that people draw: polygons, ellipses, turned boxes, masks.

Angles are in radians, clockwise as one looks at the picture, as its y points down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from reelabel.data.dataset import DIGITS
from reelabel.formats.entries import Four


def around_points(points: Iterable[tuple[float, float]]) -> Four | None:
    """Return the box around points; None if it has no area, as that of a single point.

    Args:
        points: x and y of each, in pixels.
    """
    pairs = list(points)
    if not pairs:
        return None
    x, y = zip(*pairs, strict=True)
    box = min(x), min(y), max(x), max(y)
    least = 10**-DIGITS
    return box if box[2] - box[0] >= least and box[3] - box[1] >= least else None


def around_ellipse(centre: tuple[float, float], radii: tuple[float, float], angle: float) -> Four:
    """Return the box around an ellipse that is turned about its centre.

    Its half width is ``sqrt((rx cos a)^2 + (ry sin a)^2)``, its half height the same with sine and
    cosine exchanged.

    Args:
        centre: x and y in pixels.
        radii: half axes along x and y before it is turned, in pixels.
        angle: by which it is turned.
    """
    (cx, cy), (rx, ry) = centre, radii
    cos, sin = math.cos(angle), math.sin(angle)
    half_w, half_h = math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)
    return cx - half_w, cy - half_h, cx + half_w, cy + half_h


def around_turned(box: Four, angle: float, pivot: tuple[float, float]) -> Four:
    """Return the box around one that is turned about a point.

    Args:
        box: left, top, right, bottom in pixels.
        angle: by which it is turned.
        pivot: x and y of what it is turned about.
    """
    if not angle:
        return box
    x1, y1, x2, y2 = box
    cos, sin, (px, py) = math.cos(angle), math.sin(angle), pivot
    corners = [(x - px, y - py) for x in (x1, x2) for y in (y1, y2)]
    across = [px + x * cos - y * sin for x, y in corners]
    down = [py + x * sin + y * cos for x, y in corners]
    return min(across), min(down), max(across), max(down)
