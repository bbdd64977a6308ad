"""The input size at which a detector agrees most with itself on some footage, without labels.

Measured against hand-drawn boxes in `docs/experiments.md`. Tiles would be nothing else here: the
networks are convolutions throughout, so that a larger input is the same as tiles without seams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reelabel.models.self_agreement import BothViews, agreement, objects

SIZES = (320, 384, 448, 544, 640, 736, 864, 1024, 1280)
"""Longest sides in pixels that are tried, each about a sixth larger than the one before."""
PICTURES = 32
"""So many pictures are looked at."""
AGREEMENT_BY_SIZE = "agreement_by_input_size"
"""Key in `Card.training`: input size in pixels -> agreement, where it was chosen."""
_NEAR = 2  # with so many sizes on either side a size is compared
_LEAST_OBJECTS = 5.0  # with fewer in all pictures, counted by score, nothing is chosen
_SAME = 0.002  # of sizes whose agreement differs by less, the smallest is the quickest
_WORSE = 0.01  # two sizes in turn that agree so much less under mirroring end the search


@dataclass(frozen=True)
class SizeChoice:
    """The input size that suits footage.

    Attributes:
        image_size: longest side in pixels; None if too little was found to choose.
        agreement: size -> how far the detector agrees with itself there, 0..1.
    """

    image_size: int | None
    agreement: dict[int, float]


def choose_size(views_at: Callable[[int], BothViews], largest: int) -> SizeChoice:
    """Return the input size at which a detector agrees most with itself.

    Agreement is the mean of two: with the mirror image, and with the sizes next to it.

    Args:
        views_at: returns what the detector finds in some pictures at an input size in pixels.
        largest: largest size in pixels that is tried.
    """
    views = dict(_tried(views_at, largest))
    sizes = list(views)
    found = {size: _agreement(views, sizes, i) for i, size in enumerate(sizes)}
    if max(objects(one.joined) for one in views.values()) < _LEAST_OBJECTS:
        return SizeChoice(None, found)
    best = max(found.values())
    return SizeChoice(next(size for size in sizes if found[size] >= best - _SAME), found)


def _tried(views_at: Callable[[int], BothViews], largest: int) -> Iterator[tuple[int, BothViews]]:
    """Yield sizes and what is found, the smallest first, until larger ones are worse."""
    best, below = 0.0, 0
    for size in (size for size in SIZES if size <= max(largest, SIZES[0])):
        views = views_at(size)
        yield size, views
        now = views.mirror_agreement
        best, below = max(best, now), below + 1 if now < best - _WORSE else 0
        if below == _NEAR:
            return


def _agreement(views: dict[int, BothViews], sizes: Sequence[int], i: int) -> float:
    near = [n for n in range(max(0, i - _NEAR), min(len(sizes), i + _NEAR + 1)) if n != i]
    own = views[sizes[i]]
    scales = [agreement(own.joined, views[sizes[n]].joined) for n in near]
    return (own.mirror_agreement + sum(scales) / max(1, len(scales))) / 2
