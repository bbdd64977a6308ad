"""The input size of a student: as set, or chosen by the size of the labelled objects.

This module does not import torch.
"""

from __future__ import annotations

import numpy as np

from reelabel.data.boxes import area
from reelabel.models.students.inputs import STRIDE
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingSet

OBJECT_PX = 128
"""Side of the median object where the input size is chosen by the labels, in pixels."""
AUTO_SIZES = (320, 640)
"""Smallest and largest input size that is chosen so, in pixels."""
SMALL_OBJECT_PX = 12
"""A median object that measures less at the largest of these sizes is small."""
SMALL_TARGET_PX = 24
"""Side of the median small object in the input, in pixels."""
SMALL_SIZES = (640, 1280)
"""Smallest and largest input size that is chosen for small objects, in pixels."""


def used_image_size(data: TrainingSet, settings: BoxTrainSettings) -> int:
    """Return the input's longest side in pixels: as set, but not more than the footage has.

    Where it is chosen by the labels, pictures of small objects may be enlarged to twice their size:
    a network has one cell for 4 to 8 pixels, and an object of few cells is hard to place.
    """
    longest = max(max(each.size_wh) for each in data.pictures)
    most = max(64, -(-longest // STRIDE) * STRIDE)
    if settings.image_size:
        return min(settings.image_size, most)
    share = _median_share(data)
    if share * min(AUTO_SIZES[1], most) < SMALL_OBJECT_PX:
        return min(_size_for(SMALL_TARGET_PX, share, SMALL_SIZES), 2 * most)
    return min(_size_for(OBJECT_PX, share, AUTO_SIZES), most)


def _median_share(data: TrainingSet) -> float:
    """Return the side of the median object, as a share of its picture's longest side."""
    shares = [
        np.sqrt(area(each.positive.xyxy)) / max(each.size_wh)
        for each in data.pictures
        if len(each.positive)
    ]
    return max(float(np.median(np.concatenate(shares))), 1e-3)


def _size_for(object_px: int, share: float, limits: tuple[int, int]) -> int:
    """Return the longest side, within limits, at which the median object has so many pixels."""
    return int(np.clip(round(object_px / share / STRIDE) * STRIDE, *limits))
