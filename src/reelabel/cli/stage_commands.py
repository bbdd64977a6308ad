"""What commands share, and the commands of the stages, whose flags are made from their settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reelabel.cli.completion import completes, settings
from reelabel.cli.echo import echo, print_json
from reelabel.short_names import DEFAULT_TASK

if TYPE_CHECKING:
    from reelabel.engine.stage import AnyStage

Function = Callable[..., Any]
COUNT = click.IntRange(0)
"""Rounds and workers are counted from 0 on."""
SEED = click.IntRange(0, 2**31 - 1)
"""What all random generators in use accept."""


def workspace_argument(command: Function) -> Function:
    """Add the workspace that a command works on."""
    return click.argument("workspace", type=click.Path(path_type=Path))(command)


def work_flags(of: str) -> Callable[[Function], Function]:
    """Return a decorator that adds flags for how many of something are worked on at once."""
    return _flags(
        click.option("--workers", type=COUNT, help=f"{of} worked on at once; 0 is one per core."),
        click.option("--force", is_flag=True, help="Do it again even if it is up to date."),
        click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
    )


def set_flag(about: str) -> Callable[[Function], Function]:
    """Return what adds the flag ``--set``, which may be given several times, as `pairs`."""
    complete = completes(settings)
    return click.option("--set", "pairs", multiple=True, help=about, shell_complete=complete)


def number_flag(*names: str, default: float, about: str) -> Callable[[Function], Function]:
    """Return what adds a flag for a number, which is whole if its default is."""
    return click.option(*names, type=type(default), default=default, show_default=True, help=about)


def json_flag(command: Function) -> Function:
    """Add the flag that prints one JSON value instead of text."""
    return click.option("--json", "as_json", is_flag=True, help="For programs.")(command)


def run_flags(command: Function) -> Function:
    """Add the flags for how videos are worked on."""
    own = _flags(
        click.option("--processes", is_flag=True, default=None, help="Processes, not threads."),
        click.option("--fail-fast", is_flag=True, help="Stop at the first video that fails."),
    )
    return own(work_flags("Videos")(command))


def _flags(*flags: Callable[[Function], Function]) -> Callable[[Function], Function]:
    def decorate(command: Function) -> Function:
        for flag in reversed(flags):
            command = flag(command)
        return command

    return decorate


def stage_command(name: str, about: str, workspace: Path | None) -> click.Command:
    """Return the command of one stage, with a flag for each of its settings.

    Args:
        name: of the stage.
        about: what it does.
        workspace: the workspace that it is called with, whose task decides which stage it is; None
            if there is none yet, as for help.
    """
    from reelabel.cli.flags import settings_flags

    stage = _stage(name, workspace)
    callback = settings_flags(stage.settings)(_stage_callback(name))
    command = click.command(
        name, help=f"{about}\n\n\b\n{stage.arrow}", epilog=_others(name, workspace)
    )
    if name == "train":
        callback = _ablate_flags(callback)
    if name == "evaluate":
        callback = json_flag(callback)
    if stage.per_round:
        flag = click.option("--round", "round_number", type=COUNT, help="Default: the last.")
        callback = flag(callback)
    callback = set_flag("Any setting, for this command: --set seed=3")(callback)
    return command(workspace_argument(run_flags(callback)))


def _stage(name: str, workspace: Path | None) -> AnyStage:
    """Return the stage of the workspace's task, or the first task's that has one of that name."""
    task = _task_named_in(workspace)
    if task is None and _has_stage("", name):
        # Not the whole flow: its help is to answer soon.
        found: AnyStage = import_module(f"reelabel.stages.{name}").STAGE
        return found
    from reelabel.engine.task import task_named
    from reelabel.errors import UsageError, nearest

    flow = task_named(task or "classify-clips").flow
    if name not in flow:
        raise UsageError(f"the task {task} has no stage '{name}'{nearest(name, flow)}")
    return flow[name]


def _has_stage(folder: str, name: str) -> bool:
    """Return whether a folder below `stages` has a stage of that name; nothing is imported."""
    return Path(import_module("reelabel.stages").__path__[0], folder, f"{name}.py").is_file()


def _task_named_in(workspace: Path | None) -> str | None:
    """Return the task that a workspace's settings name; None for the one that is usual."""
    from reelabel.workspace.workspace import CONFIG_NAME
    from reelabel.yaml_text import read_yaml

    if workspace is None:
        return None
    task = read_yaml(workspace / CONFIG_NAME).get("task", DEFAULT_TASK)
    return None if task == DEFAULT_TASK else str(task)


def _others(name: str, workspace: Path | None) -> str | None:
    """Return a sentence on the tasks that have a stage of their own under this name."""
    if workspace is not None or not (_has_stage("", name) and _has_stage("classes", name)):
        return None
    return (
        "These are the settings for boxes. Those of a classifier are shown by  "
        f"reelabel {name} WORKSPACE --help"
    )


def _ablate_flags(command: Function) -> Function:
    seeds = click.option("--seeds", type=click.IntRange(1), help="Of --ablate; default 3.")
    ablate = click.option("--ablate", is_flag=True, help="As  reelabel ablate, with these flags.")
    return ablate(seeds(command))


def _stage_callback(name: str) -> Function:
    def call(
        workspace: Path,
        round_number: int | None = None,
        *,
        pairs: tuple[str, ...],
        **given: Any,
    ) -> int:
        from reelabel.cli.flags import overridden
        from reelabel.cli.printing import print_run, print_stage
        from reelabel.engine.loop import Run
        from reelabel.errors import UsageError
        from reelabel.verbs.stages import run_alone, stage_of
        from reelabel.workspace import Workspace

        ws = Workspace.open(workspace)
        config = config_with(ws, pairs)
        settings = overridden(config.stages.get(name) or stage_of(config, name).settings(), given)
        if given.get("seeds") and not given.get("ablate"):
            raise UsageError("--seeds is for --ablate: give both, or --seed for one training")
        if given.get("ablate"):
            return ablated(workspace, round_number, given, pairs=pairs, train=settings)
        config = replace(config, stages={**config.stages, name: settings})
        options = options_of(config, given)
        result = run_alone(ws, config, options, name, round_number=round_number)
        if given.get("as_json"):
            print_json(_scores_of(ws, config, result.round_number))
            return Run([result]).exit_code
        print_stage(ws, config, result, alone=True)
        print_run(ws, Run([result]))
        return Run([result]).exit_code

    return call


def _scores_of(workspace: Any, config: Any, number: int) -> Any:
    """Return the scores of a round as JSON values, None if there are none."""
    from reelabel.engine.project import task_of

    kind = task_of(config).scores
    found = kind.load(workspace.round_dir(number)) if kind else None
    return found.to_json() if found else None


def ablated(
    workspace: Path,
    round_number: int | None,
    given: dict[str, Any],
    *,
    pairs: tuple[str, ...],
    train: Any = None,
) -> int:
    """Compare the kinds of evidence, or the rules of doubt, and print the table.

    Args:
        workspace: the workspace's folder.
        round_number: the round; None is the first.
        given: the flags, `seeds` and how work is done.
        pairs: settings in place of the workspace's; see `config_with`.
        train: settings of `train` to use in place of the workspace's.
    """
    from reelabel.engine.project import task_of
    from reelabel.verbs.ablate import run_ablation
    from reelabel.workspace import Workspace

    ws = Workspace.open(workspace)
    config = config_with(ws, pairs)
    options = options_of(config, given)
    seeds = {"seeds": given["seeds"]} if given["seeds"] else {}
    changes = train.model_dump(exclude_unset=True) if train is not None else None
    found = run_ablation(ws, config, options, round_number=round_number, train=changes, **seeds)
    task_of(config).part("print_ablation")(found)
    path = ws.round_dir(found.round) / found.FILE
    echo(f"written to {path}; the next  reelabel report  shows it")
    return 0


def config_with(workspace: Any, pairs: tuple[str, ...]) -> Any:
    """Return the settings of a workspace with some in place of what its file holds.

    Args:
        workspace: the workspace.
        pairs: such as ``clean.score=0.4``; they hold for one command and are not written down.
    """
    from reelabel.cli.flags import nested
    from reelabel.config import Config, merged, with_sections
    from reelabel.engine.project import parse_config, read_config, sections_of
    from reelabel.yaml_text import read_yaml

    if not pairs:
        return read_config(workspace)
    path = workspace.config_path
    raw = with_sections(read_yaml(path), str(path))
    changes = nested(pairs, {**sections_of(raw), **Config.own_sections})
    return parse_config(merged(raw, changes), f"{path} with --set")


def options_of(config: Any, given: dict[str, Any]) -> Any:
    """Return how work is done: as in the settings, unless flags replace them."""
    from reelabel.engine.run import Options

    names = ("workers", "processes", "fail_fast", "force", "quiet")
    return Options.given(config.engine, **{name: given[name] for name in names if name in given})
