"""From class probabilities of moments to segments of time, and to one answer for a video.

A moment stands for the time that is nearer to it than to any other, so that segments cover the
whole span without overlap. A decision follows the probabilities in three steps, each of which can
be left out: a median over time removes outliers, two thresholds (hysteresis, as in Canny, "A
computational approach to edge detection", 1986) keep a class through weak moments, and what is
still shorter than the minimum joins a neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.boxes import Ints

UNKNOWN = "unknown"
"""Category of a segment in which no class reaches the threshold."""

_NONE = -1
"""Column of moments without a class; in sums over time, the last one: the highest probability."""
_TINY_S = 1e-9

Doubles = NDArray[np.float64]


class SegmentSettings(Settings):
    """How probabilities become segments."""

    threshold: float = Field(0.5, ge=0, le=1)
    """A class begins where its probability reaches this; below, a moment is unknown."""
    hysteresis: float = Field(0.1, ge=0, le=1)
    """A class goes on while it is at least `threshold` less this, and until another one that
    reaches the threshold leads by this."""
    smooth_s: float = Field(0.0, ge=0)
    """Length of the running median over the probabilities in seconds; 0: none."""
    min_length_s: float = Field(0.0, ge=0)
    """Shorter segments join the neighbour whose class is more probable there."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        """Refuse a hysteresis that would never let a class end."""
        if self.hysteresis and self.hysteresis >= self.threshold:
            raise ValueError(
                f"expected hysteresis < threshold, but got {self.hysteresis} and {self.threshold}"
            )
        return self


_DEFAULTS = SegmentSettings()


@dataclass(frozen=True)
class Segment:
    """A stretch of time with one class.

    Attributes:
        start_s: its first instant, in seconds of the clock of the moments.
        end_s: the first instant after it.
        category: name of the class, or `UNKNOWN`.
        probability: mean over its time of the class's probability; of the highest one if unknown.
        moments: how many moments it has.
    """

    start_s: float
    end_s: float
    category: str
    probability: float
    moments: int


def segments(
    probability: NDArray[np.floating],
    centre_s: NDArray[np.floating],
    classes: Sequence[str],
    *,
    span_s: tuple[float, float],
    settings: SegmentSettings = _DEFAULTS,
) -> list[Segment]:
    """Return the segments of a span of time, in order; each begins where the one before ends.

    Where classes do not exclude each other, call it once for the column of each.

    Args:
        probability: ``(n, k)`` in 0..1.
        centre_s: ``(n,)`` seconds, the middle of each moment, ascending.
        classes: ``k`` names.
        span_s: start and end of the time to cover; moments lie inside. Holes in a video, and cuts
            that no segment shall cross, are left out by a call for each part.
        settings: thresholds, smoothing and minimum length.

    Returns:
        An empty list for no moments.

    Raises:
        ValueError: if shapes disagree, values are out of range, or times are not ascending.
    """
    given = np.asarray(probability, np.float64)
    edges_s = moment_edges(centre_s, span_s)
    if given.shape != (len(edges_s) - 1, len(classes)) or not classes:
        raise ValueError(
            f"expected probabilities of {len(edges_s) - 1} moments and {len(classes)} classes, "
            f"but got the shape {given.shape}"
        )
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError("expected probabilities in 0..1")
    if not len(given):
        return []
    smooth = median_over_time(given, centre_s, settings.smooth_s)
    column = _decide(smooth, settings)
    runs = _Runs(column, given, edges_s, settings.threshold)
    runs.join_shorter_than(settings.min_length_s)
    return runs.segments(classes)


def moment_edges(centre_s: NDArray[np.floating], span_s: tuple[float, float]) -> Doubles:
    """Return where the time that each moment stands for begins and ends.

    Args:
        centre_s: ``(n,)`` seconds, ascending.
        span_s: start and end of the whole.

    Returns:
        ``(n + 1,)`` float64: moment ``i`` stands for the time from ``[i]`` up to ``[i + 1]``.

    Raises:
        ValueError: if the times are not ascending, or reach out of the span.
    """
    centre = np.asarray(centre_s, np.float64)
    start_s, end_s = span_s
    inside = [start_s, *centre, end_s]
    if centre.ndim != 1 or not np.isfinite(inside).all() or (np.diff(inside) < 0).any():
        raise ValueError(f"expected ascending times from {start_s} s to {end_s} s")
    if not len(centre):
        return np.array([start_s])
    return np.concatenate([[start_s], (centre[1:] + centre[:-1]) / 2, [end_s]])


def median_over_time(
    probability: NDArray[np.floating], centre_s: NDArray[np.floating], window_s: float
) -> Doubles:
    """Return each value replaced by the median of its column within half a window around it.

    Args:
        probability: ``(n, k)``.
        centre_s: ``(n,)`` seconds, ascending.
        window_s: length of the window; 0 changes nothing.

    Returns:
        ``(n, k)`` float64.
    """
    given = np.asarray(probability, np.float64)
    if not window_s:
        return given
    first = np.searchsorted(centre_s, np.asarray(centre_s) - window_s / 2, "left")
    last = np.searchsorted(centre_s, np.asarray(centre_s) + window_s / 2, "right")
    around = zip(first, last, strict=True)
    return np.array([np.median(given[a:b], axis=0) for a, b in around]).reshape(given.shape)


def mean_over_time(
    probability: NDArray[np.floating], centre_s: NDArray[np.floating], span_s: tuple[float, float]
) -> Doubles:
    """Return the answer for a whole span: the mean probabilities over its time.

    Moments that lie closely together count no more than the time that they stand for.

    Args:
        probability: ``(n, k)`` in 0..1, at least one row.
        centre_s: ``(n,)`` seconds, ascending.
        span_s: start and end of the span.

    Returns:
        ``(k,)`` float64.

    Raises:
        ValueError: if there are no moments, or times are not ascending.
    """
    if not len(probability):
        raise ValueError("expected at least one moment")
    seconds = np.maximum(np.diff(moment_edges(centre_s, span_s)), _TINY_S)
    return np.average(np.asarray(probability, np.float64), axis=0, weights=seconds)


def _decide(probability: Doubles, settings: SegmentSettings) -> Ints:
    """Return the column of each moment's class, -1 for unknown, by two thresholds."""
    best = probability.argmax(axis=1)
    keep = settings.threshold - settings.hysteresis
    column = np.empty(len(probability), np.int64)
    now = _NONE
    for i, (row, top) in enumerate(zip(probability, best, strict=True)):
        begins = row[top] >= settings.threshold
        if now == _NONE or row[now] < keep:
            now = int(top) if begins else _NONE
        elif begins and row[top] - row[now] >= settings.hysteresis:
            now = int(top)
        column[i] = now
    return column


class _Runs:
    """Stretches of moments of one class, which may be joined.

    Args:
        column: ``(n,)`` the class of each moment.
        probability: ``(n, k)``.
        edges_s: ``(n + 1,)`` see `moment_edges`.
        threshold: what "unknown" counts as among probabilities.
    """

    def __init__(
        self, column: Ints, probability: Doubles, edges_s: Doubles, threshold: float
    ) -> None:
        changes = np.flatnonzero(np.diff(column)) + 1
        self._column = column[np.concatenate([[0], changes])].tolist()
        self._edges = [0, *changes.tolist(), len(column)]
        self._edges_s, self._threshold = edges_s, threshold
        seconds = np.maximum(np.diff(edges_s), _TINY_S)[:, None]
        with_best = np.concatenate([probability, probability.max(axis=1, keepdims=True)], axis=1)
        zero = np.zeros((1, with_best.shape[1]))
        self._sums = np.concatenate([zero, np.cumsum(with_best * seconds, axis=0)])
        self._seconds = np.concatenate([[0.0], np.cumsum(seconds)])

    def join_shorter_than(self, seconds: float) -> None:
        """Join the shortest run with a neighbour until none is shorter than so many seconds."""
        while len(self._column) > 1:
            length_s = np.diff(self._edges_s[self._edges])
            shortest = int(length_s.argmin())
            if length_s[shortest] >= seconds:
                return
            self._join(shortest)

    def _join(self, run: int) -> None:
        """Give a run the class of one neighbour; the other joins too if it is of the same."""
        first, last = self._edges[run], self._edges[run + 1]
        around = [i for i in (run - 1, run + 1) if 0 <= i < len(self._column)]
        chosen = max(around, key=lambda i: self._mean(self._column[i], first, last))
        self._column[run] = self._column[chosen]
        for border in (run + 1, run):
            if 0 < border < len(self._column):
                self._remove_border(border)

    def _remove_border(self, border: int) -> None:
        if self._column[border - 1] == self._column[border]:
            del self._column[border], self._edges[border]

    def _mean(self, column: int, first: int, last: int) -> float:
        """Return the mean probability of a class in some moments; the threshold for unknown."""
        return self._threshold if column == _NONE else self._average(column, first, last)

    def _average(self, column: int, first: int, last: int) -> float:
        total = self._sums[last, column] - self._sums[first, column]
        return float(np.clip(total / (self._seconds[last] - self._seconds[first]), 0, 1))

    def segments(self, classes: Sequence[str]) -> list[Segment]:
        """Return the runs as segments."""
        return [
            Segment(
                start_s=float(self._edges_s[first]),
                end_s=float(self._edges_s[last]),
                category=UNKNOWN if column == _NONE else classes[column],
                probability=self._average(column, first, last),
                moments=last - first,
            )
            for column, first, last in zip(self._column, self._edges, self._edges[1:], strict=False)
        ]
