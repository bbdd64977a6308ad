"""What is claimed of moments, and the claims that one rule doubts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from reelabel.data.boxes import Strings
from reelabel.data.sequence import Bools, Floats, Ints
from reelabel.errors import UsageError
from reelabel.labels.tags.probe import Features

BLANK: Final = "blank"
COPIED: Final = "copied"
STRANGER: Final = "stranger"
CONTRADICTS: Final = "contradicts"


@dataclass(frozen=True)
class TaggedMoments:
    """Moments with what is claimed of them.

    Attributes:
        classes: the k class names.
        video: ``(n,)``, the video of each moment.
        group: ``(n,)``, everything that must not be split: video, near-duplicates, source.
        features: ``(n, d)`` frozen features, such as the vectors of the table ``embeddings``.
        target: ``(n, k)``: 1 the class is claimed, 0 it is claimed not to be there, NaN unknown.
        entropy_bits, sharpness: ``(n,)`` as in the table ``frames``; None: nothing is blank.
        kept_video, kept_pts: ``(n,)``, the frame that stands for the near-duplicates of each
            moment, itself if it was kept; None: nothing is copied.
    """

    classes: tuple[str, ...]
    video: Strings
    group: Strings
    features: Features
    target: Floats
    entropy_bits: Floats | None = None
    sharpness: Floats | None = None
    kept_video: Strings | None = None
    kept_pts: Ints | None = None


@dataclass(frozen=True)
class DoubtfulClaims:
    """Claims that one rule doubts.

    Attributes:
        rule: its name.
        frames: ``(n,)`` bool, moments that do not show what their video is tagged with.
        mask: ``(n, k)`` bool, the claims.
        margin: ``(n,)`` float64.
        suggested: ``(n,)``, names.
        reason: from a moment and a class to words.
    """

    rule: str
    frames: Bools
    mask: Bools
    margin: Floats
    suggested: Strings
    reason: Callable[[int, int], str]


def check_moments(moments: TaggedMoments) -> None:
    """Refuse moments whose arrays do not fit together.

    Raises:
        UsageError: naming the lengths.
    """
    n, k = len(moments.video), len(moments.classes)
    optional = (moments.entropy_bits, moments.sharpness, moments.kept_video, moments.kept_pts)
    lengths = {len(values) for values in optional if values is not None}
    lengths |= {len(moments.features), len(moments.group)}
    if lengths - {n} or moments.target.shape != (n, k):
        raise UsageError(
            f"expected arrays of {n} moments and targets ({n}, {k}), but got lengths "
            f"{sorted(lengths)} and targets {moments.target.shape}"
        )
