"""Tables of figures on the terminal, and their cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from rich.markup import escape
from rich.table import Table

from reelabel.evaluation.figures import Figure


def figure_table(columns: Iterable[str], *, stacked: bool = False) -> Table:
    """Return an empty table in which no figure is cut: on a narrow terminal names are wrapped.

    Args:
        columns: heads; the first is of names, the others are of figures.
        stacked: write the words of a head below each other.
    """
    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        side: Literal["left", "right"] = "right" if i else "left"
        head = escape(column.replace(" ", "\n") if stacked else column)
        table.add_column(head, justify=side, no_wrap=i > 0, overflow="fold", vertical="bottom")
    return table


def figure_cell(figure: Figure | None, *, interval: bool) -> str:
    """Return a figure with two digits, or with three and its interval; ``-`` if there is none."""
    if figure is None or figure.value is None:
        return "-"
    if not interval or figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.3f} [dim]({figure.low:.2f}-{figure.high:.2f})[/]"


def gain_cell(gain: Figure) -> str:
    """Return a difference with its sign and, if it is known, its interval."""
    if gain.value is None:
        return "-"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+z.3f}"
    return f"{gain.value:+z.3f} [dim]({gain.low:+z.2f} to {gain.high:+z.2f})[/]"
