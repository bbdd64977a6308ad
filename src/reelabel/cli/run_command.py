"""The command ``run``: what it does is printed as results, at once where something is amiss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reelabel.cli.completion import completes, stages
from reelabel.cli.echo import print_json
from reelabel.cli.stage_commands import (
    config_with,
    json_flag,
    options_of,
    run_flags,
    set_flag,
    workspace_argument,
)

if TYPE_CHECKING:
    from reelabel.engine.task import Task
    from reelabel.workspace import Workspace


@click.command(short_help="Bring all up to date, round after round while it helps.")
@workspace_argument
@click.option("--rounds", type=click.IntRange(1), default=2, show_default=True, help="At most.")
@click.option("--until", help="Stop after this stage.", shell_complete=completes(stages))
@set_flag("A setting of this run: --set clean.score=0.4")
@json_flag
@run_flags
def run(workspace: Path, rounds: int, *, pairs: tuple[str, ...], as_json: bool, **how: Any) -> int:
    """Bring everything up to date, round after round until it no longer helps."""
    from reelabel.cli.printing import print_outcome, print_run, print_stage
    from reelabel.engine.loop import run as call
    from reelabel.engine.project import task_of
    from reelabel.verbs.first_teacher import check_student
    from reelabel.verbs.run import result_of
    from reelabel.workspace import Workspace

    ws, until = Workspace.open(workspace), how.pop("until")
    config = config_with(ws, pairs)
    check_student(config)
    task, options = task_of(config), options_of(config, how)
    tell = None if as_json else (lambda result: print_stage(ws, config, result))
    done = call(ws, config, options, rounds=rounds, until=until, on_result=tell)
    report = None if until else _report(ws, task, again=any(r.done for r in done.results))
    if as_json:
        path = str(report) if report else None
        print_json(result_of(ws, config, done).to_json() | {"report": path})
        return done.exit_code
    for result in (one for one in done.results if one.stage == "merge" and not one.done):
        print_stage(ws, config, result, alone=True)
    print_run(ws, done)
    if not until:
        print_outcome(ws, task, done, report)
    return done.exit_code


def _report(workspace: Workspace, task: Task, *, again: bool) -> Path | None:
    """Return the report, if the task has one; what draws it is loaded only to write it."""
    from reelabel.workspace.rounds import report_path

    there = report_path(workspace, task.labels)
    if not task.report or (there is not None and there.is_file() and not again):
        return there if task.report else None
    from reelabel.verbs.report import report

    return report(workspace)
