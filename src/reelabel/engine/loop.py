"""The loop: all stages of a task, round after round until another one would not help."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reelabel.config import Config
from reelabel.engine.plan import bind
from reelabel.engine.project import task_of
from reelabel.engine.run import Options, Result, run_stage
from reelabel.engine.stage import AnyStage
from reelabel.engine.task import Task
from reelabel.errors import SOME_VIDEOS_FAILED, MediaError, UsageError, nearest
from reelabel.sources.forgetting.removal import carry_out_order
from reelabel.tables import VIDEOS
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import decision_of
from reelabel.workspace.snapshot import Snapshot


@dataclass
class Run:
    """What became of a run: one result per stage that was visited, and how it ended."""

    results: list[Result] = field(default_factory=list)
    reason: str = ""

    @property
    def exit_code(self) -> int:
        """Return 0, or 1 if some videos failed."""
        bad = any(
            r.failed or r.waiting or r.notes.get("all", {}).get("failed") for r in self.results
        )
        return SOME_VIDEOS_FAILED if bad else 0


def run(
    workspace: Workspace,
    config: Config,
    options: Options,
    *,
    rounds: int = 2,
    until: str | None = None,
) -> Run:
    """Bring a workspace up to date.

    Raises:
        UsageError: if `until` names no stage, or the settings no footage.
        MediaError: if none of the footage can be used.
        ReelabelError: what a stage raises; everything done before stays done.
    """
    task = task_of(config)
    if until is not None and until not in task.flow:
        stages = ", ".join(task.flow)
        raise UsageError(f"no stage '{until}'{nearest(until, task.flow)}; stages: {stages}")
    report, snapshot = Run(), Snapshot(workspace)
    with workspace.locked():
        carry_out_order(workspace)  # of `forget`, if it was interrupted
        for stage, number in _schedule(task, workspace, rounds):
            result = run_one(workspace, config, options, stage, number=number, snapshot=snapshot)
            if not result.is_empty:
                report.results.append(result)
            if VIDEOS in stage.writes:
                _check_footage(workspace)
                _check_resources(task, workspace, config, until)
            if stage.name == until:
                report.reason = f"stopped after {until}, as requested"
                return report
    decision = decision_of(workspace, report.results[-1].round_number)
    report.reason = decision.reason if decision else ""
    return report


def run_one(
    workspace: Workspace,
    config: Config,
    options: Options,
    stage: AnyStage,
    *,
    number: int,
    snapshot: Snapshot | None = None,
) -> Result:
    """Bring one stage up to date; see `run_stage`."""
    settings = config.stages.get(stage.name) or stage.settings()
    bound = bind(
        stage, workspace, config.project, settings, round_number=number, stages=config.stages
    )
    return run_stage(bound, options, snapshot)


def _schedule(task: Task, workspace: Workspace, rounds: int) -> Iterator[tuple[AnyStage, int]]:
    """Yield the stages in their order; a round follows only if the one before advances."""
    yield from ((stage, 0) for stage in task.once)
    for number in range(rounds):
        yield from ((stage, number) for stage in task.each_round)
        decision = decision_of(workspace, number)
        if decision is None or decision.action != "advance":
            return


def _check_footage(workspace: Workspace) -> None:
    """Fail at once where there is nothing to work on, instead of finding no labels later.

    Raises:
        UsageError: if no footage is named.
        MediaError: if none of it can be used.
    """
    footage = [video for video in workspace.videos() if not video.is_test]
    if not footage:
        raise UsageError(
            f"no footage is named: list videos or folders under 'videos' in {workspace.config_path}"
        )
    if not any(video.usable for video in footage):
        why = "; ".join(f"{video.name}: {video.error}" for video in footage[:3])
        more = " ..." if len(footage) > 3 else ""  # noqa: PLR2004 -- a few
        raise MediaError(f"none of the {len(footage)} videos can be used: {why}{more}")


def _check_resources(task: Task, workspace: Workspace, config: Config, until: str | None) -> None:
    """Ask the first round's stages for what they need: hours of work may lie before the last one.

    Raises:
        ReelabelError: what is missing, such as a file or an extra.
    """
    for stage in task.flow.values():
        if not stage.made_by_run:
            settings = config.stages.get(stage.name) or stage.settings()
            stages = config.stages
            bind(stage, workspace, config.project, settings, round_number=0, stages=stages)
        if stage.name == until:
            return
