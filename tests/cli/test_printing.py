"""What is printed fits: no figure is cut off on a terminal of 80 columns."""

from __future__ import annotations

import pytest

from reelabel.cli import printing
from reelabel.evaluation.figures import Figure, Measures
from reelabel.terminal.console import PlainConsole
from reelabel.workspace import Workspace


@pytest.mark.parametrize("width", [80, 120])
def test_scores_show_every_figure(tmp_path, monkeypatch, width, capsys):
    """All seven figures of a model stand in its row, whole."""
    figure = Figure(0.123, 0.05, 0.21)
    overall = Measures(*(figure for _ in range(7)))
    workspace = Workspace(tmp_path)
    monkeypatch.setattr(printing, "OUT", PlainConsole(width=width, highlight=False))
    monkeypatch.setattr(
        printing, "score_rows", lambda *_: [["student, round 1", *printing._figures(overall)]]
    )
    printing.print_scores(workspace)
    row = next(line for line in capsys.readouterr().out.splitlines() if "student" in line)
    assert row.count("0.12") == 7
    assert "…" not in row
    assert len(row) <= width
