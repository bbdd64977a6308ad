"""Boxes in the mirror image of a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reelabel.data.boxes import Boxes


def mirrored(boxes: Boxes, width: int) -> Boxes:
    """Return boxes where they lie in the mirror image of a picture so many pixels wide."""
    x1, y1, x2, y2 = boxes.xyxy.T
    return replace(boxes, xyxy=np.column_stack((width - x2, y1, width - x1, y2)))
