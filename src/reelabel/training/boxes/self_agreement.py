"""How far a network agrees with itself on pictures without labels.

A detector that is right finds an object again in the mirror image and when the picture is a little
larger or smaller; one that guesses does not. See `evaluation.consistency` for what is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import Boxes
from reelabel.evaluation.consistency import Views, consistency
from reelabel.models.base import Image
from reelabel.models.mirror import mirrored
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import Network, Predictor, joined

Found = list[Boxes]
"""Boxes in each picture, in its own pixels."""


@dataclass(frozen=True)
class SizeViews:
    """What a network finds in pictures at one input size.

    Attributes:
        direct: in the pictures.
        mirrored: in their mirror images, mapped back.
        joined: what both views yield together.
    """

    direct: Found
    mirrored: Found
    joined: Found

    @property
    def mirror_agreement(self) -> float:
        """How far the two views agree, 0..1."""
        return agreement(self.direct, self.mirrored)


def views_at(
    network: Network, pictures: Sequence[Image], card: ModelCard, image_size: int
) -> SizeViews:
    """Return what a network finds in pictures ``(h, w, 3)`` and their mirror images.

    Args:
        network: of a student.
        pictures: at their own size.
        card: how pictures are given to the student; its own input size does not count.
        image_size: longest side of the input in pixels.
    """
    single = card.model_copy(update={"image_size": image_size, "flip_test": False})
    predict = Predictor(network, single)
    direct = predict(pictures)
    flipped = predict([np.ascontiguousarray(each[:, ::-1]) for each in pictures])
    back = [mirrored(b, p.shape[1]) for b, p in zip(flipped, pictures, strict=True)]
    both = [joined(a, b, card) for a, b in zip(direct, back, strict=True)]
    return SizeViews(direct, back, both)


def agreement(first: Sequence[Boxes], second: Sequence[Boxes]) -> float:
    """Return the mean IoU of boxes with their counterparts, weighted by score: 0..1.

    It is 0 where nothing is found.
    """
    value = consistency(Views.of(first, second)).value
    return value if np.isfinite(value) else 0.0


def objects(found: Sequence[Boxes]) -> float:
    """Return how many objects were found, each counted by its score."""
    return float(sum(each.score.sum() for each in found))
