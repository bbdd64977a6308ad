"""status: what is done, stale or failed, and why."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reelabel.config import Config
from reelabel.engine.plan import bind, counts, plan
from reelabel.engine.stage import AnyStage
from reelabel.engine.stale import why_stale
from reelabel.engine.task import Task
from reelabel.errors import MissingInput, ReelabelError, ShardError, WorkspaceError
from reelabel.pipeline import task_of
from reelabel.tables import DOWNLOADS
from reelabel.workspace import Workspace
from reelabel.workspace.products import altered
from reelabel.workspace.results import Decision
from reelabel.workspace.rounds import current_rounds, decision_of
from reelabel.workspace.snapshot import Snapshot


@dataclass(frozen=True)
class StageStatus:
    """How far one stage is.

    Attributes:
        round_number: None for a stage that holds for all rounds.
        units: number of units by state: done, stale, missing, failed.
        failures: message by video.
        partial: videos that were worked on as far as they could be read, with the reason.
        altered: files that are not what was written, with the command that makes them again; only
            looked for where it is asked for.
        waits: why it cannot be planned yet, empty if it can.
        stale: why units are stale, each reason once: settings that changed, with both values,
            tables or stages that were made again, the program's version, a model.
        rests_on: the first stage before it that is to be done, such as ``train``, or ``train of
            round 0``: what is done here is only up to date until then. Empty if there is none.
        figures: what the round holds, for boxes: of `split` the pictures by kind and why some are
            left out, of `evaluate` the labels by rule and the background pictures on truth.
    """

    stage: str
    round_number: int | None
    units: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    partial: dict[str, str] = field(default_factory=dict)
    altered: dict[str, str] = field(default_factory=dict)
    waits: str = ""
    stale: tuple[str, ...] = ()
    rests_on: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def status(
    workspace: Workspace,
    config: Config,
    *,
    verify: bool = False,
    snapshot: Snapshot | None = None,
) -> list[StageStatus]:
    """Return the status of every stage of every round, without rounds left from before.

    Args:
        workspace: the workspace.
        config: its settings.
        verify: read every table and file, and compare it with what was written.
        snapshot: of the workspace, where one is there already.

    Raises:
        ShardError: if a table that others rest on is damaged; it is set aside, run again.
    """
    numbers, task = current_rounds(workspace) or [0], task_of(config)
    stages = [(stage, 0) for stage in task.once]
    stages += [(stage, number) for number in numbers for stage in task.each_round]
    snapshot = snapshot or Snapshot(workspace)
    found = [_status(snapshot, config, stage, number) for stage, number in stages]
    found = with_stages_below(task, stages, found)
    found = [replace(one, figures=_figures(workspace, task, one)) for one in found]
    if not verify:
        return found
    return [
        replace(one, altered=_altered(snapshot, stage, number))
        for one, (stage, number) in zip(found, stages, strict=True)
    ]


def _figures(workspace: Workspace, task: Task, of: StageStatus) -> dict[str, Any]:
    """Return the figures of a stage of a round; a damaged file has none, `verify` names it."""
    if of.round_number is None:
        return {}
    with contextlib.suppress(ShardError):
        return dict(task.part("figures")(workspace.round_dir(of.round_number), of.stage))
    return {}


def decisions(workspace: Workspace) -> Iterator[tuple[int, Decision]]:
    """Yield what each round decided."""
    for number in current_rounds(workspace):
        decision = decision_of(workspace, number)
        if decision:
            yield number, decision


def _status(snapshot: Snapshot, config: Config, stage: AnyStage, number: int) -> StageStatus:
    workspace, shown = snapshot.workspace, stage.number(number)
    videos = snapshot.videos()
    names = {video.video_id: video.name for video in videos}
    failures = {
        names.get(video, video): str(failure["error"])
        for video, failure in workspace.failures(stage.name, shown).items()
    }
    if stage.name == "register":
        failures |= {video.name: video.error for video in videos if not video.usable}
    if stage.name == "fetch":
        failures |= _not_fetched(workspace)
    try:
        settings = config.stages.get(stage.name) or stage.settings()
        bound = bind(
            stage, workspace, config.project, settings, round_number=number, stages=config.stages
        )
        planned = plan(bound, snapshot)
        reasons = why_stale(bound, planned)
    except (MissingInput, ReelabelError) as exc:
        return StageStatus(stage.name, shown, failures=failures, waits=str(exc))
    partial = _partial(snapshot, stage, number, names)
    return StageStatus(stage.name, shown, counts(planned), failures, partial, stale=reasons)


def with_stages_below(
    task: Task, stages: Sequence[tuple[AnyStage, int]], found: Sequence[StageStatus]
) -> list[StageStatus]:
    """Return the status of stages, each with the first one below it that is to be done.

    Args:
        task: whose stages they are.
        stages: each with its round, in the order of the work.
        found: the status of each.
    """
    to_do: dict[tuple[str, int | None], str] = {}
    result = []
    for (stage, number), one in zip(stages, found, strict=True):
        below = (to_do[place] for place in _below(task, stage, number) if place in to_do)
        first = next(below, "")
        shown = stage.number(number)
        own = f"{stage.name}{'' if shown is None else f' of round {shown}'}"
        if first or one.waits or one.units.keys() & {"stale", "missing"}:
            to_do[stage.name, shown] = first or own
        rests_on = first.removesuffix(f" of round {shown}")
        # What the run itself makes anew, such as a student of other classes, is not waited for.
        if one.waits and first and (stage.made_by_run or number):
            result.append(replace(one, rests_on=rests_on, waits=""))
        else:
            result.append(replace(one, rests_on=rests_on if "done" in one.units else ""))
    return result


def _below(task: Task, stage: AnyStage, number: int) -> Iterator[tuple[str, int | None]]:
    """Yield name and round of the stages that one rests on."""
    flow = task.flow
    writer = {table.name: each for each in flow.values() for table in each.writes}
    now = [writer[t.name] for t in (*stage.reads, *stage.optional) if t.name in writer]
    now += [flow[name] for name in stage.after if name in flow]
    yield from ((each.name, each.number(number)) for each in now if each is not stage)
    if number and stage.per_round:
        before = [writer[t.name] for t in stage.reads_previous if t.name in writer]
        before += task.each_round[-1:]  # it decides which model labels
        yield from ((each.name, each.number(number - 1)) for each in before)


def _not_fetched(workspace: Workspace) -> dict[str, str]:
    """Return the wanted files that did not come, with what became of them."""
    columns = ["source", "want_id", "state", "outcome", "message"]
    tables = (workspace.read(DOWNLOADS, name) for name in workspace.shards(DOWNLOADS))
    rows = (row for table in tables for row in table.select(columns).to_pylist())
    return {
        f"{row['source']}/{row['want_id']}": f"{row['outcome']}: {row['message']}".strip(": ")
        for row in rows
        if row["state"] in {"gone", "refused", "failed"}
    }


def _altered(snapshot: Snapshot, stage: AnyStage, number: int) -> dict[str, str]:
    """Return the files of a stage that are not what it wrote, with the remedy."""
    workspace, shown = snapshot.workspace, stage.number(number)
    of_round = "" if shown is None else f" --round {shown}"
    again = f"reelabel {stage.name} {workspace.root}{of_round} --force"
    whole = workspace.read_receipt(stage.name, shown) if stage.scope == "all" else None
    files, damaged = dict(whole.files) if whole else {}, []
    for table in stage.writes:
        for key, receipt in snapshot.receipts(table, number).items():
            files |= receipt.files
            try:
                workspace.read(table, key, number)
            except WorkspaceError:
                damaged.append(workspace.shard_path(table, key, number))
    names = [str(path.relative_to(workspace.root)) for path in damaged]
    return dict.fromkeys([*names, *altered(workspace.root, files)], again)


def _partial(
    snapshot: Snapshot, stage: AnyStage, number: int, names: dict[str, str]
) -> dict[str, str]:
    """Return the videos of which only a part could be read."""
    if stage.name not in {"sample", "window"}:
        return {}
    notes = {v: r.notes for v, r in snapshot.receipts(stage.writes[-1], number).items()}
    return {
        names.get(video, video): f"{n['damaged_places']} damaged places, first: {n['first']}"
        for video, n in notes.items()
        if n.get("state") == "partial"
    }
