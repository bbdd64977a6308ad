"""How many decimals numbers of predictions have in files; those in memory are not rounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelabel.data.boxes import Boxes, xyxy_to_xywh

PIXELS, SCORE, SECONDS = 2, 4, 6
DIGITS: Mapping[str, int] = {
    "time_s": SECONDS,
    "score": SCORE,
    **dict.fromkeys(("x1", "y1", "x2", "y2"), PIXELS),
}
"""Column -> decimals, in JSON, CSV and COCO alike."""


def rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a box with its numbers as files hold them."""
    return {
        name: round(value, DIGITS[name]) if name in DIGITS and value is not None else value
        for name, value in row.items()
    }


def rounded_bboxes(boxes: Boxes) -> list[list[float]]:
    """Return left, top, width and height of each box, in hundredths of a pixel."""
    return [[round(v, PIXELS) for v in box] for box in xyxy_to_xywh(boxes.xyxy).tolist()]
