"""Plots as data URIs: SVG for curves and bars, PNG for heat maps.

They have no background and colours that can be read on white and on black, because the report has
a light and a dark face. The same figures give the same bytes.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, State
from reelabel.media.pictures import encode_png

Values = Sequence[float] | NDArray[Any]

STATE_COLOURS = {POSITIVE: "#2f9e6e", IGNORE: "#d99a1c", NEGATIVE: "#d6504b"}
"""Colours of the three states, as everywhere in the report."""

_INK, _LINE = "#7d8794", "#9aa3ae"
_COLOURS = ("#3b82c4", "#e07b39", "#2f9e6e", "#a465c4", "#c9a21f", "#d6504b", "#4bb3b8", "#8d6e55")
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "reelabel",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": _INK,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.prop_cycle": cycler(color=_COLOURS),
    "axes.titlesize": 9.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.alpha": 0.25,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@contextmanager
def _styled(width_in: float, height_in: float) -> Iterator[tuple[Figure, Any]]:
    """Yield a figure that no global list keeps alive, and its axes, in our style."""
    # Not the user's own style: a report looks the same everywhere.
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # Letters are drawn by the browser, which has more of them than the font measured here.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        figure = Figure(figsize=(width_in, height_in), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield figure, axes


def _svg(figure: Figure) -> str:
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return data_uri(buffer.getvalue(), "image/svg+xml")


def data_uri(content: bytes, kind: str) -> str:
    """Return content as a ``data:`` URI.

    >>> data_uri(b"x", "image/png")
    'data:image/png;base64,eA=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def precision_recall(curves: Mapping[str, tuple[Values, Values]], iou: float = 0.5) -> str:
    """Return precision over recall.

    Args:
        curves: name, such as "student, ball" -> recall and precision, each 0..1 and equally long.
        iou: the overlap from which a box counts as found, for the caption of the axis.
    """
    with _styled(4.6, 3.0) as (figure, axes):
        for name, (recall, precision) in curves.items():
            axes.plot(recall, precision, label=_plain(name))
        axes.set(xlim=(0, 1.005), ylim=(0, 1.02), ylabel="precision")
        axes.set_xlabel(f"recall at IoU {iou:g}")
        _legend(axes, "lower left")
        return _svg(figure)


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
    with _styled(4.6, 3.0) as (figure, axes):
        # A short training has one point, which a line alone would not show.
        mark = "o" if len(steps) < 3 else ""  # noqa: PLR2004 -- as stated above
        for name, values in losses.items():
            axes.plot(steps, values, label=_plain(name), linewidth=1.3, marker=mark)
        axes.set(xlabel="step", ylabel="loss")
        positive = [np.min(v) > 0 for v in losses.values() if len(v)]
        if positive and all(positive):
            axes.set_yscale("log")
        if agreement is not None and len(agreement[0]):
            _second_axis(axes, agreement)
        _legend(axes, "upper right")
        return _svg(figure)


def _second_axis(axes: Any, agreement: tuple[Values, Values]) -> None:
    right = axes.twinx()
    right.patch.set_alpha(0)
    right.grid(visible=False)
    right.plot(*agreement, color=_INK, linestyle="--", marker="o", markersize=3)
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
    with _styled(4.6, 3.0) as (figure, axes):
        states = list(scores_by_state)
        axes.hist(
            [np.asarray(scores_by_state[s], np.float64) for s in states],
            bins=bins,
            range=(0, 1),
            stacked=True,
            color=[STATE_COLOURS.get(s, _INK) for s in states],
            label=[_plain(s) for s in states],
        )
        if threshold is not None:
            axes.axvline(threshold, color=_INK, linestyle=":", linewidth=1.2)
        axes.set(xlim=(0, 1), xlabel="score", ylabel="labels")
        _legend(axes, "best")
        return _svg(figure)


def label_counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return labels per class as bars, parted by size.

    Args:
        counts: class -> size bin, such as "small" -> number of labels.
    """
    bins = list(dict.fromkeys(size for sizes in counts.values() for size in sizes))
    rows = np.arange(len(counts))
    left = np.zeros(len(counts))
    with _styled(4.6, 1.1 + 0.34 * max(1, len(counts))) as (figure, axes):
        for size in bins:
            width = np.array([sizes.get(size, 0) for sizes in counts.values()], np.float64)
            axes.barh(rows, width, left=left, height=0.62, label=_plain(size))
            left += width
        axes.set_yticks(rows, [_plain(name) for name in counts])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("labels")
        if bins and counts:
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(bins))
        return _svg(figure)


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
    with _styled(4.6, 0.9 + 0.4 * max(1, len(rows))) as (figure, axes):
        for i, (_, value, low, high) in enumerate(rows):
            colour = _COLOURS[min(i, 1)]
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
            axes.axvline(rows[0][1], color=_INK, linestyle=":", linewidth=1)
        axes.set_yticks(np.arange(len(rows)), [_plain(row[0]) for row in rows])
        axes.set(xlabel=_plain(measure), ylim=(len(rows) - 0.4, -0.7))
        axes.grid(visible=False, axis="y")
        return _svg(figure)


def counts_per_round(rounds: Sequence[int], counts: Mapping[State, Sequence[int]]) -> str:
    """Return how many labels of each state every round had.

    Args:
        rounds: their numbers.
        counts: state -> labels in each of these rounds.
    """
    with _styled(4.6, 3.0) as (figure, axes):
        at = np.arange(len(rounds))
        width = 0.8 / max(1, len(counts))
        for i, (state, values) in enumerate(counts.items()):
            places = at + (i - (len(counts) - 1) / 2) * width
            axes.bar(places, values, width * 0.92, color=STATE_COLOURS.get(state), label=state)
        axes.set_xticks(at, [f"round {number}" for number in rounds])
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("labels")
        _legend(axes, "best")
        return _svg(figure)


def _plain(text: str) -> str:
    """Return a text that matplotlib takes as it is: no formulas, nothing that cannot be printed."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown.replace("$", r"\$")


def _legend(axes: Any, where: str) -> None:
    """Add a legend where there is more than one thing to tell apart, or a name at all."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc=where)
