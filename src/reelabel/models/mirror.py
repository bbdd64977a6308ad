"""The mirror image of a picture as a second view: boxes in it, and both views' boxes as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reelabel.data.boxes import Boxes, iou
from reelabel.models.base import Image, Predict
from reelabel.models.detectors.suppress import suppress


def mirrored(boxes: Boxes, width: int) -> Boxes:
    """Return boxes where they lie in the mirror image of a picture so many pixels wide."""
    x1, y1, x2, y2 = boxes.xyxy.T
    return replace(boxes, xyxy=np.column_stack((width - x2, y1, width - x1, y2)))


def in_mirror(predict: Predict, pictures: Sequence[Image]) -> list[Boxes]:
    """Return what a model finds in the mirror images of pictures, mapped back to the pictures."""
    found = predict([np.ascontiguousarray(picture[:, ::-1]) for picture in pictures])
    views = zip(found, pictures, strict=True)
    return [mirrored(boxes, picture.shape[1]) for boxes, picture in views]


def joined(straight: Boxes, flipped: Boxes, nms_iou: float) -> Boxes:
    """Return the boxes of a picture and of its mirror image, mapped back, as those of one picture.

    A box that is found in both is the mean of its copies, weighted by score, so that errors of one
    edge are averaged out.

    Args:
        straight: of the picture, after suppression.
        flipped: of its mirror image, where they lie in the picture.
        nms_iou: from which overlap on two boxes of one class are of one object.
    """
    both = Boxes.concatenated([straight, flipped])
    kept = suppress(both.xyxy, both.score, both.class_id, nms_iou)
    best = both[kept]
    same = iou(best.xyxy, both.xyxy) >= nms_iou
    same |= np.arange(len(both))[None] == kept[:, None]  # also a box without any area
    same &= best.class_id[:, None] == both.class_id[None]
    weight = same * np.maximum(both.score, np.finfo(np.float32).tiny)
    mean = (weight @ both.xyxy) / weight.sum(axis=1, keepdims=True)
    return Boxes(mean.astype(np.float32), best.score, best.class_id)
