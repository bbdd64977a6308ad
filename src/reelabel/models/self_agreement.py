"""How far a detector agrees with itself on pictures without labels.

A detector that is right finds an object again in the mirror image and when the picture is a little
larger or smaller; one that guesses does not. See `evaluation.consistency` for what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import Boxes
from reelabel.evaluation.consistency import Views, consistency
from reelabel.models.base import Image, Predict
from reelabel.models.mirror import in_mirror, joined

Found = list[Boxes]
"""Boxes in each picture, in its own pixels."""


@dataclass(frozen=True)
class BothViews:
    """What a detector finds in pictures and in their mirror images.

    Attributes:
        direct: in the pictures.
        mirrored: in their mirror images, mapped back.
        joined: what both views yield together.
    """

    direct: Found
    mirrored: Found
    joined: Found

    @classmethod
    def of(cls, predict: Predict, pictures: Sequence[Image], nms_iou: float) -> BothViews:
        """Return what a detector finds.

        Args:
            predict: detects in single views.
            pictures: ``(h, w, 3)`` each.
            nms_iou: from which overlap on the better of two boxes of one class stays.
        """
        direct, back = predict(pictures), in_mirror(predict, pictures)
        both = [joined(a, b, nms_iou) for a, b in zip(direct, back, strict=True)]
        return cls(direct, back, both)

    @property
    def mirror_agreement(self) -> float:
        """How far the two views agree, 0..1."""
        return agreement(self.direct, self.mirrored)


def agreement(first: Sequence[Boxes], second: Sequence[Boxes]) -> float:
    """Return the mean IoU of boxes with their counterparts, weighted by score: 0..1.

    It is 0 where nothing is found.
    """
    value = consistency(Views.of(first, second)).value
    return value if np.isfinite(value) else 0.0


def objects(found: Sequence[Boxes]) -> float:
    """Return how many objects were found, each counted by its score."""
    return float(sum(each.score.sum() for each in found))
