"""Smoothed boxes of tracks: a Kalman filter forward, Rauch-Tung-Striebel backward.

Each of centre x, centre y, width and height moves with a constant velocity that random pushes
change (H. Rauch, F. Tung, C. Striebel, AIAA Journal 3(8), 1965). How noisy the boxes are, and how
strong the pushes, is estimated for every track and coordinate by the largest likelihood of the
filter's innovations, with the median in place of the mean so that outliers do not count. Rows are
added, the detections are not changed. All of it is computed in double precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import NamedTuple

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.sequence import (
    Bools,
    BoxSequence,
    Floats,
    Ints,
    camera_path,
    centres,
    rows_by_track,
)

_RATIOS = 10.0 ** np.arange(-6, 1.5, 0.75)
"""Variance of the pushes over variance of the boxes, from a straight line to no smoothing."""
_VAGUE = 1e4
"""Variance of the first velocity over that of a box: it is unknown."""
_MEDIAN_CHI2 = 0.4549
_CELLS = 100_000
"""Steps times tracks whose innovations are held at once, for every ratio."""
_BATCH_CELLS = 500_000
"""Steps times tracks that are smoothed at once."""
_STEPS = 512
"""Steps back whose gains are held at once."""


class SmoothSettings(Settings):
    """Which tracks are smoothed."""

    enabled: bool = True
    """Add smoothed boxes of every track, with their standard deviation."""
    min_length: int = Field(3, ge=3)
    """Tracks with fewer boxes are not smoothed."""


@dataclass(frozen=True)
class Smoothed:
    """Where objects were, at every frame from the first to the last of their tracks.

    Attributes:
        track_id: ``(m,)`` the track.
        frame: ``(m,)`` the frame; rows are in order of track, then frame.
        xyxy: ``(m, 4)`` smoothed box in pixels.
        sigma_cxcywh: ``(m, 4)`` standard deviation of centre x, centre y, width, height, pixels;
            from few boxes little is known of their noise, and it comes out too small.
        row: ``(m,)`` the detection of this track in this frame, -1 where there is none.
    """

    track_id: Ints
    frame: Ints
    xyxy: Floats
    sigma_cxcywh: Floats
    row: Ints

    def __getitem__(self, which: Ints) -> Smoothed:
        return Smoothed(*(column[which] for column in vars(self).values()))

    @property
    def observed(self) -> Bools:
        """``(m,)`` whether each row has a detection."""
        return self.row >= 0


class _Expected(NamedTuple):
    """What the filter expects where boxes have a variance of 1; it depends on no box's value.

    Attributes:
        innovation: ``(steps, ...)`` variance of the innovations.
        gain: ``(steps, 2, ...)`` shares of an innovation by which value and speed are corrected.
        covariance: ``(steps, 3, ...)`` filtered: of value, of value and speed, of speed.
    """

    innovation: Floats
    gain: Floats
    covariance: Floats


def smooth(
    boxes: BoxSequence, track_id: Ints, min_length: int = 3, shift_xy: Floats | None = None
) -> Smoothed:
    """Smooth the boxes of every track and fill its missing frames.

    Camera motion is not noise: it is removed before and added back after.

    Args:
        boxes: the detections.
        track_id: ``(n,)`` the track of each (`reelabel.temporal.link`); one box per frame each.
        min_length: tracks with fewer detections are left out, at least 3.
        shift_xy: ``(frames, 2)`` camera motion in pixels since the frame before, or None.

    Raises:
        ValueError: if `track_id` or `shift_xy` does not fit the boxes, a track holds two boxes of
            one frame, or `min_length` is below 3.
    """
    if min_length < 3:  # noqa: PLR2004 -- two boxes are a straight line without any noise
        raise ValueError(f"min_length must be at least 3, but got {min_length}")
    if len(track_id) != len(boxes):
        raise ValueError(f"expected a track for each of {len(boxes)} boxes, got {len(track_id)}")
    tracks = rows_by_track(track_id, boxes.frame)
    if any((np.diff(boxes.frame[rows]) == 0).any() for rows in tracks):
        raise ValueError("expected one box per track and frame, but a track holds two of one frame")
    tracks = [rows for rows in tracks if len(rows) >= min_length]
    path = np.tile(camera_path(shift_xy, int(boxes.frame.max(initial=-1)) + 1), 2)
    still = boxes.xyxy.astype(np.float64) - path[boxes.frame]
    batches = _batches(boxes.frame, tracks)
    result = _ordered([_smoothed(boxes, still, track_id, batch) for batch in batches])
    return replace(result, xyxy=result.xyxy + path[result.frame])


def _ordered(parts: list[Smoothed]) -> Smoothed:
    empty = Smoothed(*(np.zeros(0, np.int64),) * 2, *(np.zeros((0, 4)),) * 2, np.zeros(0, np.int64))
    columns = [*zip(*(vars(part).values() for part in [empty, *parts]), strict=True)]
    order = np.lexsort((np.concatenate(columns[1]), np.concatenate(columns[0])))
    del parts  # each column goes as soon as it is ordered
    return Smoothed(*(np.concatenate(columns.pop(0))[order] for _ in vars(empty)))


def _batches(frame: Ints, tracks: list[Ints]) -> Iterator[list[Ints]]:
    """Yield tracks of about equal span together, so that padding costs little."""
    batch: list[Ints] = []
    for rows in sorted(tracks, key=lambda rows: (_span(frame, rows), int(rows[0]))):
        longer = batch and _span(frame, rows) > 1.5 * _span(frame, batch[0]) + 8
        if longer or (batch and (len(batch) + 1) * _span(frame, rows) > _BATCH_CELLS):
            yield batch
            batch = []
        batch.append(rows)
    if batch:
        yield batch


def _span(frame: Ints, rows: Ints) -> int:
    return int(frame[rows[-1]] - frame[rows[0]]) + 1


def _smoothed(boxes: BoxSequence, still: Floats, track_id: Ints, batch: list[Ints]) -> Smoothed:
    spans = np.array([_span(boxes.frame, rows) for rows in batch])
    row = np.full((int(spans.max()), len(batch)), -1)
    for column, rows in enumerate(batch):
        row[boxes.frame[rows] - boxes.frame[rows[0]], column] = rows
    xyxy = still[row]
    seen = np.concatenate((centres(xyxy), xyxy[..., 2:] - xyxy[..., :2]), axis=-1)
    value, sigma = _fit(seen, row >= 0)
    half = np.maximum(value[..., 2:], 0) / 2
    fitted = np.concatenate((value[..., :2] - half, value[..., :2] + half), axis=-1)
    step, at = np.nonzero(np.arange(len(row))[:, None] < spans)
    first = np.array([rows[0] for rows in batch])
    frame = boxes.frame[first][at] + step
    return Smoothed(track_id[first][at], frame, fitted[step, at], sigma[step, at], row[step, at])


def _fit(seen: Floats, present: Bools) -> tuple[Floats, Floats]:
    """Smooth ``(steps, tracks, 4)`` values; return them with their standard deviations."""
    origin = seen[0]
    seen = np.where(present[..., None], seen - origin, 0.0)
    # Tracks that miss boxes in the same steps share all variances.
    patterns, pattern = np.unique(present, axis=1, return_inverse=True)
    best, noise = _noise(seen, patterns, pattern)
    pairs, pair = np.unique(pattern[:, None] * len(_RATIOS) + best, return_inverse=True)
    pair = pair.reshape(best.shape)
    of_pattern, of_ratio = np.divmod(pairs, len(_RATIOS))
    expected = _expected(patterns[:, of_pattern], _RATIOS[of_ratio], keep=True)
    states = np.empty((len(seen), 2, *seen.shape[1:]))
    _follow(seen, _of(expected.gain, pair), repeat(np.empty(seen.shape[1:])), states)
    value, variance = _backward(states, pair, expected.covariance, _RATIOS[of_ratio])
    return value + origin, np.sqrt(np.maximum(variance, 0)[:, pair] * noise)


def _of(rows: Floats, which: Ints) -> Iterator[Floats]:
    """Yield the chosen columns of each step, ``(k, n)`` -> ``(k, *which.shape)``."""
    return (row[:, which] for row in rows)


def _noise(seen: Floats, patterns: Bools, pattern: Ints) -> tuple[Ints, Floats]:
    """Return per track and coordinate the likeliest ratio and the boxes' variance, ``(tracks, 4)``.

    Args:
        seen: ``(steps, tracks, 4)`` values.
        patterns: ``(steps, patterns)`` whether there is a box.
        pattern: ``(tracks,)`` which of them each track has.

    Returns:
        Ratios as positions in `_RATIOS`.
    """
    expected = _expected(patterns[..., None], _RATIOS, keep=False)
    # The first two boxes only determine where the track starts and its velocity.
    counted = patterns & (np.cumsum(patterns, axis=0) > 2)  # noqa: PLR2004 -- see above
    size = max(1, _CELLS // len(seen))
    parts = [
        _likeliest(seen[:, at : at + size], counted, pattern[at : at + size], expected)
        for at in range(0, len(pattern), size)
    ]
    best, noise = (np.concatenate(column) for column in zip(*parts, strict=True))
    return best, noise


def _likeliest(
    seen: Floats, counted: Bools, pattern: Ints, expected: _Expected
) -> tuple[Ints, Floats]:
    """Return what `_noise` does, `counted` being which innovations are compared.

    What the filter did not foresee, squared and divided by the variance that it expected, has a
    median of 0.4549 times the boxes' variance; each ratio gets the variance that fits it best.
    """
    squares = np.empty((*seen.shape, len(_RATIOS)))
    gain = expected.gain[:, :, pattern, None]
    _follow(seen[..., None], gain, squares, repeat(np.empty((2, *squares.shape[1:]))))
    logs = np.where(counted[..., None], np.log(expected.innovation), 0.0).sum(axis=0)
    ignored = ~counted[:, pattern, None, None]
    np.square(squares, out=squares)
    squares /= expected.innovation[:, pattern, None]
    np.copyto(squares, np.nan, where=ignored)
    scale = np.nanmedian(squares, axis=0) / _MEDIAN_CHI2 + 1e-4
    # Beyond three sigma a box counts no more than at three: one slip must not decide.
    squares /= scale
    np.minimum(squares, 9.0, out=squares)
    np.copyto(squares, 0.0, where=ignored)
    count = counted.sum(axis=0)[pattern, None, None]
    cost = logs[pattern, None] + count * np.log(scale) + squares.sum(axis=0)
    best = np.argmin(cost, axis=-1)
    return best, np.take_along_axis(scale, best[..., None], axis=-1)[..., 0]


def _expected(present: Bools, ratio: Floats, *, keep: bool) -> _Expected:
    """Run the variances forward; the boxes' variance is 1.

    Args:
        present: ``(steps, ...)`` whether there is a box.
        ratio: ``(...)`` variance of the pushes.
        keep: whether to return covariances, else they are those of no step.
    """
    steps, shape = len(present), np.broadcast_shapes(present.shape[1:], ratio.shape)
    found = _Expected(*(np.empty((steps, *some, *shape)) for some in [(), (2,), (3,) * keep]))
    push = np.stack([np.broadcast_to(each, shape) for each in (ratio / 3, ratio / 2, ratio)])
    there = present.astype(np.float64)
    now, used = np.zeros((3, *shape)), np.zeros((3, *shape))
    xx, xv, vv = now
    xx[...] = vv[...] = _VAGUE
    for t, (innovation, gain) in enumerate(zip(found.innovation, found.gain, strict=True)):
        if t:
            xx += 2 * xv
            xx += vv
            xv += vv
            now += push
        np.add(xx, 1, out=innovation)
        np.multiply(there[t], now[:2], out=gain)
        np.divide(gain, innovation, out=gain)
        np.multiply(gain[0], now[:2], out=used[:2])
        np.multiply(gain[1], xv, out=used[2])
        now -= used
        if keep:
            found.covariance[t] = now
    return found


def _follow(
    seen: Floats, gains: Iterable[Floats], gaps: Iterable[Floats], states: Iterable[Floats]
) -> None:
    """Run the filter forward over ``(steps, ...)`` values.

    Args:
        seen: the values.
        gains: ``(2, ...)`` for each step.
        gaps: gets for each step the innovation ``(...)``.
        states: gets for each step the filtered value and speed ``(2, ...)``.
    """
    now: Floats | None = None
    for value, gain, gap, state in zip(seen, gains, gaps, states, strict=False):
        if now is None:
            now = np.zeros(state.shape)
        now[0] += now[1]
        np.subtract(value, now[0], out=gap)
        now += gain * gap
        state[...] = now


def _backward(
    states: Floats, pair: Ints, covariance: Floats, ratio: Floats
) -> tuple[Floats, Floats]:
    """Run backward; return smoothed values and their variances (boxes' variance 1).

    Args:
        states: ``(steps, 2, tracks, 4)`` filtered values and speeds.
        pair: ``(tracks, 4)`` which of the variances each has.
        covariance: ``(steps, 3, pairs)`` filtered.
        ratio: ``(pairs,)`` variance of the pushes.

    Returns:
        ``(steps, tracks, 4)`` and ``(steps, pairs)``.
    """
    value, variance = states[:, 0].copy(), covariance[:, 0].copy()
    now, spread = states[-1].copy(), covariance[-1].copy()
    for end in range(len(states) - 1, 0, -_STEPS):
        part = slice(max(0, end - _STEPS), end)
        predicted, gain, weight = _gains(covariance[part], ratio)
        _values_back(states[part], gain[..., pair], now, value[part])
        _variances_back(covariance[part], predicted, weight, (spread, variance[part]))
    return value, variance


def _gains(covariance: Floats, ratio: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what does not depend on the next step.

    Returns:
        ``(steps, 3, pairs)`` predicted covariance of the next step; ``(steps, 2, 2, pairs)`` gain
        ``C = P F' / predicted``; ``(steps, 3, 3, pairs)`` the weights of what the covariance of the
        next step exceeds the prediction by.
    """
    xx, xv, vv = covariance.swapaxes(0, 1)
    a, b = xx + xv, xv + vv
    pxx, pxv, pvv = xx + 2 * xv + vv + ratio / 3, b + ratio / 2, vv + ratio
    det = np.maximum(pxx * pvv - pxv**2, 1e-12)
    g11, g12 = (a * pvv - xv * pxv) / det, (xv * pxx - a * pxv) / det
    g21, g22 = (b * pvv - vv * pxv) / det, (vv * pxx - b * pxv) / det
    weight = [
        [g11**2, 2 * g11 * g12, g12**2],
        [g11 * g21, g11 * g22 + g12 * g21, g12 * g22],
        [g21**2, 2 * g21 * g22, g22**2],
    ]
    gain = np.moveaxis(np.array([[g11, g12], [g21, g22]]), 2, 0)
    return np.stack([pxx, pxv, pvv], axis=1), gain, np.moveaxis(np.array(weight), 2, 0)


def _values_back(states: Floats, gain: Floats, now: Floats, out: Floats) -> None:
    """Carry value and speed, ``(2, ...)``, back over some steps, in place."""
    for state, weight, value in zip(states[::-1], gain[::-1], out[::-1], strict=True):
        now -= state
        now[0] -= state[1]
        by_value, by_speed = (weight * now).swapaxes(0, 1)
        np.add(state, by_value, out=now)
        now += by_speed
        value[...] = now[0]


def _variances_back(
    covariance: Floats, predicted: Floats, weight: Floats, result: tuple[Floats, Floats]
) -> None:
    """Carry the covariance, ``(3, pairs)``, back over some steps, in place."""
    now, out = result
    steps = zip(covariance[::-1], predicted[::-1], weight[::-1], out[::-1], strict=True)
    for own, expected, by, variance in steps:
        now -= expected
        first, second, third = (by * now).swapaxes(0, 1)
        np.add(own, first, out=now)
        now += second
        now += third
        variance[...] = now[0]
