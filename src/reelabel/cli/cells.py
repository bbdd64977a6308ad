"""Cells of tables on the terminal."""

from __future__ import annotations

from reelabel.evaluation.figures import Figure


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
        return f"{gain.value:+.3f}"
    return f"{gain.value:+.3f} [dim]({gain.low:+.2f} to {gain.high:+.2f})[/]"
