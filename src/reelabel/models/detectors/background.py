"""What a scene looks like without its moving things, learnt picture by picture.

Every pixel keeps a running mean and variance (Wren et al., "Pfinder", 1997). They lie on a
canvas larger than the picture, so that a panning camera only moves the window on it: nothing is
resampled twice, and the model does not blur.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.temporal.motion import phase_shift

Floats = NDArray[np.float32]

_MARGIN_SHARE = 0.25
_FIRST_VARIANCE = 400.0
_LEAST_VARIANCE = 16.0
_LEAST_GAIN = 0.9
_MOVING_SIGMAS = 4.0
_MOVING_SLOWDOWN = np.float32(0.05)
_SETTLED = 2
_STEPS = 3
_GREW = 1.1
_SLOWLY = 10


@dataclass
class Background:
    """A running mean and variance of a scene in the pixels of its canvas.

    Attributes:
        window: how many pictures the memory reaches back.
        follow: whether to look for camera motion.
    """

    window: int
    follow: bool

    def __post_init__(self) -> None:
        """Begin without any knowledge of the scene."""
        self._mean: Floats = np.zeros((0, 0, 3), np.float32)
        self._variance: Floats = np.zeros((0, 0), np.float32)
        self._seen: Floats = np.zeros((0, 0), np.float32)
        self._last: Floats = np.zeros((0, 0), np.float32)
        self._at_xy = np.zeros(2)
        self._step_xy = np.zeros(2)
        self._misfit = 0.0

    def distance(self, picture: Floats) -> Floats:
        """Return how far each pixel is from the background, and learn from the picture.

        Args:
            picture: ``(h, w, 3)`` float32; always of one size.

        Returns:
            ``(h, w)`` float32, the distance in standard deviations; 0 where nothing is known.
        """
        if self._mean.size == 0:
            self._start(picture)
            return np.zeros(picture.shape[:2], np.float32)
        if self.follow:
            self._find_camera(picture)
        here = self._window(picture.shape)
        aligned = self._aligned(picture)
        mean, variance, seen = self._mean[here], self._variance[here], self._seen[here]
        away = aligned - mean
        red, green, blue = cv2.split(away * away)  # a maximum over a short last axis is slow
        squared = np.maximum(np.maximum(red, green), blue)
        result = np.sqrt(squared / np.maximum(variance, _LEAST_VARIANCE))
        result[seen == 0] = 0
        self._learn(here, away, squared, result)
        return self._unaligned(result)

    def _start(self, picture: Floats) -> None:
        h, w = picture.shape[:2]
        edge = [round(_MARGIN_SHARE * side) * self.follow for side in (w, h)]
        shape = (h + 2 * edge[1], w + 2 * edge[0])
        self._mean = np.zeros((*shape, 3), np.float32)
        self._variance = np.full(shape, _FIRST_VARIANCE, np.float32)
        self._seen = np.zeros(shape, np.float32)
        self._at_xy = np.array(edge, float)
        here = self._window(picture.shape)
        self._mean[here], self._seen[here] = picture, 1
        self._last = _grey(picture)

    def _window(self, shape: tuple[int, ...]) -> tuple[slice, slice]:
        """Return where on the canvas the picture lies, to the pixel."""
        x, y = np.floor(self._at_xy + 1e-9).astype(int)
        return slice(y, y + shape[0]), slice(x, x + shape[1])

    def _learn(
        self, here: tuple[slice, slice], away: Floats, squared: Floats, distance: Floats
    ) -> None:
        seen, variance = self._seen[here], self._variance[here]
        rate = 1 / np.minimum(seen + 1, np.float32(self.window))
        # What moves is learnt slowly, lest a ball leaves its colour behind.
        rate[(distance > _MOVING_SIGMAS) & (seen > _SETTLED)] *= _MOVING_SLOWDOWN
        self._mean[here] += away * cv2.merge([rate, rate, rate])
        rate[seen == 0] = 0
        variance += (squared - variance) * rate
        seen += 1

    def _fraction(self) -> tuple[float, float]:
        x, y = self._at_xy - np.floor(self._at_xy + 1e-9)
        return float(x), float(y)

    def _aligned(self, picture: Floats) -> Floats:
        return _shifted(picture, self._fraction())

    def _unaligned(self, values: Floats) -> Floats:
        x, y = self._fraction()
        return _shifted(values, (-x, -y))

    def _find_camera(self, picture: Floats) -> None:
        """Move the window to where the picture fits best, if that is better than staying."""
        grey, last = _grey(picture), self._last
        self._last = grey
        here = self._window(picture.shape)
        base = np.floor(self._at_xy + 1e-9)
        old = _Known(_grey(self._mean[here]), self._seen[here] > 0)
        still = self._at_xy - base
        unmoved = _misfit(old, grey, still)
        if unmoved < _GREW * self._misfit:
            self._misfit += (unmoved - self._misfit) / _SLOWLY
            return
        proposals = (
            still,
            still + self._step_xy,
            still + _rough_shift(last, grey),
            _rough_shift(np.where(old.seen, old.grey, grey.mean()), grey),
        )
        best = min(proposals, key=lambda at_xy: _misfit(old, grey, at_xy))
        best = _refined(old, grey, best)
        self._step_xy = np.zeros(2)
        self._misfit = min(unmoved, _misfit(old, grey, best))
        if self._misfit < _LEAST_GAIN * unmoved:
            self._step_xy = best - still
            self._at_xy = base + best
            self._keep_inside(picture.shape)

    def _keep_inside(self, shape: tuple[int, ...]) -> None:
        """Shift the canvas's content by whole pixels when the window would leave it."""
        room = np.array(self._seen.shape[::-1]) - shape[1::-1] - 1
        if ((self._at_xy >= 0) & (self._at_xy <= room)).all():
            return
        step = np.round(room / 2 - self._at_xy).astype(int)
        for name, empty in (("_mean", 0.0), ("_variance", _FIRST_VARIANCE), ("_seen", 0.0)):
            setattr(self, name, _rolled(getattr(self, name), step, empty))
        self._at_xy += step


def _grey(picture: Floats) -> Floats:
    grey: Floats = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return grey


class _Known(NamedTuple):
    """A grey background and where it has been seen."""

    grey: Floats
    seen: NDArray[np.bool_]


def _rough_shift(last: Floats, grey: Floats) -> NDArray[np.float64]:
    """Return how far the camera went between two pictures, at half size."""
    half = (max(2, grey.shape[1] // 2), max(2, grey.shape[0] // 2))
    old, new = (cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in (last, grey))
    shift_xy, _ = phase_shift(old, new)
    x, y = shift_xy
    return np.array([-x * grey.shape[1] / half[0], -y * grey.shape[0] / half[1]])


def _misfit(old: _Known, new: Floats, at_xy: NDArray[np.float64]) -> float:
    """Return the mean difference of two pictures when the second was taken at an offset."""
    away = cv2.absdiff(new, _shifted(old.grey, (-at_xy[0], -at_xy[1])))
    return float(away[old.seen].mean())


def _refined(old: _Known, new: Floats, at_xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an offset improved to a part of a pixel by least squares on the gradient.

    Half of the pixels, those that fit best, take part: the rest may be things that move
    (Lucas and Kanade, 1981, for a shift alone).
    """
    seen = old.seen[::2, ::2]
    for _ in range(_STEPS):
        moved = _shifted(old.grey, (-at_xy[0], -at_xy[1]))
        dx, dy = (cv2.Sobel(moved, cv2.CV_32F, *o, scale=1 / 8)[::2, ::2] for o in ((1, 0), (0, 1)))
        rest = (new - moved)[::2, ::2]
        away = np.abs(rest)
        fits = seen & (away <= np.median(away))
        slopes = np.stack([dx[fits], dy[fits]])
        normal = (slopes @ slopes.T).astype(float) + np.eye(2)
        step = np.linalg.solve(normal, (slopes @ rest[fits]).astype(float))
        at_xy = at_xy + np.clip(step, -1, 1)
    return at_xy


def _shifted(values: Floats, by_xy: tuple[float, float]) -> Floats:
    """Return an array moved right and down by a part of a pixel, edges repeated."""
    if by_xy == (0.0, 0.0):
        return values
    matrix = np.array([[1, 0, by_xy[0]], [0, 1, by_xy[1]]], np.float64)
    size = values.shape[1::-1]
    result: Floats = cv2.warpAffine(values, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return result


def _rolled(values: Floats, step_xy: NDArray[np.int64], empty: float) -> Floats:
    """Return an array moved by whole pixels; what comes in is empty."""
    result = np.full_like(values, empty)
    (to_x, from_x), (to_y, from_y) = (
        (slice(max(s, 0), n + min(s, 0)), slice(max(-s, 0), n + min(-s, 0)))
        for s, n in zip(step_xy, values.shape[1::-1], strict=True)
    )
    result[to_y, to_x] = values[from_y, from_x]
    return result
