"""Boxes of COCO annotations that have none: those around their masks or key points.

``segmentation`` is a list of polygons ``[x, y, x, y, ...]``, or a mask ``{"size": [height, width],
"counts": ...}``; ``keypoints`` are ``x, y, v`` each, with v 0 for those that are not labelled
(https://cocodataset.org/#format-data).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from reelabel.formats.checked import FARTHEST, Row, bad, number
from reelabel.formats.entries import Four
from reelabel.formats.run_lengths import box_of_counts
from reelabel.formats.shapes import around_points


def has_shape_alone(row: Row) -> bool:
    """Return whether an annotation has no ``bbox``, but a mask or key points."""
    return not row.get("bbox") and bool(row.get("segmentation") or row.get("keypoints"))


def box_around(where: str, row: Row) -> Four | None:
    """Return the box around an annotation's mask, else its key points; None if there is none.

    Raises:
        FormatError: if a number of it is none.
    """
    mask, keypoints = row.get("segmentation"), row.get("keypoints")
    if isinstance(mask, dict):
        return _box_of_mask(f"{where}: 'segmentation'", mask)
    if mask:
        return around_points(_polygon_points(f"{where}: 'segmentation'", mask))
    triples = _grouped(f"{where}: 'keypoints'", keypoints, 3)
    return around_points((x, y) for x, y, visible in triples if visible > 0)


def _box_of_mask(where: str, mask: Row) -> Four | None:
    size = mask.get("size")
    sides = size if isinstance(size, list) and all(type(each) is int for each in size) else []
    if len(sides) != 2 or not 0 < min(sides) <= max(sides) <= FARTHEST:  # noqa: PLR2004 -- two
        raise bad(where, "a 'size' of [height, width]", size)
    return box_of_counts(mask.get("counts"), (sides[1], sides[0]))


def _polygon_points(where: str, mask: object) -> list[tuple[float, float]]:
    nested = isinstance(mask, list) and isinstance(mask[0], list)
    parts = mask if isinstance(mask, list) and nested else [mask]
    pairs = chain.from_iterable(_grouped(where, part, 2) for part in parts)
    return [(x, y) for x, y in pairs]


def _grouped(where: str, values: object, size: int) -> list[Sequence[float]]:
    """Return numbers in groups of `size`."""
    expected = f"numbers in groups of {size}"
    if not isinstance(values, list) or len(values) % size:
        raise bad(where, expected, values)
    given = [number(where, each, expected) for each in values]
    if max(map(abs, given), default=0) > FARTHEST:
        raise bad(where, expected, values)
    return [given[at : at + size] for at in range(0, len(given), size)]
