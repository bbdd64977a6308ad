"""What commands print about classifiers; every line fits into 80 columns where names are short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from reelabel.cli.cells import figure_cell, figure_table, gain_cell
from reelabel.cli.console import OUT
from reelabel.data.states import STATES
from reelabel.errors import counted
from reelabel.evaluation.classes.compare import ModelCost
from reelabel.evaluation.classes.figures import ClassScores, OverallMeasure
from reelabel.evaluation.figures import Figure
from reelabel.verbs.run import label_counts
from reelabel.views.class_comparison import (
    COST_HEAD,
    cost_cells,
    cost_sentences,
    difference_sentences,
    sample_of,
)
from reelabel.views.class_score_rows import (
    HEADINGS,
    NOUNS,
    class_warnings,
    columns_of,
    score_tables,
)
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassAblation, ClassificationScores, ModelComparison

if TYPE_CHECKING:
    from reelabel.engine.task import Task

_DIGITS = 4


def print_class_results(workspace: Workspace, task: Task, last: int) -> None:
    """Print the labels of a round by class and state, and the scores of the rounds up to it."""
    _print_labels(last, label_counts(workspace, task, last))
    rounds = (n for n in workspace.rounds() if n <= last)
    loaded = {n: ClassificationScores.load(workspace.round_dir(n)) for n in rounds}
    scored = {n: one for n, one in loaded.items() if one is not None}
    for one in score_tables(scored):
        rows = [(row.name, row.scores) for row in one.rows]
        _print_scores(f"{one.title}: {one.sample}", one.columns, rows)
    for warning in class_warnings(workspace, last):
        OUT.print(f"[yellow]{escape(warning)}[/]")


def _print_labels(number: int, labels: Mapping[str, Mapping[str, int]]) -> None:
    if not labels:
        return
    used = [state for state in STATES if any(state in counts for counts in labels.values())]
    table = figure_table(["class", *used])
    for name, counts in labels.items():
        table.add_row(escape(name), *(str(counts.get(state, 0)) for state in used))
    _print(f"Labels of round {number}", table)


def _print_scores(
    title: str,
    columns: Mapping[OverallMeasure, str],
    rows: Iterable[tuple[str, ClassScores]],
) -> None:
    table = figure_table(["model", *columns.values()])
    for name, scores in rows:
        figures = (_figure(scores.overall.get(measure)) for measure in columns)
        table.add_row(escape(name), *figures)
    _print(title, table)


def print_comparison(found: ModelComparison) -> None:
    """Print the scores, the differences and the costs of compared models."""
    for one in found.levels.values():
        title = f"{sample_of(one)}, classes that people gave"
        columns = columns_of(one.models[0].scores.exclusive)
        _print_scores(title, columns, [(model.name, model.scores) for model in one.models])
        for sentence in difference_sentences(one):
            OUT.print(escape(sentence))
    first = next(iter(found.levels.values()), None)
    if first is not None:
        _print_costs({model.name: model.cost for model in first.models})


def _print_costs(costs: Mapping[str, ModelCost]) -> None:
    table = figure_table(COST_HEAD)
    for name, cost in costs.items():
        table.add_row(escape(name), *cost_cells(cost))
    _print("Size, and speed on this machine", table)
    for sentence in cost_sentences(costs.values()):
        OUT.print(f"[dim]{escape(sentence)}[/]")


def _print(title: str, table: Table) -> None:
    """Print a table below its title, which may be wider."""
    OUT.print(f"[italic]{escape(title)}[/]")
    OUT.print(table)


def _figure(figure: Figure | None) -> str:
    """Return a figure with its interval in 14 characters.

    >>> _figure(Figure(0.9123, 0.87, 1.0))
    '.912 [dim](.87-1.0)[/]'
    """
    if figure is None or figure.value is None:
        return "-"
    value = f"{figure.value:.3f}".removeprefix("0")[:_DIGITS]
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [dim]({_short(figure.low)}-{_short(figure.high)})[/]"


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else text.removeprefix("0")


def print_class_ablation(found: ClassAblation) -> None:
    """Print what each rule that doubts tags is worth: in frames or clips, and in videos."""
    levels = list(found.moments)
    sample = ", ".join(f"{n} {NOUNS[level][n != 1]}" for level, n in found.moments.items())
    what = HEADINGS[found.measure]
    table = figure_table(
        ["rules", "labels", "ignored", *(f"{NOUNS[level][1]} {what}" for level in levels), "gain"],
        stacked=True,
    )
    for one in found.variants:
        same = f" (as {one.trained_as})" if one.trained_as != one.name else ""
        scores = (figure_cell(one.scores[level], interval=False) for level in levels)
        gain = gain_cell(one.gain["video"]) if one.gain else "-"
        table.add_row(one.name + same, str(one.positives), str(one.ignored), *scores, gain)
    trainings = counted(len(found.seeds), "training")
    _print(f"Round {found.round}: labels by the rules that doubt tags, {trainings} each", table)
    OUT.print(
        f"Scored on {sample} in {counted(found.groups, 'group')} that no student was trained on"
    )
    OUT.print("Gain: in whole videos, to the first row, with its 95 % interval")
    for note in found.notes:
        OUT.print(f"[yellow]{escape(note)}[/]")
