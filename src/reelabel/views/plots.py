"""Plots as data URIs: SVG for curves and bars, PNG for heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from reelabel.data.states import State
from reelabel.media.pictures import encode_png
from reelabel.views.plot_style import (
    COLOURS,
    INK,
    STATE_COLOURS,
    Values,
    data_uri,
    legend,
    plain,
    styled,
    svg,
)


def precision_recall(curves: Mapping[str, tuple[Values, Values]], iou: float = 0.5) -> str:
    """Return precision over recall.

    Args:
        curves: name, such as "student, ball" -> recall and precision, each 0..1 and equally long.
        iou: the overlap from which a box counts as found, for the caption of the axis.
    """
    with styled(4.6, 3.0) as (figure, axes):
        for name, (recall, precision) in curves.items():
            axes.plot(recall, precision, label=plain(name))
        axes.set(xlim=(0, 1.005), ylim=(0, 1.02), ylabel="precision")
        axes.set_xlabel(f"recall at IoU {iou:g}")
        legend(axes)
        return svg(figure)


def training_curve(
    steps: Values,
    losses: Mapping[str, Values],
    agreement: tuple[Values, Values] | None = None,
) -> str:
    """Return the loss terms over the steps of a training, and agreement on a second axis.

    Args:
        steps: at which the losses were taken.
        losses: name of the term -> its values, as many as steps.
        agreement: steps and agreement with the held-out labels, 0..1.
    """
    with styled(4.6, 3.0) as (figure, axes):
        steps = np.asarray(steps, np.float64)
        for name, values in losses.items():
            # Terms are noted at different steps; between those there is no value.
            there = np.isfinite(np.asarray(values, np.float64))
            # One or two points a line alone would not show.
            mark = "o" if there.sum() < 3 else ""  # noqa: PLR2004 -- as stated above
            at, kept = steps[there], np.asarray(values, np.float64)[there]
            axes.plot(at, kept, label=plain(name), linewidth=1.3, marker=mark)
        axes.set(xlabel="step", ylabel="loss")
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))
        positive = [np.nanmin(v) > 0 for v in losses.values() if np.isfinite(v).any()]
        if positive and all(positive):
            axes.set_yscale("log")
        if agreement is not None and len(agreement[0]):
            _second_axis(axes, agreement)
        legend(axes)
        return svg(figure)


def _second_axis(axes: Any, agreement: tuple[Values, Values]) -> None:
    right = axes.twinx()
    right.patch.set_alpha(0)
    right.grid(visible=False)
    right.plot(*agreement, color=INK, linestyle="--", marker="o", markersize=3)
    right.set(ylim=(0, 1.02), ylabel="agreement (dashed)")
    right.spines["right"].set_visible(True)


def score_histogram(
    scores_by_state: Mapping[str, Values], threshold: float | None = None, bins: int = 25
) -> str:
    """Return how many labels have which score, stacked by state.

    Args:
        scores_by_state: POSITIVE, IGNORE, NEGATIVE -> scores, 0..1.
        threshold: is drawn as a line.
        bins: number of bins between 0 and 1.
    """
    with styled(4.6, 3.0) as (figure, axes):
        states = list(scores_by_state)
        axes.hist(
            [np.asarray(scores_by_state[s], np.float64) for s in states],
            bins=bins,
            range=(0, 1),
            stacked=True,
            color=[STATE_COLOURS.get(s, INK) for s in states],
            label=[plain(s) for s in states],
        )
        if threshold is not None:
            axes.axvline(threshold, color=INK, linestyle=":", linewidth=1.2)
        axes.set(xlim=(0, 1), xlabel="score", ylabel="labels")
        legend(axes)
        return svg(figure)


def label_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return labels per class as bars, parted by size.

    Args:
        counts: class -> size bin, such as "small" -> number of labels.
    """
    bins = list(dict.fromkeys(size for sizes in counts.values() for size in sizes))
    rows = np.arange(len(counts))
    left = np.zeros(len(counts))
    with styled(4.6, 1.1 + 0.34 * max(1, len(counts))) as (figure, axes):
        for size in bins:
            width = np.array([sizes.get(size, 0) for sizes in counts.values()], np.float64)
            axes.barh(rows, width, left=left, height=0.62, label=plain(size))
            left += width
        axes.set_yticks(rows, [plain(name) for name in counts])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("labels")
        if bins and counts:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(bins))
        return svg(figure)


def heat_map(covered: NDArray[Any]) -> str:
    """Return where boxes lie as a PNG, from black (none) to white (most): colour map "hot".

    Args:
        covered: ``(h, w)`` how often each cell is covered, as `labels.stats.heat_map` gives it.
    """
    most = max(float(covered.max(initial=0)), 1e-9)
    colours = mpl.colormaps["hot"](covered / most, bytes=True)[..., :3]
    return data_uri(encode_png(np.ascontiguousarray(colours)), "image/png")


def rounds_comparison(
    rows: Sequence[tuple[str, float, float | None, float | None]], measure: str = "AP"
) -> str:
    """Return one point per model with its interval, the first one's value as a line.

    Args:
        rows: name, such as "teacher", then value, lower and upper bound (None if unknown), 0..1.
        measure: what the values are; "agreement" where they are not measured against truth.
    """
    with styled(4.6, 0.9 + 0.4 * max(1, len(rows))) as (figure, axes):
        for i, (_, value, low, high) in enumerate(rows):
            colour = COLOURS[min(i, 1)]
            if low is not None and high is not None:
                axes.plot((low, high), (i, i), color=colour, linewidth=5, alpha=0.35)
            axes.plot(value, i, "o", color=colour, markersize=6)
            axes.annotate(
                f"{round(value, 3) + 0:.3f}",
                (value, i),
                (0, 7),
                textcoords="offset points",
                ha="center",
            )
        if rows:
            axes.axvline(rows[0][1], color=INK, linestyle=":", linewidth=1)
        axes.set_yticks(np.arange(len(rows)), [plain(row[0]) for row in rows])
        axes.set(xlabel=plain(measure), ylim=(len(rows) - 0.4, -0.7))
        axes.grid(visible=False, axis="y")
        return svg(figure)


def counts_per_round(rounds: Sequence[int], counts: Mapping[State, Sequence[int]]) -> str:
    """Return how many labels of each state every round had.

    Args:
        rounds: their numbers.
        counts: state -> labels in each of these rounds.
    """
    with styled(4.6, 3.0) as (figure, axes):
        at = np.arange(len(rounds))
        width = 0.8 / max(1, len(counts))
        for i, (state, values) in enumerate(counts.items()):
            places = at + (i - (len(counts) - 1) / 2) * width
            axes.bar(places, values, width * 0.92, color=STATE_COLOURS.get(state), label=state)
        axes.set_xticks(at, [f"round {number}" for number in rounds])
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("labels")
        legend(axes)
        return svg(figure)
