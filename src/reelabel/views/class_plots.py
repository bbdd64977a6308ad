"""Plots of classification as data URIs: confusion, calibration, classes over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from reelabel.data.boxes import Ints
from reelabel.evaluation.classes.calibration import Reliability
from reelabel.views.plot_style import COLOURS, INK, Values, legend, plain, styled, svg

MOST_CURVES = len(COLOURS)
"""So many classes have a curve of their own; those that come nearest to 1."""
MOST_COUNTS = 16
"""A matrix of more classes than this has no numbers in its cells."""
_BAND_IN = 0.28  # height of a band
_LETTERS = 90  # so many fit into the width of a timeline
_LONGEST = 24  # letters of a class name beside a matrix
_DARK = 0.55  # from this share on letters are white


@dataclass(frozen=True)
class Stretch:
    """A part of a band of a timeline, in seconds."""

    start_s: float
    end_s: float
    text: str
    colour: str


@dataclass(frozen=True)
class Band:
    """A row of stretches of time below the curves of a timeline."""

    name: str
    stretches: Sequence[Stretch]


def timeline(
    time_s: Values,
    probability: Mapping[str, Values],
    *,
    span_s: tuple[float, float],
    threshold: float | None = None,
    bands: Sequence[Band] = (),
) -> str:
    """Return the probability of each class over time, and bands of what else is known.

    Args:
        time_s: seconds of the moments, ascending.
        probability: class name -> its probability at each, 0..1; empty draws the bands alone.
        span_s: start and end of the axis.
        threshold: is drawn as a line.
        bands: rows below the curves.
    """
    curves = _highest(probability)
    high_in = 1.7 if curves else 0.0
    step = _BAND_IN / (high_in or _BAND_IN)
    with styled(7.4, high_in + _BAND_IN * len(bands) + 0.5) as (figure, axes):
        mark = "o" if len(time_s) < 3 else ""  # noqa: PLR2004 -- a line alone would not show
        for name, values in curves.items():
            axes.plot(time_s, values, label=plain(name), marker=mark, markersize=3)
        if threshold is not None and curves:
            axes.axhline(threshold, color=INK, linestyle=":", linewidth=1)
        for i, band in enumerate(bands):
            _draw_band(axes, band, -step * (i + 1), step, span_s=span_s)
        axes.set(xlim=span_s, ylim=(-step * len(bands) - 0.03, 1.04 if curves else 0.0))
        ticks = [0.0, 0.5, 1.0] if curves else []
        places = [-step * (i + 0.5) for i in range(len(bands))]
        axes.set_yticks([*places, *ticks], [*(plain(b.name) for b in bands), *map(str, ticks)])
        axes.set_xlabel("seconds")
        axes.grid(visible=False, axis="y")
        if curves:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
        return svg(figure)


def _highest(probability: Mapping[str, Values]) -> dict[str, Values]:
    """Return the classes that have a curve, in the order in which they were given."""
    peak = {name: float(np.max(v, initial=0)) for name, v in probability.items()}
    kept = sorted(peak, key=lambda name: -peak[name])[:MOST_CURVES]
    return {name: values for name, values in probability.items() if name in kept}


def _draw_band(
    axes: Any, band: Band, low: float, height: float, *, span_s: tuple[float, float]
) -> None:
    for one in band.stretches:
        start_s, end_s = max(one.start_s, span_s[0]), min(one.end_s, span_s[1])
        place = (low + 0.12 * height, 0.76 * height)
        axes.broken_barh(
            [(start_s, end_s - start_s)], place, color=one.colour, alpha=0.85, linewidth=0
        )
        room = (end_s - start_s) / max(span_s[1] - span_s[0], 1e-9) * _LETTERS
        if len(one.text) <= room:
            middle = ((start_s + end_s) / 2, low + 0.5 * height)
            axes.text(*middle, plain(one.text), ha="center", va="center", fontsize=8, color="w")


def confusion_matrix(counts: Ints, names: Sequence[str], given: str = "truth") -> str:
    """Return how often each class got which prediction, coloured by the share of its row.

    Args:
        counts: ``(k, k)`` given classes as rows, predicted ones as columns.
        names: of the classes.
        given: what the given classes are, on the axis.
    """
    k = len(names)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    words = [plain(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…") for name in names]
    side_in = min(0.5 * k, 7.0) + 0.6 + 0.08 * max(map(len, words), default=0)
    with styled(side_in + 0.4, side_in) as (figure, axes):
        colours = np.zeros((k, k, 4))
        colours[..., :3], colours[..., 3] = to_rgb(COLOURS[0]), share
        axes.pcolormesh(colours, edgecolors="face", linewidth=0.2)
        for row, column in np.argwhere(counts > 0) if k <= MOST_COUNTS else ():
            ink = "#ffffff" if share[row, column] > _DARK else INK
            middle = (column + 0.5, row + 0.5)
            axes.text(*middle, f"{counts[row, column]}", ha="center", va="center", color=ink)
        axes.set_xticks(np.arange(k) + 0.5, words, rotation=90)
        axes.set_yticks(np.arange(k) + 0.5, words)
        axes.set(xlabel="predicted", ylabel=given, aspect="equal")
        axes.invert_yaxis()
        axes.grid(visible=False)
        return svg(figure)


def reliability_curve(curves: Mapping[str, Reliability], right: str = "accuracy") -> str:
    """Return the share of right answers over confidence, with the diagonal on which both are equal.

    Args:
        curves: name, such as "student" -> its curve.
        right: what the share of right answers is called.
    """
    with styled(4.6, 3.6) as (figure, axes):
        axes.plot((0, 1), (0, 1), color=INK, linestyle=":", linewidth=1)
        for name, curve in curves.items():
            axes.plot(curve.confidence, curve.accuracy, "o-", markersize=4, label=plain(name))
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="confidence", ylabel=right)
        legend(axes)
        return svg(figure)
