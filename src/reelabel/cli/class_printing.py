"""What commands print about classifiers; every line fits into 80 columns where names are short."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from rich.markup import escape
from rich.table import Table

from reelabel.cli.console import OUT
from reelabel.data.states import STATES
from reelabel.errors import counted, few
from reelabel.evaluation.classes.compare import ClassComparison, ModelCost, ModelDifference
from reelabel.evaluation.classes.deciding import measure_of
from reelabel.evaluation.classes.figures import ClassScores, OverallMeasure
from reelabel.evaluation.figures import Figure
from reelabel.views.class_score_rows import HEADINGS, NOUNS, TITLES, columns_of, score_tables
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassificationScores, ModelComparison

_DIGITS = 4
_UNITS = ((1e6, "M"), (1e3, "k"))


def print_class_results(
    workspace: Workspace, last: int, labels: Mapping[str, Mapping[str, int]]
) -> None:
    """Print the labels of a round by class and state, and the scores of the rounds up to it.

    Args:
        workspace: the workspace.
        last: the round.
        labels: class -> state -> how many labels.
    """
    _print_labels(last, labels)
    rounds = (n for n in workspace.rounds() if n <= last)
    loaded = {n: ClassificationScores.load(workspace.round_dir(n)) for n in rounds}
    scored = {n: one for n, one in loaded.items() if one is not None}
    for one in score_tables(scored):
        rows = [(row.name, row.scores) for row in one.rows]
        _print_scores(f"{TITLES[one.kind]}: {one.sample}", one.columns, rows)
    for warning in class_warnings(scored.get(last)):
        OUT.print(f"[yellow]{escape(warning)}[/]")


def class_warnings(scores: ClassificationScores | None) -> list[str]:
    """Return what a reader of a round's scores should know about them."""
    if scores is None:
        return []
    found = [
        f"{name} looks like {other}, which was trained on: its scores are not of unseen footage"
        for name, other in scores.alike.items()
    ]
    if scores.left_out:
        missing = counted(len(scores.left_out), "annotated video")
        found.append(f"{missing} could not be scored: {few(scores.left_out)}")
    return found


def _print_labels(number: int, labels: Mapping[str, Mapping[str, int]]) -> None:
    if not labels:
        return
    used = [state for state in STATES if any(state in counts for counts in labels.values())]
    table = _table(["class", *used])
    for name, counts in labels.items():
        table.add_row(escape(name), *(str(counts.get(state, 0)) for state in used))
    _print(f"Labels of round {number}", table)


def _print_scores(
    title: str,
    columns: Mapping[OverallMeasure, str],
    rows: Iterable[tuple[str, ClassScores]],
) -> None:
    table = _table(["model", *columns.values()])
    for name, scores in rows:
        figures = (_figure(scores.overall.get(measure)) for measure in columns)
        table.add_row(escape(name), *figures)
    _print(title, table)


def print_comparison(found: ModelComparison) -> None:
    """Print the scores, the differences and the costs of compared models."""
    for level, one in found.levels.items():
        sample = f"{one.moments} {NOUNS[level][one.moments != 1]}"
        title = f"{sample} in {counted(one.groups, 'group')}, classes that people gave"
        columns = columns_of(one.models[0].scores.exclusive)
        _print_scores(title, columns, [(model.name, model.scores) for model in one.models])
        for sentence in difference_sentences(one):
            OUT.print(escape(sentence))
    first = next(iter(found.levels.values()), None)
    if first is not None:
        _print_costs({model.name: model.cost for model in first.models})


def difference_sentences(found: ClassComparison) -> list[str]:
    """Return a sentence on each model that is compared with another one: is it better?"""
    measure = measure_of(found)
    names = [model.name for model in found.models if model.name != found.against]
    differences = (found.difference(name, measure) for name in names)
    return [_difference(one, found.against) for one in differences]


def _difference(one: ModelDifference, against: str) -> str:
    word = HEADINGS[one.measure]
    if one.gain.value is None:
        return f"{one.model}: no difference to {against} is defined"
    bounds = ""
    if one.gain.low is not None and one.gain.high is not None:
        bounds = f" ({one.gain.low:+.3f} to {one.gain.high:+.3f})"
    what = f"{word} {one.gain.value:+.3f}{bounds}, p = {one.p_value:.3f}"
    if not one.differs:
        return f"{one.model} is not told apart from {against}: {what}"
    return f"{one.model} is {'better' if one.is_better else 'worse'} than {against}: {what}"


def _print_costs(costs: Mapping[str, ModelCost]) -> None:
    table = _table(["model", "weights", "MB", "ms a moment", "frames/s"])
    for name, cost in costs.items():
        size = "-" if cost.size_bytes is None else f"{cost.size_bytes / 1e6:.1f}"
        speed = cost.speed
        latency = "-" if speed is None else f"{speed.latency_s * 1000:.1f}"
        rate = "-" if speed is None else f"{speed.frames_per_s:.0f}"
        table.add_row(escape(name), short_number(cost.parameters), size, latency, rate)
    _print("Size, and speed on this machine", table)


def short_number(value: int | None) -> str:
    """Return a count in few digits.

    >>> short_number(2_345_678), short_number(950), short_number(None)
    ('2.35M', '950', '-')
    """
    if value is None:
        return "-"
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def _print(title: str, table: Table) -> None:
    """Print a table below its title, which may be wider."""
    OUT.print(f"[italic]{escape(title)}[/]")
    OUT.print(table)


def _table(columns: Iterable[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(columns):
        side: Literal["left", "right"] = "right" if i else "left"
        table.add_column(escape(column), justify=side, no_wrap=i > 0, overflow="fold")
    return table


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
