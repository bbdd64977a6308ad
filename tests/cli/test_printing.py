"""What is printed fits: no figure is cut off on a terminal of 80 columns."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reelabel.cli import box_printing, console, printing
from reelabel.cli.fetch_command import print_fetch
from reelabel.evaluation.figures import MEASURES, Figure, Finding, Measures
from reelabel.evaluation.label_quality import BackgroundQuality, LabelQuality
from reelabel.evaluation.label_rules import LabelCount, RuleQuality
from reelabel.pipeline import Run
from reelabel.sources.web.outcomes import OUTCOMES
from reelabel.terminal.console import PlainConsole
from reelabel.verbs.fetch import ClassOutcomes, FetchResult
from reelabel.views.html import ReportData, ScoreRow, ScoreTable, render_report
from reelabel.views.label_rules import rules_head
from reelabel.workspace import Workspace
from reelabel.workspace.results import Ablation, Decision, LabelCounts, Scores, Variant


@pytest.mark.parametrize("width", [80, 120])
def test_scores_show_every_figure(tmp_path, monkeypatch, width, capsys):
    """All seven figures of a model stand in its row, whole."""
    figure = Figure(0.123, 0.05, 0.21)
    overall = Measures(*(figure for _ in range(7)))
    workspace = Workspace(tmp_path)
    monkeypatch.setattr(box_printing, "OUT", PlainConsole(width=width, highlight=False))
    monkeypatch.setattr(
        box_printing,
        "score_rows",
        lambda *_: [["student, round 1", *box_printing._figures(overall)]],
    )
    box_printing.print_scores(workspace)
    row = next(line for line in capsys.readouterr().out.splitlines() if "student" in line)
    assert row.count("0.12") == 7
    assert "…" not in row
    assert len(row) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_no_table_of_figures_loses_a_character(tmp_path, monkeypatch, width, capsys):
    """However long names are, every table prints each figure whole; only names are wrapped."""
    figure, rate, gain = Figure(0.123, 0.05, 0.21), 0.125, Figure(-0.012, -0.21, 0.15)
    measures = Measures(*(figure for _ in range(7)))
    names = ("untrained start, round 10", "+static (as +flicker)", "x" * 60)
    workspace = Workspace(tmp_path)
    for module in (box_printing, printing):
        monkeypatch.setattr(module, "OUT", PlainConsole(width=width, highlight=False))
    rows = [[name, *box_printing._figures(measures)] for name in names]
    monkeypatch.setattr(box_printing, "score_rows", lambda *_: rows)
    box_printing.print_scores(workspace)
    counts = LabelCounts(9_999, 7_777, 9_999)
    figures = (figure, figure, figure, rate, rate, gain, (), counts)
    variants = tuple(Variant(name, name, *figures) for name in names)
    box_printing.print_ablation(Ablation(0, (1,), "truth", variants))
    measured = ("AP", "consistency under mirroring")
    sample = "12345 shared objects in 1000 frames"
    found = tuple(Finding(m, "start", rate, rate, gain, sample) for m in measured)
    decision = Decision(0, "stop", "round:0", "round:0", "not better", findings=found)
    monkeypatch.setattr(printing, "decision_of", lambda *_: decision)
    printing.print_findings(workspace, 0)
    out = capsys.readouterr().out
    assert "…" not in out
    assert all(len(line) <= width for line in out.splitlines())
    words = " ".join(out.split())
    assert words.count("-0.012 (-0.21 to +0.15)") == len(variants) + len(found)
    assert words.count("7777") == len(variants)
    assert words.count("0.123 (0.05-0.21)") >= 2 * len(names)


def test_labels_by_rule_fit_into_80_columns(tmp_path, monkeypatch, capsys):
    """Ten columns of large counts stand in one row for each rule, below their sum's headings."""
    count = LabelCount(123_456, 23_456, 3_456)
    rules = tuple(RuleQuality(name, count, count, count) for name in ("merge:fuse", "previous"))
    quality = LabelQuality(*(Figure(0.5) for _ in range(3)))
    shown = BackgroundQuality(52, 4, 1)
    workspace = Workspace(tmp_path)
    scores = Scores(1, 0.5, labels=quality, rules=rules, background=shown)
    workspace.round_dir(1).mkdir(parents=True)
    scores.save(workspace.round_dir(1))
    monkeypatch.setattr(box_printing, "OUT", PlainConsole(width=80, highlight=False))
    box_printing.print_rules(workspace, 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "Labels of round 1 by rule"
    assert lines[1].split() == ["labels", "labels", "gained", "gained", "lost", "lost"]
    judged = ["right", "wrong"]
    assert lines[2].split() == ["rule", "labels", *judged, "gained", *judged, "lost", *judged]
    assert lines[3].split() == ["merge:fuse", *["123456", "23456", "3456"] * 3]
    assert lines[5].split() == ["all", *["246912", "46912", "6912"] * 3]
    told = " ".join(lines[6:])
    assert "4 of 52 background pictures with truth show an object, 1 of them" in told
    assert "merge:fuse: the round before had labels of this frame too, and the policy fuse" in told
    assert "previous: a label that an earlier round made" in told
    assert all(len(line) <= 80 for line in lines)
    heads = rules_head(scores)
    assert len(set(heads)) == len(heads) == 10


@pytest.mark.parametrize("text", ["a b  \n c", " x", "", "\n\n"])
def test_what_is_no_terminal_gets_no_spaces_at_the_end_of_lines(text, capsys):
    """Tables and texts are printed as they are, but for spaces at the end of their lines."""
    table = Table("name", "count", box=None, title="of all", title_justify="left")
    table.add_row(Text(text), "1")
    table.add_row("much longer", "")
    PlainConsole(width=40, highlight=False).print(table)
    narrow = capsys.readouterr().out
    Console(width=40, highlight=False, force_terminal=False).print(table)
    lines = capsys.readouterr().out.splitlines()
    assert narrow.splitlines() == [line.rstrip(" ") for line in lines]


def test_names_with_colons_are_no_emoji(capsys):
    """A class or file is printed as it is called."""
    PlainConsole(highlight=False).print("bad:cat:.mp4 person:adult")
    assert capsys.readouterr().out == "bad:cat:.mp4 person:adult\n"


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("", 120), ("x", 120)])
def test_a_pipe_is_as_wide_as_columns_states(columns, width):
    """COLUMNS holds where the output is no terminal; without it 120 columns are used."""
    code = "from reelabel.cli.console import OUT; print(OUT.width)"
    environment = {**os.environ, "COLUMNS": columns}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(width)


@pytest.mark.parametrize("width", [80, 120])
def test_what_came_is_printed_with_its_class(tmp_path, monkeypatch, width, capsys):
    """Classes keep their column, however many outcomes there are, and each outcome is whole."""
    every = dict.fromkeys(OUTCOMES, 12_345)
    names = ["ball", "riding a unicycle", "x" * 60]
    classes = {name: ClassOutcomes(99_999, 9_999, every) for name in names}
    monkeypatch.setattr(console, "OUT", PlainConsole(width=width, highlight=False))
    print_fetch(FetchResult(tmp_path, classes=classes, run=Run()))
    out = capsys.readouterr().out
    lines = out.splitlines()[:-1]
    assert all(len(line) <= width for line in lines)
    assert {"ball", "riding a unicycle"} <= {line[:24].strip() for line in lines}
    words = out.replace(",", " ").split()
    assert all(words.count(kind) == len(names) for kind in every)
    assert "…" not in out


@pytest.mark.parametrize("kind", ["truth", "agreement"])
def test_page_and_terminal_head_scores_alike(kind, tmp_path, monkeypatch, capsys):
    """Both have the same headings, and state below the table what the short ones mean."""
    page = ScoreTable(kind, [ScoreRow("student", dict.fromkeys(MEASURES, Figure(0.5)))])
    monkeypatch.setattr(box_printing, "OUT", PlainConsole(width=80, highlight=False))
    monkeypatch.setattr(
        box_printing,
        "score_rows",
        lambda _, of, __: [["student", *"1234567"]] if of == kind else [],
    )
    box_printing.print_scores(Workspace(tmp_path))
    printed = " ".join(capsys.readouterr().out.split())
    assert " ".join(heading for _, heading in page.columns) in printed
    assert page.meanings in printed
    assert page.meanings in render_report(ReportData("r", scores=[page]))
