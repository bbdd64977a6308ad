"""Smoothed boxes of tracks: a Kalman filter forward, Rauch-Tung-Striebel backward.

Each of centre x, centre y, width and height moves with a constant velocity that random pushes
change (H. Rauch, F. Tung, C. Striebel, AIAA Journal 3(8), 1965). How noisy the boxes are, and how
strong the pushes, is estimated for every track and coordinate by the largest likelihood of the
filter's innovations, with the median in place of the mean so that outliers do not count. Rows are
added, the detections are not changed. All of it is computed in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
_CELLS = 30_000


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


class _Run(NamedTuple):
    """Filtered states, ``(steps, ...)`` each: value, speed and their covariance."""

    x: Floats
    v: Floats
    xx: Floats
    xv: Floats
    vv: Floats


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
    parts = [_smoothed(boxes, still, track_id, batch) for batch in _batches(boxes.frame, tracks)]
    result = _ordered(parts)
    return replace(result, xyxy=result.xyxy + path[result.frame])


def _ordered(parts: list[Smoothed]) -> Smoothed:
    empty = Smoothed(*(np.zeros(0, np.int64),) * 2, *(np.zeros((0, 4)),) * 2, np.zeros(0, np.int64))
    columns = zip(*(vars(part).values() for part in [empty, *parts]), strict=True)
    joined = [np.concatenate(column) for column in columns]
    order = np.lexsort((joined[1], joined[0]))
    return Smoothed(*(column[order] for column in joined))


def _batches(frame: Ints, tracks: list[Ints]) -> Iterator[list[Ints]]:
    """Yield tracks of about equal span together, so that padding costs little."""
    batch: list[Ints] = []
    for rows in sorted(tracks, key=lambda rows: (_span(frame, rows), int(rows[0]))):
        longer = batch and _span(frame, rows) > 1.5 * _span(frame, batch[0]) + 8
        if longer or (batch and (len(batch) + 1) * _span(frame, rows) > _CELLS):
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
    ratio, noise = _noise(seen, present)
    run = _filter(seen, present, ratio)[0]
    value, variance = _backward(run, ratio)
    return value + origin, np.sqrt(np.maximum(variance, 0) * noise)


def _noise(seen: Floats, present: Bools) -> tuple[Floats, Floats]:
    """Return per track and coordinate the likeliest ratio and the boxes' variance, ``(tracks, 4)``.

    What the filter did not foresee, squared and divided by the variance that it expected, has a
    median of 0.4549 times the boxes' variance; each ratio gets the variance that fits it best.
    """
    gap, expected = _filter(seen[..., None], present, _RATIOS, keep=False)[1:]
    counted = present.copy()
    # The first two boxes only determine where the track starts and its velocity.
    counted &= np.cumsum(present, axis=0) > 2  # noqa: PLR2004 -- see above
    known = counted[..., None, None]
    squares = np.where(known, gap**2 / expected, np.nan)
    scale = np.nanmedian(squares, axis=0) / _MEDIAN_CHI2 + 1e-4
    logs = np.where(known, np.log(expected), 0.0).sum(axis=0)
    # Beyond three sigma a box counts no more than at three: one slip must not decide.
    spread = np.where(known, np.minimum(squares / scale, 9.0), 0.0).sum(axis=0)
    cost = logs + counted.sum(axis=0)[:, None, None] * np.log(scale) + spread
    best = np.argmin(cost, axis=-1)
    noise = np.take_along_axis(scale, best[..., None], axis=-1)[..., 0]
    return _RATIOS[best], noise


def _filter(
    seen: Floats, present: Bools, ratio: Floats, *, keep: bool = True
) -> tuple[_Run, Floats, Floats]:
    """Run forward; the boxes' variance is 1. Return states, innovations and their variances.

    States, most of the memory, are kept on request; else only the last is returned.
    """
    shape = np.broadcast_shapes(seen.shape[1:], ratio.shape)
    kept = len(seen) if keep else 1
    states = [np.zeros((kept, *shape)) for _ in range(5)]
    gaps, expected = np.zeros((len(seen), *shape)), np.ones((len(seen), *shape))
    mask = present.reshape(present.shape + (1,) * (len(shape) - 1))
    x, v = np.zeros(shape), np.zeros(shape)
    xx, xv, vv = np.full(shape, _VAGUE), np.zeros(shape), np.full(shape, _VAGUE)
    for t in range(len(seen)):
        if t:
            x = x + v
            xx, xv, vv = xx + 2 * xv + vv + ratio / 3, xv + vv + ratio / 2, vv + ratio
        gaps[t], expected[t] = seen[t] - x, xx + 1
        gain_x, gain_v = mask[t] * xx / expected[t], mask[t] * xv / expected[t]
        x, v = x + gain_x * gaps[t], v + gain_v * gaps[t]
        xx, xv, vv = xx - gain_x * xx, xv - gain_x * xv, vv - gain_v * xv
        for column, now in zip(states, (x, v, xx, xv, vv), strict=True):
            column[min(t, kept - 1)] = now
    return _Run(*states), gaps, expected


def _backward(run: _Run, ratio: Floats) -> tuple[Floats, Floats]:
    """Run backward; return smoothed values and their variances (boxes' variance 1)."""
    value, variance = run.x.copy(), run.xx.copy()
    v, xv, vv = run.v[-1], run.xv[-1], run.vv[-1]
    for t in range(len(run.x) - 2, -1, -1):
        c = _Run(*(column[t] for column in run))
        # Predicted covariance of the next step, and the gain C = P F' / predicted.
        pxx = c.xx + 2 * c.xv + c.vv + ratio / 3
        pxv, pvv = c.xv + c.vv + ratio / 2, c.vv + ratio
        det = np.maximum(pxx * pvv - pxv**2, 1e-12)
        a, b = c.xx + c.xv, c.xv + c.vv
        g11, g12 = (a * pvv - c.xv * pxv) / det, (c.xv * pxx - a * pxv) / det
        g21, g22 = (b * pvv - c.vv * pxv) / det, (c.vv * pxx - b * pxv) / det
        dx, dv = value[t + 1] - c.x - c.v, v - c.v
        value[t], v = c.x + g11 * dx + g12 * dv, c.v + g21 * dx + g22 * dv
        exx, exv, evv = variance[t + 1] - pxx, xv - pxv, vv - pvv
        variance[t] = c.xx + g11**2 * exx + 2 * g11 * g12 * exv + g12**2 * evv
        xv = c.xv + g11 * g21 * exx + (g11 * g22 + g12 * g21) * exv + g12 * g22 * evv
        vv = c.vv + g21**2 * exx + 2 * g21 * g22 * exv + g22**2 * evv
    return value, variance
