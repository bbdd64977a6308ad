"""What commands print on the terminal."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from reelabel.cli.box_printing import print_ablation, print_scores
from reelabel.cli.cells import figure_cell, figure_table, gain_cell
from reelabel.cli.console import OUT
from reelabel.config import Config
from reelabel.engine.project import read_config, task_of
from reelabel.engine.run import Result
from reelabel.errors import counted, few
from reelabel.evaluation.figures import Figure
from reelabel.pipeline import Run
from reelabel.short_names import NO_DETECTOR
from reelabel.sources.footage import left_out_sentences
from reelabel.verbs.status import StageStatus, decisions
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import decision_of, left_rounds, scores_of, truth_notes

if TYPE_CHECKING:
    from reelabel.engine.task import Task
    from reelabel.verbs.demo import Demo


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
        for sentence in _left_out(result):
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


def _left_out(result: Result) -> list[str]:
    """Return the sentences on what was left out; several units may have the same."""
    noted = (notes.get("left_out", {}) for notes in result.notes.values())
    lists = (left_out_sentences(each) if isinstance(each, dict) else each for each in noted)
    return list(dict.fromkeys(chain.from_iterable(lists)))


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
    task = task_of(config)
    if not (result.done or alone):
        return
    for sentence in filter(None, (rejected_sentence(result), short_sentence(result))):
        OUT.print(f"[dim]{escape(sentence)}[/]")
    task.part("print_stage")(workspace, config, result)
    if alone and result.stage == "evaluate":
        print_all_scores(workspace, task, result.round_number)


def rejected_sentence(result: Result) -> str:
    """Return how many frames the limits of their quality left out, empty if none."""
    rules = sum((Counter(n.get("rejected", {})) for n in result.notes.values()), Counter[str]())
    if not rules:
        return ""
    taken = sum(notes.get("taken", 0) for notes in result.notes.values())
    named = ", ".join(f"{rule} ({count})" for rule, count in rules.most_common())
    return f"{rules.total()} of {counted(taken, 'frame')} left out by sample.quality: {named}"


def short_sentence(result: Result) -> str:
    """Return how many windows hold a repeated picture, or videos none; empty if there are none."""
    made = [notes for notes in result.notes.values() if "padded" in notes]
    padded = sum(notes["padded"] for notes in made)
    without = sum(not notes["moments"] for notes in made)
    parts = []
    if padded:
        whole = sum(notes["moments"] for notes in made)
        parts.append(
            f"{padded} of {counted(whole, 'window')} in shots that are too short for one: the last "
            "picture is repeated"
        )
    if without:
        parts.append(f"{counted(without, 'video')} without a window, as all shots are too short")
    return "; ".join([*parts, "window.short decides"]) if parts else ""


def print_all_scores(workspace: Workspace, task: Task, number: int) -> None:
    """Print the scores of all models up to a round, and what a reader should know of them."""
    task.part("print_scores")(workspace, task, number)
    for note in truth_notes(workspace):
        OUT.print(f"[dim]{escape(note)}[/]")


def print_plain_scores(workspace: Workspace, task: Task, number: int) -> None:
    """Print the numbers and texts among the scores of the rounds up to one, a line for each round.

    For tasks that have no tables of their own.
    """
    for each in workspace.rounds():
        scores = task.scores.load(workspace.round_dir(each)) if task.scores else None
        if scores is not None and each <= number:
            values = vars(scores).items()
            plain = [f"{k} {v}" for k, v in values if isinstance(v, int | float | str)]
            OUT.print(f"Round {each}: {escape(', '.join(plain))}")


def print_outcome(workspace: Workspace, task: Task, run: Run, report: Path | None) -> None:
    """Print how the rounds compare, the decision, and where the report is, if the task has one."""
    last = run.results[-1].round_number
    print_all_scores(workspace, task, last)
    if run.reason:
        print_findings(workspace, last)
        OUT.print(f"[bold]Decision:[/] {escape(run.reason)}")
    if report is not None:
        OUT.print(f"[bold]Report:[/] {escape(str(report))}")


def print_findings(workspace: Workspace, number: int) -> None:
    """Print the comparisons that a round's decision rests on, with their samples."""
    decision = decision_of(workspace, number)
    if decision is None or not decision.findings:
        return
    table = figure_table(["compared", "student", "other", "difference", "sample"])
    table.columns[-1].no_wrap = False  # words
    for one in decision.findings:
        values = (figure_cell(Figure(value), interval=False) for value in (one.student, one.other))
        table.add_row(one.title, *values, gain_cell(one.gain), one.sample)
    OUT.print(f"[italic]Decision of round {number}: the student against other models[/]")
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
    show_figures = task_of(read_config(workspace)).part("print_figures")
    for one in found:
        if one.figures:
            show_figures(workspace, one.stage, one.round_number)
    for round_number, decision in decisions(workspace):
        OUT.print(f"[bold]round {round_number}:[/] {escape(decision.reason)}")
    for round_number in left_rounds(workspace):
        OUT.print(f"[dim]round {round_number} is left from before: nothing of it is used now[/]")


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


def print_demo(done: Demo) -> None:
    """Print what the demo reached against its known truth, and where things lie."""
    print_scores(done.workspace)
    for number in done.workspace.rounds():
        scores = scores_of(done.workspace, number)
        if scores and scores.labels:
            rates = (scores.labels.precision, scores.labels.recall)
            p, r = (figure_cell(rate, interval=False) for rate in rates)
            OUT.print(f"Labels of round {number} against the truth: precision {p}, recall {r}")
    print_ablation(done.ablation)
    OUT.print(f"[bold]Decision:[/] {done.run.reason}")
    for one in done.shown:
        OUT.print(f"[bold]Video:[/]  {one.movie}")
    OUT.print(f"[bold]Report:[/] {done.report}")
