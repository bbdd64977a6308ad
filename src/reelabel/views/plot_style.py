"""How plots look, and how they become data URIs.

They have no background and colours that can be read on white and on black, because the report has
a light and a dark face. The same figures give the same bytes.
"""

from __future__ import annotations

import base64
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE

Values = Sequence[float] | NDArray[Any]

STATE_COLOURS = {POSITIVE: "#2f9e6e", IGNORE: "#d99a1c", NEGATIVE: "#d6504b"}
"""Colours of the three states, as everywhere in the report."""

INK, LINE = "#7d8794", "#9aa3ae"
"""Colours of text, and of axes."""
COLOURS = ("#3b82c4", "#e07b39", "#2f9e6e", "#a465c4", "#c9a21f", "#d6504b", "#4bb3b8", "#8d6e55")
"""Colours of curves, in order."""
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "reelabel",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.titlesize": 9.0,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.alpha": 0.25,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


_LETTER_IN, _HANDLE_IN, _ROW_IN = 0.07, 0.6, 0.18
"""Size of a letter, of what stands before a name, and of a row of a legend, in inches."""


@contextmanager
def styled(width_in: float, height_in: float) -> Iterator[tuple[Figure, Any]]:
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


def svg(figure: Figure) -> str:
    """Return a figure as a data URI."""
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return data_uri(buffer.getvalue(), "image/svg+xml")


def data_uri(content: bytes, kind: str) -> str:
    """Return content as a ``data:`` URI.

    >>> data_uri(b"x", "image/png")
    'data:image/png;base64,eA=='
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def plain(text: str) -> str:
    """Return a text that matplotlib takes as it is: no formulas, nothing that cannot be printed."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return shown.replace("$", r"\$")


def legend(axes: Any) -> None:
    """Add a legend above the axes, where it hides nothing, if anything has a name.

    The figure becomes higher by the rows of the legend.
    """
    names = axes.get_legend_handles_labels()[1]
    if not names:
        return
    figure = axes.figure
    width, height = figure.get_size_inches()
    longest = max(map(len, names)) * _LETTER_IN + _HANDLE_IN
    columns = min(len(names), max(1, int(width / longest)))
    figure.set_size_inches(width, height + math.ceil(len(names) / columns) * _ROW_IN)
    figure.legend(loc="outside upper left", ncols=columns)
