"""What commands print about boxes: the input, the labels, the scores of a round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from reelabel.cli.cells import figure_cell, figure_table, gain_cell
from reelabel.cli.console import OUT
from reelabel.config import Config
from reelabel.engine.run import Result
from reelabel.errors import counted, few
from reelabel.evaluation.figures import Comparison, Figure, Measures
from reelabel.labels.class_counts import class_counts, classes_on_one_object
from reelabel.labels.stats import two_classes_sentences
from reelabel.verbs.label_lines import label_notes, pictures_sentence
from reelabel.verbs.teachers import teachers_agreement
from reelabel.views.label_rules import rules_head, rules_legend, rules_rows, rules_title
from reelabel.views.score_rows import HEADINGS, MEANINGS, Kind, model_rows
from reelabel.workspace import Workspace
from reelabel.workspace.results import Ablation, InputChoice, SplitReport
from reelabel.workspace.rounds import score_warnings, scores_of

if TYPE_CHECKING:
    from reelabel.engine.task import Task

_ROOM = 104
"""Columns of a terminal that a row of scores with three intervals takes, beside a model's name."""


def print_box_stage(workspace: Workspace, config: Config, result: Result) -> None:
    """Print what a stage brought: the input, labels, pictures, or that the teacher found nothing.

    Args:
        workspace: the workspace.
        config: its settings.
        result: of the stage.
    """
    number = result.round_number
    if result.stage == "tune":
        _print_input(workspace, number)
    if result.stage == "detect":
        _print_found_nothing(workspace, config, result)
    if result.stage == "merge":
        _print_labels(workspace, config, number)
    if result.stage == "split":
        print_pictures(workspace, number)


def print_box_figures(workspace: Workspace, stage: str, number: int) -> None:
    """Print the pictures and the labels by rule of a round, with the stage that counted them."""
    if stage == "split":
        print_pictures(workspace, number)
    if stage == "evaluate":
        print_rules(workspace, number)


def print_box_scores(workspace: Workspace, task: Task, number: int) -> None:
    """Print the scores of all models up to a round, its labels by rule, and warnings."""
    del task
    print_scores(workspace, number)
    print_rules(workspace, number)
    for warning in score_warnings(workspace, number):
        OUT.print(f"[yellow]{escape(warning)}[/]")


def _print_input(workspace: Workspace, number: int) -> None:
    """Print the input that was chosen for the teacher; of later rounds it is the first one's."""
    choice = InputChoice.load(workspace.round_dir(number))
    if number == 0 and choice is not None and str(choice):
        OUT.print(f"Input: {escape(str(choice))}")


def _print_found_nothing(workspace: Workspace, config: Config, result: Result) -> None:
    """Print at once that the teacher found nothing: the stages behind it have nothing to do."""
    frames, boxes = (
        sum(note.get(key, 0) for note in result.notes.values()) for key in ("frames", "boxes")
    )
    if boxes or not frames or result.kept:
        return
    classes, root = few(config.project.classes), workspace.root
    OUT.print(
        f"[yellow]The teacher found nothing[/] in {counted(frames, 'frame')} of "
        f"{counted(result.done, 'video')}: {escape(config.project.detector)} looked for "
        f"{escape(classes)}. Are these the names of what is shown? Look at a video "
        f"with  reelabel predict MODEL VIDEO --score 0.05 , name another --detector, or map its "
        f"classes by class_map in {escape(str(root / 'reelabel.yaml'))}"
    )


def _print_labels(workspace: Workspace, config: Config, number: int) -> None:
    """Print the labels of a round, a line for each class, and how to look at them."""
    videos = label_notes(workspace, number)
    for count in class_counts(videos, config.project.classes):
        OUT.print(escape(str(count)))
    agreed = teachers_agreement(workspace, config, number)
    if agreed is not None:
        OUT.print(f"Teachers: {escape(str(agreed))}")
    for sentence in two_classes_sentences(classes_on_one_object(videos)):
        OUT.print(f"[yellow]{escape(sentence)}[/]")
    OUT.print(f"next: reelabel show {escape(str(workspace.root))}")


def print_pictures(workspace: Workspace, number: int) -> None:
    """Print how many pictures of a round are labelled, background and left out."""
    split = SplitReport.load(workspace.round_dir(number))
    if split is not None:
        OUT.print(f"Data of round {number}: {escape(pictures_sentence(split))}")


def print_rules(workspace: Workspace, number: int) -> None:
    """Print the labels of a round by rule, and how many background pictures show an object."""
    scores = scores_of(workspace, number)
    if scores is None or not scores.rules:
        return
    table = figure_table(rules_head(scores), stacked=True)
    for row in rules_rows(scores):
        table.add_row(*map(escape, row))
    OUT.print(f"[italic]{rules_title(scores)}[/]")  # may be wider than the table
    OUT.print(table)
    for sentence in rules_legend(rule.rule for rule in scores.rules):
        OUT.print(f"[dim]{escape(sentence)}[/]")
    if scores.background is not None and scores.background.pictures:
        OUT.print(f"Truth: {scores.background}")


TITLES: dict[Kind, str] = {
    "truth": "Truth: hand-drawn boxes, never trained on",
    "agreement": "Agreement with pseudo-labels, which is not accuracy",
}
"""Title of each table; what is measured on pseudo-labels is never called AP."""


def print_scores(workspace: Workspace, last: int | None = None) -> None:
    """Print teacher and students up to a round beside each other, truth and agreement apart."""
    for kind, title in TITLES.items():
        table = figure_table(["model", *HEADINGS[kind].values()])
        rows = list(score_rows(workspace, kind, last))
        for row in rows:
            table.add_row(*row)
        if rows:
            OUT.print(f"[italic]{title}[/]")
            OUT.print(table)
            OUT.print(f"[dim]{MEANINGS[kind]}[/]")


def score_rows(workspace: Workspace, kind: Kind, last: int | None = None) -> list[list[str]]:
    """Return one row per model that was scored, each figure with its interval."""
    rounds = [n for n in workspace.rounds() if last is None or n <= last]
    scores = {number: one for number in rounds if (one := scores_of(workspace, number))}
    scored: dict[int, Comparison] = {
        number: compared for number, one in scores.items() if (compared := getattr(one, kind))
    }
    fused = scores[min(scored)].fused if scored else ()
    return [[row.name, *_figures(row.scores.overall)] for row in model_rows(scored, fused)]


def _figures(scores: Measures) -> list[str]:
    """Return the cells of one row; the first three figures carry their interval, or the first."""
    wide = 3 if _has_room() else 1
    first = (scores.ap, scores.ap50, scores.ap75)
    figures = (*first, scores.ar, scores.precision, scores.recall, scores.f1)
    return [figure_cell(one, interval=i < wide) for i, one in enumerate(figures)]


def _has_room() -> bool:
    """Return whether a table with several intervals in a row fits without being cut."""
    return OUT.width >= _ROOM


def print_ablation(found: Ablation) -> None:
    """Print what each kind of evidence is worth, on one line each."""
    title = (
        f"Round {found.round}: labels and students with each kind of evidence, "
        f"{counted(len(found.seeds), 'training')} each, against the truth"
    )
    head = ("evidence", "labels precision", "recall", "negatives", "student AP", "AP50", "gain")
    table = figure_table(head, stacked=True)
    for one in found.variants:
        rates = (figure_cell(Figure(rate), interval=False) for rate in (one.precision, one.recall))
        room = _has_room()
        wide = [figure_cell(figure, interval=room) for figure in (one.ap, one.ap50)]
        wide.append("-" if one.gain_ap is None else gain_cell(one.gain_ap))
        same = f" (as {one.trained_as})" if one.trained_as != one.name else ""
        table.add_row(one.name + same, *rates, str(one.labels.negatives), *wide)
    OUT.print(f"[italic]{title}[/]")
    OUT.print(table)
