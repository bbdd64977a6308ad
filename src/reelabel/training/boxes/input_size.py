"""The input size of a student: as set, or chosen.

A student that detects before its training is used where it agrees most with itself (see
`models.input_size`), any other where the labelled objects have enough pixels.

This module does not import torch.
"""

from __future__ import annotations

import numpy as np

from reelabel.data.boxes import area
from reelabel.evaluation.frames import spread
from reelabel.media.pictures import read_rgb
from reelabel.models.input_size import AGREEMENT_BY_SIZE, PICTURES, SIZES, choose_size
from reelabel.models.self_agreement import BothViews
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import Network, Predictor
from reelabel.models.students.inputs import STRIDE, reduce
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
    most = largest_input(data)
    if settings.image_size:
        return min(settings.image_size, most)
    share = _median_share(data)
    if share * min(AUTO_SIZES[1], most) < SMALL_OBJECT_PX:
        return min(_size_for(SMALL_TARGET_PX, share, SMALL_SIZES), 2 * most)
    return min(_size_for(OBJECT_PX, share, AUTO_SIZES), most)


def largest_input(data: TrainingSet) -> int:
    """Return the input size at which no picture is made smaller, in pixels, at least 64."""
    longest = max(max(each.size_wh) for each in data.pictures)
    return max(64, -(-longest // STRIDE) * STRIDE)


def with_chosen_size(card: ModelCard, network: Network, data: TrainingSet) -> ModelCard:
    """Return a card with the input size that suits a data set, and what it was chosen by.

    Args:
        card: with the size that holds if too little is found.
        network: of the student, which detects already.
        data: whose pictures are looked at; sizes beyond theirs are not tried.

    Raises:
        DecodeError: if a picture is missing or damaged.
    """
    some = spread(data.pictures, PICTURES)
    pictures = [reduce(read_rgb(one.path), min(SIZES[-1], max(one.size_wh))) for one in some]

    def views_at(size: int) -> BothViews:
        single = card.model_copy(update={"image_size": size, "flip_test": False})
        return BothViews.of(Predictor(network, single), pictures, card.nms_iou)

    found = choose_size(views_at, largest_input(data))
    by_size = {str(size): round(value, 4) for size, value in found.agreement.items()}
    update = {
        "image_size": found.image_size or card.image_size,
        "training": card.training | {AGREEMENT_BY_SIZE: by_size},
    }
    return card.model_copy(update=update)


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
