"""Quality of frames (sharpness, noise, exposure, change), perceptual hash, and hard shot cuts.

All figures are taken on a reduced grey picture (longest side about 320 pixels), so that they mean
the same for every size of footage. Each costs a small part of a millisecond.
"""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from reelabel.media.convert import Picture, scaled

_LAPLACIAN_GAIN = 20.0  # 4 x 1 + 4 squared: the variance that white noise of sigma 1 leaves
_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_CLIPPED_DARK, _CLIPPED_BRIGHT = 2, 253
_BLACK_LEVEL, _BLACK_SHARE = 32, 0.999
_FROZEN_MEAN, _FROZEN_PEAK = 0.05, 12.0
_HASH_SIDE = 32
_THUMBNAIL_WH = (32, 24)

USUAL_CHANGE = 2.5
"""A cut changes the picture so many times as much as the frames before it changed."""
ANALYSIS_WH = (320, 320)
"""Size to which frames are reduced for quality, hash and shot cuts."""


@dataclass(frozen=True)
class Quality:
    """Figures of one frame.

    Attributes:
        sharpness: variance of the 4-neighbour Laplacian less what noise alone would give, in
            squared grey levels: ``max(0, var - 20 noise²)``. 20 is the sum of the kernel's squared
            weights, by which it multiplies the variance of white noise.
        noise: standard deviation of the noise in grey levels, after J. Immerkaer, "Fast noise
            variance estimation" (1996); fine texture counts as noise in part.
        entropy_bits: entropy of the grey levels, 0 (one level) to 8.
        exposure: mean grey level, 0..255.
        dark_share: share of pixels at level 2 or below, 0..1.
        bright_share: share of pixels at level 253 or above, 0..1.
        near_black: True if fewer than one pixel in a thousand is lighter than level 32.
        change: mean absolute difference to the frame before, in grey levels; None if there is
            none of the same size.
        frozen: True if it is the frame before up to what a codec changes: less than 0.05 grey
            levels on average and nowhere more than 12.
        phash: 64-bit perceptual hash, see `perceptual_hash`.
    """

    sharpness: float
    noise: float
    entropy_bits: float
    exposure: float
    dark_share: float
    bright_share: float
    near_black: bool
    change: float | None
    frozen: bool
    phash: int

    @property
    def clipped_share(self) -> float:
        """Share of pixels that are black or white to the limit, 0..1."""
        return self.dark_share + self.bright_share


class QualityLimits(BaseModel):
    """Limits beyond which a frame is left out; the defaults drop only what is clearly useless."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_sharpness: float = Field(2.0, ge=0)
    """Least Laplacian variance without its noise part, in squared grey levels; usual frames have
    5 to 3000, 0 turns it off."""
    max_noise: float = Field(30.0, ge=0)
    """Most noise, as a standard deviation in grey levels; usual frames have 0.1 to 10."""
    min_entropy_bits: float = Field(0.05, ge=0, le=8)
    """Least entropy of the grey levels in bits, 0 to 8; a blank frame has 0."""
    max_entropy_bits: float = Field(8.0, ge=0, le=8)
    """Most entropy of the grey levels in bits, 0 to 8; 8 turns it off."""
    min_exposure: float = Field(0.5, ge=0, le=255)
    """Least mean grey level, 0 to 255."""
    max_exposure: float = Field(253.0, ge=0, le=255)
    """Most mean grey level, 0 to 255."""
    max_clipped_share: float = Field(0.995, ge=0, le=1)
    """Most pixels that are black or white to the limit, as a share from 0 to 1."""
    drop_near_black: bool = True
    """Whether frames that are black but for one pixel in a thousand are left out."""
    min_change: float = Field(0.0, ge=0)
    """Least mean difference to the frame sampled before, in grey levels; 0 turns it off."""
    drop_frozen: bool = False
    """Whether frames that only repeat the one before are left out here; they are left to the
    search for duplicates otherwise, which keeps the best of them."""


def measure(grey: Picture, previous_grey: Picture | None = None) -> Quality:
    """Return the figures of a frame.

    Args:
        grey: ``(height, width)`` uint8, longest side about 320.
        previous_grey: the frame before it, reduced in the same way.
    """
    levels = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel() / grey.size
    noise = noise_sigma(grey)
    change, peak = _differences(grey, previous_grey)
    return Quality(
        sharpness=_sharpness(grey, noise),
        noise=noise,
        entropy_bits=_entropy_bits(levels),
        exposure=float(levels @ np.arange(256)),
        dark_share=float(levels[: _CLIPPED_DARK + 1].sum()),
        bright_share=float(levels[_CLIPPED_BRIGHT:].sum()),
        near_black=bool(levels[: _BLACK_LEVEL + 1].sum() > _BLACK_SHARE),
        change=change,
        frozen=change is not None and change < _FROZEN_MEAN and peak <= _FROZEN_PEAK,
        phash=perceptual_hash(grey),
    )


def reject_reason(quality: Quality, limits: QualityLimits) -> str | None:
    """Return why the frame is to be left out, such as ``sharpness 1.3 < 2``, or None.

    The first violated limit is named, the most specific ones first.
    """
    q, at = quality, limits
    if at.drop_near_black and q.near_black:
        return "near black"
    if at.drop_frozen and q.frozen:
        return "frozen"
    low = (
        ("exposure", q.exposure, at.min_exposure),
        ("entropy", q.entropy_bits, at.min_entropy_bits),
        ("sharpness", q.sharpness, at.min_sharpness),
        ("change", math.inf if q.change is None else q.change, at.min_change),
    )
    high = (
        ("exposure", q.exposure, at.max_exposure),
        ("clipped", q.clipped_share, at.max_clipped_share),
        ("noise", q.noise, at.max_noise),
        ("entropy", q.entropy_bits, at.max_entropy_bits),
    )
    broken = [f"{name} {value:.4g} < {limit:g}" for name, value, limit in low if value < limit]
    broken += [f"{name} {value:.4g} > {limit:g}" for name, value, limit in high if value > limit]
    return broken[0] if broken else None


def rule_of(reason: str) -> str:
    """Return the rule of a reason for which a frame is left out, without what was measured.

    >>> rule_of("noise 34.12 > 30"), rule_of("near black")
    ('noise > 30', 'near black')
    """
    return re.sub(r" \S+ (?=[<>] )", " ", reason)


def noise_sigma(grey: Picture) -> float:
    """Return the standard deviation of white noise in grey levels, estimated as by Immerkaer.

    The kernel is the difference of two Laplacians; it lets no constant or linear course of
    brightness through. Its mean absolute answer to noise of sigma 1 is ``6 sqrt(2 / pi)``.
    """
    answer = cv2.filter2D(grey, cv2.CV_16S, _IMMERKAER)[1:-1, 1:-1]
    if answer.size == 0:
        return 0.0
    mean = float(cv2.norm(answer, cv2.NORM_L1)) / int(answer.size)
    return math.sqrt(math.pi / 2) / 6 * mean


def _sharpness(grey: Picture, noise: float) -> float:
    answer = cv2.Laplacian(grey, cv2.CV_16S)
    # Several times faster than cv2.meanStdDev.
    mean = float(cv2.sumElems(answer)[0]) / answer.size
    variance = float(cv2.norm(answer, cv2.NORM_L2)) ** 2 / answer.size - mean**2
    return max(0.0, float(variance - _LAPLACIAN_GAIN * noise**2))


def _entropy_bits(levels: NDArray[np.float32]) -> float:
    used = levels[levels > 0].astype(np.float64)
    return max(0.0, -float((used * np.log2(used)).sum()))


def _differences(grey: Picture, previous: Picture | None) -> tuple[float | None, float]:
    """Return the mean and the largest absolute difference in grey levels."""
    if previous is None or previous.shape != grey.shape:
        return None, 0.0
    difference = cv2.absdiff(grey, previous)
    return float(cv2.mean(difference)[0]), float(cv2.norm(difference, cv2.NORM_INF))


def perceptual_hash(grey: Picture) -> int:
    """Return 64 bits that stay nearly the same when a picture is scaled, compressed or relit.

    The picture is reduced to 32 x 32 and taken apart by the discrete cosine transform. The 8 x 8
    lowest frequencies are compared with their median, row by row from the lowest; 1 is above it,
    the first bit is the highest. The constant part is brightness alone, so the next frequency of
    the top row stands in its place. Parts too weak to be seen count as 0: a blank picture has
    hash 0.
    """
    small = scaled(grey, (_HASH_SIDE, _HASH_SIDE))
    parts = cv2.dct(small.astype(np.float32))
    low = parts[:8, :8].ravel().copy()
    low[0] = parts[0, 8]
    low[np.abs(low) < 1] = 0
    bits = low > np.median(low)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


class CutDetector:
    """Finds hard cuts online, frame by frame, with constant memory.

    A frame begins a new shot if, reduced to 32 x 24, it differs from the frame before it
    - by more than `min_change` grey levels on average, and
    - `ratio` times as much as any of the `window` frames before did from theirs, so that fast
      motion and shaking cameras are no cuts, and
    - in its structure: one less the correlation of both pictures is above `min_unlike`, so that
      flashes, fades and changes of exposure of the same scene are no cuts.

    A single foreign frame is reported as a cut where it begins and not where it ends. Dissolves
    are not found.

    Args:
        min_change: grey levels, 0..255.
        ratio: 1 and above; 0 where the frames before imply nothing.
        min_unlike: 0 (the same structure) to 2 (inverted).
        window: frames.
    """

    def __init__(
        self,
        min_change: float = 8.0,
        ratio: float = USUAL_CHANGE,
        min_unlike: float = 0.6,
        window: int = 4,
    ) -> None:
        self._min_change = min_change
        self._ratio = ratio
        self._min_unlike = min_unlike
        self._recent: deque[float] = deque(maxlen=window)
        self._before: NDArray[np.float32] | None = None

    def is_cut(self, picture: Picture) -> bool:
        """Process the next frame and return whether it is the first of a new shot.

        Args:
            picture: ``(height, width, 3)`` uint8 RGB or ``(height, width)`` grey, reduced.
        """
        now = thumbnail(picture)
        before, self._before = self._before, now
        if before is None or before.shape != now.shape:
            self._recent.clear()
            return before is not None
        change = float(np.abs(now - before).mean())
        usual = max(1.0, *self._recent, 0.0)
        self._recent.append(change)
        if change < self._min_change or change < self._ratio * usual:
            return False
        return unlike(before, now) >= self._min_unlike


def thumbnail(picture: Picture) -> NDArray[np.float32]:
    """Return a picture reduced to 32 x 24: ``(24, 32, 3)``, or ``(24, 32)`` if it is grey."""
    return scaled(picture, _THUMBNAIL_WH).astype(np.float32)


def unlike(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Return one less the correlation of the brightness of two thumbnails, 0..2.

    A deviation of six grey levels is added to both, so that noise on blank pictures does not count.

    Args:
        a: ``(24, 32, 3)`` or ``(24, 32)`` float32, see `thumbnail`.
        b: the other one, of the same shape.
    """
    if a.ndim == 3:  # noqa: PLR2004 -- rows, columns, colours
        a, b = a.mean(2), b.mean(2)
    a, b = a - a.mean(), b - b.mean()
    spread = (float(a.std()) + 6) * (float(b.std()) + 6)
    return float(1 - (a * b).mean() / spread)
