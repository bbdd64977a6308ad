"""The input size of a student that detects before its training: where it agrees most with itself.

Measured against hand-drawn boxes in `docs/experiments.md`. Tiles would be nothing else here: the
networks are convolutions throughout, so that a larger input is the same as tiles without seams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reelabel.evaluation.frames import spread
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import Network
from reelabel.models.students.inputs import reduce
from reelabel.training.boxes.batches import largest_input
from reelabel.training.boxes.self_agreement import SizeViews, agreement, objects, views_at
from reelabel.training.boxes.training_set import TrainingSet

SIZES = (256, 320, 384, 448, 544, 640, 736, 864, 1024, 1280)
"""Longest sides in pixels that are tried, each about a sixth larger than the one before."""
NEAR = 2
"""With so many sizes on either side a size is compared."""
LEAST_OBJECTS = 5.0
"""With fewer objects in all pictures (counted by score) nothing is chosen."""
SAME = 0.005
"""Of sizes whose agreement differs by less, the smallest is taken: it is the quickest."""
PICTURES = 24
"""So many pictures of a data set are looked at."""
AGREEMENT_BY_SIZE = "agreement_by_input_size"
"""Key in `Card.training`: input size in pixels -> agreement, where it was chosen."""
HOPELESS = 0.01
"""Two sizes in turn that agree so much less under mirroring than the best one end the search."""


@dataclass(frozen=True)
class SizeChoice:
    """The input size that suits footage.

    Attributes:
        image_size: longest side in pixels; None if too little was found to choose.
        agreement: size -> how far the network agrees with itself there, 0..1.
    """

    image_size: int | None
    agreement: dict[int, float]


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
    found = choose_size(network, pictures, card, largest_input(data))
    by_size = {str(size): round(value, 4) for size, value in found.agreement.items()}
    update = {
        "image_size": found.image_size or card.image_size,
        "training": card.training | {AGREEMENT_BY_SIZE: by_size},
    }
    return card.model_copy(update=update)


def choose_size(
    network: Network, pictures: Sequence[Image], card: ModelCard, largest: int
) -> SizeChoice:
    """Return the input size at which a network agrees most with itself.

    Agreement is the mean of two: with the mirror image, and with the sizes next to it.

    Args:
        network: of a student that detects.
        pictures: some of the footage, ``(h, w, 3)``.
        card: how pictures are given to the student; its own input size does not count.
        largest: largest size in pixels that is tried.
    """
    views = dict(_tried(network, pictures, card, largest))
    sizes = list(views)
    found = {size: _agreement(views, sizes, i) for i, size in enumerate(sizes)}
    if max((objects(one.joined) for one in views.values()), default=0.0) < LEAST_OBJECTS:
        return SizeChoice(None, found)
    best = max(found.values())
    return SizeChoice(next(size for size in sizes if found[size] >= best - SAME), found)


def _tried(
    network: Network, pictures: Sequence[Image], card: ModelCard, largest: int
) -> Iterator[tuple[int, SizeViews]]:
    """Yield sizes and what is found, the smallest first, until larger ones are hopeless."""
    best, below = 0.0, 0
    for size in (size for size in SIZES if size <= max(largest, SIZES[0])):
        views = views_at(network, pictures, card, size)
        yield size, views
        now = views.mirror_agreement
        best, below = max(best, now), below + 1 if now < best - HOPELESS else 0
        if below == NEAR:
            return


def _agreement(views: dict[int, SizeViews], sizes: Sequence[int], i: int) -> float:
    near = [n for n in range(max(0, i - NEAR), min(len(sizes), i + NEAR + 1)) if n != i]
    own = views[sizes[i]]
    scales = [agreement(own.joined, views[sizes[n]].joined) for n in near]
    return (own.mirror_agreement + sum(scales) / max(1, len(scales))) / 2
