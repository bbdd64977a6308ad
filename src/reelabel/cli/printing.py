"""What commands print on the terminal."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.markup import escape
from rich.table import Table

from reelabel.cli.class_printing import print_class_results
from reelabel.cli.console import OUT
from reelabel.config import Config
from reelabel.engine.project import task_of
from reelabel.engine.run import Result
from reelabel.errors import counted, few
from reelabel.evaluation.figures import Comparison, Figure, Measures
from reelabel.labels.class_counts import class_counts, classes_on_one_object
from reelabel.labels.stats import two_classes_sentences
from reelabel.pipeline import Run
from reelabel.short_names import NO_DETECTOR
from reelabel.sources.footage import left_out_sentences
from reelabel.tables import LABELS
from reelabel.verbs.label_lines import label_notes, pictures_sentence
from reelabel.verbs.run import label_counts
from reelabel.verbs.status import StageStatus, decisions
from reelabel.verbs.teachers import teachers_agreement
from reelabel.views.label_rules import rules_head, rules_legend, rules_rows, rules_title
from reelabel.views.score_rows import model_rows
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassificationScores
from reelabel.workspace.results import Ablation, InputChoice, Scores, SplitReport
from reelabel.workspace.rounds import decision_of, score_warnings, scores_of, truth_notes

if TYPE_CHECKING:
    from reelabel.engine.task import Task
    from reelabel.verbs.demo import Demo

Kind = Literal["truth", "agreement"]
_ROOM = 104
"""Columns of a terminal that a row of scores with three intervals takes, beside a model's name."""


def print_new(workspace: Workspace) -> None:
    """Print where a new workspace is and what comes next."""
    root = escape(str(workspace.root))
    OUT.print(f"[bold]{root}[/] is ready. Look into {root}/{workspace.config_path.name}, then:")
    settings = workspace.config_path.read_text(encoding="utf-8")
    if f"\ndetector: {NO_DETECTOR}\n" in settings:
        OUT.print(f"  reelabel import {root} FILE --as labels   with boxes drawn in some frames")
    OUT.print(f"  reelabel run {root}")
    if "single_video: true" in settings:
        OUT.print(
            "[yellow]Only one video:[/] no split without leaks exists, so validation will share "
            "the video with training, in blocks of time. Scores on it flatter the student."
        )


def print_run(workspace: Workspace, run: Run) -> None:
    """Print what failed in a run, and what was left out."""
    names = {video.video_id: video.name for video in workspace.videos()}
    printed: set[str] = set()
    for result in run.results:
        for notes in result.notes.values():
            left_out = notes.get("left_out", {})
            sentences = left_out_sentences(left_out) if isinstance(left_out, dict) else left_out
            for sentence in sentences:
                OUT.print(f"[dim]{result.stage} {escape(sentence)}[/]")
        waiting = {v: words for v, words in result.waiting.items() if v not in printed}
        printed |= result.failed.keys() | waiting.keys()
        for video, message in (result.failed | waiting).items():
            words = escape(f"{names.get(video, video)}: {message}")
            OUT.print(f"[red]{result.stage}[/] {words}")
        unusable = result.notes.get("all", {}).get("failed", [])
        if unusable:
            count, see = counted(len(unusable), "file"), f"reelabel status {workspace.root}"
            words = f"{count} cannot be used: {few(unusable)}; see  {see}"
            OUT.print(f"[red]{result.stage}[/] {escape(words)}")


def print_stage(
    workspace: Workspace, config: Config, result: Result, *, alone: bool = False
) -> None:
    """Print what a stage brought: labels, scores, or that the teacher found nothing.

    Args:
        workspace: the workspace.
        config: its settings.
        result: of the stage.
        alone: whether it is the only one; then also what is up to date is printed.
    """
    task, number = task_of(config), result.round_number
    if not (result.done or alone):
        return
    if result.stage == "tune":
        _print_input(workspace, number)
    if task.labels is LABELS and result.stage == "detect":
        _print_found_nothing(workspace, config, result)
    if task.labels is LABELS and result.stage == "merge":
        _print_labels(workspace, config, number)
    if task.labels is LABELS and result.stage == "split":
        _print_pictures(workspace, number)
    if alone and result.stage == "evaluate":
        print_all_scores(workspace, task, number)


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


def _print_pictures(workspace: Workspace, number: int) -> None:
    """Print how many pictures of a round are labelled, background and left out."""
    split = SplitReport.load(workspace.round_dir(number))
    if split is not None:
        OUT.print(f"Data of round {number}: {escape(pictures_sentence(split))}")


def print_rules(workspace: Workspace, number: int) -> None:
    """Print the labels of a round by rule, and how many background pictures show an object."""
    scores = scores_of(workspace, number)
    if scores is None or not scores.rules:
        return
    table = Table(box=None, pad_edge=False)
    for column in rules_head(scores):
        side: Literal["left", "right"] = "left" if column == "rule" else "right"
        head = column.replace(" ", "\n")  # below each other, to fit
        table.add_column(head, justify=side, no_wrap=True, vertical="bottom")
    for row in rules_rows(scores):
        table.add_row(*map(escape, row))
    OUT.print(f"[italic]{rules_title(scores)}[/]")  # may be wider than the table
    OUT.print(table)
    for sentence in rules_legend(rule.rule for rule in scores.rules):
        OUT.print(f"[dim]{escape(sentence)}[/]")
    if scores.background is not None and scores.background.pictures:
        OUT.print(f"Truth: {scores.background}")


def print_all_scores(workspace: Workspace, task: Task, number: int) -> None:
    """Print the scores of all models up to a round, and what a reader should know of them."""
    scored = task.scores is Scores
    if scored:
        print_scores(workspace, number)
        print_rules(workspace, number)
    if task.scores is ClassificationScores:
        print_class_results(workspace, number, label_counts(workspace, task, number))
    for note in truth_notes(workspace):
        OUT.print(f"[dim]{escape(note)}[/]")
    for warning in score_warnings(workspace, number) if scored else ():
        OUT.print(f"[yellow]{escape(warning)}[/]")


def print_outcome(workspace: Workspace, task: Task, run: Run, report: Path | None) -> None:
    """Print how the rounds compare, the decision, and where the report is, if the task has one."""
    last = run.results[-1].round_number
    print_all_scores(workspace, task, last)
    if run.reason:
        print_findings(workspace, last)
        OUT.print(f"[bold]Decision:[/] {escape(run.reason)}")
    if report is not None:
        OUT.print(f"[bold]Report:[/] {escape(str(report))}")


SCORES: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "truth": (
        "Truth: hand-drawn boxes, never trained on",
        ("AP", "AP50", "AP75", "AR", "P", "R", "F1"),
    ),
    "agreement": (
        "Agreement with pseudo-labels, which is not accuracy",
        ("agreement", "at .50", "at .75", "found", "P", "R", "F1"),
    ),
}
"""Title and columns of each table; what is measured on pseudo-labels is never called AP."""


def print_scores(workspace: Workspace, last: int | None = None) -> None:
    """Print teacher and students up to a round beside each other, truth and agreement apart."""
    for kind, (title, columns) in SCORES.items():
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for column in ("model", *columns):
            side: Literal["left", "right"] = "left" if column == "model" else "right"
            table.add_column(column, justify=side, no_wrap=True)
        rows = list(score_rows(workspace, kind, last))
        for row in rows:
            table.add_row(*row)
        if rows:
            OUT.print(table)


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
    return [_figure(one, interval=i < wide) for i, one in enumerate(figures)]


def _has_room() -> bool:
    """Return whether a table with several intervals in a row fits without being cut."""
    return OUT.width >= _ROOM


def _figure(figure: Figure | None, *, interval: bool) -> str:
    if figure is None or figure.value is None:
        return "-"
    if not interval or figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.3f} [dim]({figure.low:.2f}-{figure.high:.2f})[/]"


def print_findings(workspace: Workspace, number: int) -> None:
    """Print the comparisons that a round's decision rests on, with their samples."""
    decision = decision_of(workspace, number)
    if decision is None or not decision.findings:
        return
    title = f"Decision of round {number}: the student against other models"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("compared", "student", "other", "difference", "sample"):
        side: Literal["left", "right"] = "left" if column == "compared" else "right"
        table.add_column(column, justify=side, no_wrap=column != "sample")
    for one in decision.findings:
        values = (_figure(Figure(value), interval=False) for value in (one.student, one.other))
        table.add_row(one.title, *values, _signed(one.gain), one.sample)
    OUT.print(table)


def _signed(gain: Figure) -> str:
    if gain.value is None:
        return "-"
    if gain.low is None or gain.high is None:
        return f"{gain.value:+.3f}"
    return f"{gain.value:+.3f} [dim]({gain.low:+.2f} to {gain.high:+.2f})[/]"


def print_ablation(found: Ablation) -> None:
    """Print what each kind of evidence is worth, on one line each."""
    title = (
        f"Round {found.round}: labels and students with each kind of evidence, "
        f"{counted(len(found.seeds), 'training')} each, against the truth"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in ("evidence", "labels P", "R", "negatives", "student AP", "AP50", "gain"):
        side: Literal["left", "right"] = "left" if column == "evidence" else "right"
        table.add_column(column, justify=side, no_wrap=True)
    for one in found.variants:
        rates = (_figure(Figure(rate), interval=False) for rate in (one.precision, one.recall))
        room = _has_room()
        wide = [_figure(figure, interval=room) for figure in (one.ap, one.ap50)]
        wide.append(_figure(one.gain_ap, interval=True))
        same = f" (as {one.trained_as})" if one.trained_as != one.name else ""
        table.add_row(one.name + same, *rates, str(one.labels.negatives), *wide)
    OUT.print(table)


def print_status(workspace: Workspace, found: list[StageStatus], *, as_json: bool) -> None:
    """Print how far every stage is."""
    if as_json:
        print(json.dumps([dataclasses.asdict(s) for s in found], indent=2))  # noqa: T201 -- for programs
        return
    table = Table(box=None, pad_edge=False)
    for column in ("stage", "round", "done", "stale", "missing", "failed", ""):
        table.add_column(column, justify="left" if column in ("stage", "") else "right")
    for one in found:
        if not (one.units or one.waits or one.failures):  # nothing asks for it
            continue
        number = "" if one.round_number is None else str(one.round_number)
        cells = [str(one.units.get(k, "") or "") for k in ("done", "stale", "missing", "failed")]
        table.add_row(one.stage, number, *cells, _note_on(one))
    OUT.print(table)
    for one in found:
        _print_problems(one)
    for one in found:
        _print_figures(workspace, one)
    for round_number, decision in decisions(workspace):
        OUT.print(f"[bold]round {round_number}:[/] {escape(decision.reason)}")


def _note_on(of: StageStatus) -> str:
    """Return why a stage is stale or waits, for the last column."""
    notes = [f"[yellow]{escape('; '.join(of.stale))}[/]"] if of.stale else []
    notes += [f"[dim]waits: {escape(of.waits)}[/]"] if of.waits else []
    notes += [f"[dim]waits for {escape(of.rests_on)}[/]"] if of.rests_on else []
    return "; ".join(notes)


def _print_problems(of: StageStatus) -> None:
    """Print what failed in a stage, was read in part, or was altered."""
    for name, message in of.failures.items():
        OUT.print(f"[red]{of.stage}[/] {escape(f'{name}: {message}')}")
    for name, message in of.partial.items():
        OUT.print(f"[yellow]{of.stage}[/] {escape(f'{name}: read in part: {message}')}")
    for name, again in of.altered.items():
        OUT.print(f"[red]{of.stage}[/] {escape(f'{name}: not what was written: {again}')}")


def _print_figures(workspace: Workspace, of: StageStatus) -> None:
    """Print the pictures and the labels by rule of a round, with the stage that counted them."""
    number = of.round_number or 0
    if of.figures and of.stage == "split":
        _print_pictures(workspace, number)
    if of.figures and of.stage == "evaluate":
        print_rules(workspace, number)


def print_demo(done: Demo) -> None:
    """Print what the demo reached against its known truth, and where things lie."""
    print_scores(done.workspace)
    for number in done.workspace.rounds():
        scores = scores_of(done.workspace, number)
        if scores and scores.labels:
            p, r = scores.labels.precision, scores.labels.recall
            rates = f"precision {_figure(p, interval=False)}, recall {_figure(r, interval=False)}"
            OUT.print(f"Labels of round {number} against the truth: {rates}")
    print_ablation(done.ablation)
    OUT.print(f"[bold]Decision:[/] {done.run.reason}")
    for one in done.shown:
        OUT.print(f"[bold]Video:[/]  {one.movie}")
    OUT.print(f"[bold]Report:[/] {done.report}")
