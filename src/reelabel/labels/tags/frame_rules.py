"""The rules about single frames: blank, copied, and unlike the rest of the video."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from reelabel.data.boxes import Strings
from reelabel.data.sequence import Floats
from reelabel.labels.tags.claims import BLANK, COPIED, STRANGER, DoubtfulClaims, TaggedMoments
from reelabel.labels.tags.stranger import (
    BlankSettings,
    StrangerSettings,
    find_blank,
    find_copied,
    find_strangers,
)


def blank_claims(
    moments: TaggedMoments, target: Floats, s: BlankSettings
) -> Iterator[DoubtfulClaims]:
    """Yield claims ``(n, k)`` about frames that show next to nothing, where figures are known."""
    if moments.entropy_bits is None or moments.sharpness is None:
        return
    entropy_bits, sharpness = moments.entropy_bits, moments.sharpness

    def reason(i: int, _: int) -> str:
        if entropy_bits[i] < s.min_entropy_bits:
            return f"entropy {entropy_bits[i]:.2f} bit < {s.min_entropy_bits:g}"
        return f"sharpness {sharpness[i]:.2f} < {s.min_sharpness:g}"

    frames = find_blank(entropy_bits, sharpness, s)
    margin = np.maximum(s.min_entropy_bits - entropy_bits, s.min_sharpness - sharpness)
    mask = frames[:, None] & (target == 1)
    yield DoubtfulClaims(BLANK, frames, mask, margin, _nothing(margin), reason)


def copied_claims(moments: TaggedMoments, target: Floats) -> Iterator[DoubtfulClaims]:
    """Yield claims ``(n, k)`` about frames that stand in videos that exclude the class."""
    if moments.kept_video is None or moments.kept_pts is None:
        return
    found = find_copied(moments.video, target, moments.kept_video, moments.kept_pts)

    def reason(i: int, j: int) -> str:
        return (
            f"the same frame is in {found.videos[i]} videos, and {found.share[i, j]:.0%} of its "
            "copies exclude the class"
        )

    margin = np.where(found.mask, found.share, 0).max(axis=1, initial=0)
    yield DoubtfulClaims(COPIED, found.shared, found.mask, margin, _nothing(margin), reason)


def strange_claims(
    moments: TaggedMoments, target: Floats, s: StrangerSettings
) -> Iterator[DoubtfulClaims]:
    """Yield claims ``(n, k)`` about frames that are unlike the rest of their video."""
    found = find_strangers(moments.features, moments.video, s)

    def reason(i: int, _: int) -> str:
        limit = found.threshold[i]
        return f"distance {found.distance[i]:.3f} from the median of its video > {limit:.3f}"

    mask = found.mask[:, None] & (target == 1)
    margin = found.distance - found.threshold
    yield DoubtfulClaims(STRANGER, found.mask, mask, margin, _nothing(margin), reason)


def _nothing(like: Floats) -> Strings:
    """Return that no other class is suggested."""
    return np.full(len(like), "", dtype=np.str_)
