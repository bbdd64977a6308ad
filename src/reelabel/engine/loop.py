"""The loop: all stages of a task, round after round until another one would not help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reelabel._version import __version__
from reelabel.config import Config
from reelabel.engine.pace import Pace, duration
from reelabel.engine.plan import bind
from reelabel.engine.project import task_of
from reelabel.engine.run import Options, Result, run_stage
from reelabel.engine.stage import AnyStage
from reelabel.engine.task import Task
from reelabel.errors import SOME_VIDEOS_FAILED, MediaError, UsageError, counted, nearest
from reelabel.sources.forgetting.removal import carry_out_order
from reelabel.tables import VIDEOS
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import decision_of
from reelabel.workspace.run_log import RunLog
from reelabel.workspace.snapshot import Snapshot

_WORTH_NAMING_S = 60.0


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
    on_result: Callable[[Result], None] | None = None,
) -> Run:
    """Bring a workspace up to date; a log of what was done is left in it.

    Args:
        workspace: the workspace.
        config: its settings.
        options: how work is done and shown.
        rounds: how many at most.
        until: the stage after which to stop.
        on_result: is called with the result of each stage when it is over.

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
    visits = _Visits(workspace, task, rounds, until)
    with workspace.locked(), visits.errors():
        carry_out_order(workspace)  # of `forget`, if it was interrupted
        for stage, number in _schedule(task, workspace, rounds):
            shown = replace(options, place=visits.pace.begin())
            result = run_one(workspace, config, shown, stage, number=number, snapshot=snapshot)
            visits.note(stage, number, result)
            if not result.is_empty:
                report.results.append(result)
            if on_result is not None:
                on_result(result)
            if VIDEOS in stage.writes:
                _check_footage(workspace)
                _check_resources(task, workspace, config, until)
            if stage.name == until:
                report.reason = f"stopped after {until}, as requested"
                return report
    last = report.results[-1].round_number
    decision = decision_of(workspace, last)
    if decision is not None:
        of_round = {stage.name for stage in task.each_round}
        worked = [r for r in report.results if r.round_number == last and r.stage in of_round]
        report.reason = decision.reason + _saved(worked, rounds - 1 - last)
    visits.ended(report.reason)
    return report


def _saved(results: list[Result], left: int) -> str:
    """Return in words what rounds that are not run would have taken: as long as the last one.

    Args:
        results: of the stages of the last round.
        left: how many rounds are not run.
    """
    seconds = left * sum(one.seconds for one in results if one.done)
    if seconds < _WORTH_NAMING_S:
        return ""
    rounds = "another round is" if left == 1 else f"{left} further rounds are"
    return f"; {rounds} not run, which saves about {duration(seconds)}"


class _Visits:
    """Notes what becomes of each stage of a run: its pace, and the log."""

    def __init__(self, workspace: Workspace, task: Task, rounds: int, until: str | None) -> None:
        each_round = [stage.name for stage in task.each_round]
        names = [*(stage.name for stage in task.once), *each_round * rounds]
        if until is not None:
            names = names[: names.index(until) + 1]
        self.pace = Pace(names)
        upto = f", until {until}" if until else ""
        self._log = RunLog(
            workspace.root, f"reelabel {__version__}: run, {counted(rounds, 'round')}{upto}"
        )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Write an error that ends the run into the log."""
        try:
            yield
        except BaseException as exc:
            self._log.write(f"{type(exc).__name__}: {exc}")
            raise

    def ended(self, reason: str) -> None:
        """Write the decision, if there was any work."""
        if self._log.begun:
            self._log.write(f"decision: {reason or 'none'}")

    def note(self, stage: AnyStage, number: int, result: Result) -> None:
        """Note what became of a stage, if there was anything to do."""
        if result.is_empty:
            self.pace.drop()
            return
        self.pace.end(worked=bool(result.done or result.failed))
        if not (result.done or result.failed or result.waiting):
            return
        self._log.write(f"{_title(stage, number)}: {result.line} in {result.seconds:.1f} s")
        for video, message in (result.failed | result.waiting).items():
            self._log.write(f"{_title(stage, number)}: {video}: {message}")


def _title(stage: AnyStage, number: int) -> str:
    return f"{stage.name} (round {number})" if stage.per_round else stage.name


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
        raise MediaError(f"none of {counted(len(footage), 'video')} can be used: {why}{more}")


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
