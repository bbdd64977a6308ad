"""Brings a stage up to date: does its jobs, and collects what fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reelabel.config import Engine, checked
from reelabel.engine.executors import Executor, Finished, InTurn, WorkerDied, executor_for
from reelabel.engine.plan import Bound, Job, Planned, plan
from reelabel.engine.progress import Display, is_quiet
from reelabel.engine.stage import Cancelled, label_of
from reelabel.engine.stale import note_basis
from reelabel.engine.work import clean_up, do
from reelabel.errors import (
    MediaError,
    MissingInput,
    ReelabelError,
    ShardError,
    WorkspaceError,
)
from reelabel.workspace.snapshot import Snapshot


@dataclass(frozen=True)
class Result:
    """What became of a stage.

    Attributes:
        done: units that were worked on.
        kept: units that were up to date already.
        failed: message by video.
        waiting: message by video, for those that failed in an earlier stage already.
        notes: what the units noted, by video (``all`` for a stage of scope ``all``).
    """

    stage: str
    round_number: int
    done: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing that the stage could be about."""
        return not (self.done or self.kept or self.failed or self.waiting)

    @property
    def line(self) -> str:
        """How many units were done, up to date and failed."""
        return _line(self)

    def __repr__(self) -> str:
        return f"Result({self.stage}: {self.line})"


@dataclass(frozen=True)
class Options:
    """How a run behaves: how work is spread, what a failure does, what is shown.

    Attributes:
        place: of the stage in a whole run, for the display.
    """

    engine: Engine = field(default_factory=Engine)
    fail_fast: bool = False
    force: bool = False
    quiet: bool = False
    place: str = ""

    @classmethod
    def given(
        cls,
        engine: Engine,
        *,
        workers: int | None = None,
        processes: bool | None = None,
        fail_fast: bool = False,
        force: bool = False,
        quiet: bool | None = None,
    ) -> Options:
        """Return how work is done by a workspace's settings, with what was given in place.

        Args:
            engine: the workspace's settings.
            workers: videos worked on at once; 0 is one per core.
            processes: use processes, not threads.
            fail_fast: stop at the first video that fails.
            force: do it again even if it is up to date.
            quiet: show no progress; None shows it on terminals and in notebooks only.
        """
        changes = {"workers": workers, "processes": processes}
        known = {name: value for name, value in changes.items() if value is not None}
        chosen = checked(Engine, engine.model_dump() | known, "engine")
        return cls(chosen, fail_fast, force, is_quiet(quiet))


def run_stage(bound: Bound, options: Options, snapshot: Snapshot | None = None) -> Result:
    """Bring one stage up to date.

    Args:
        bound: the stage.
        options: how its work is done.
        snapshot: of the stage's workspace, shared with the stages before; cleared when something
            was done.

    Raises:
        WorkspaceError: if results cannot be written; all that was written before stays.
        ReelabelError: what a stage of scope ``all`` raises; the first failure of any video
            if `options.fail_fast` is set.
    """
    began = time.monotonic()
    snapshot = snapshot or Snapshot(bound.workspace)
    units = plan(bound, snapshot)
    todo = [unit for unit in units if options.force or unit.state != "done"]
    title = bound.stage.name + (f" (round {bound.round_number})" if bound.stage.per_round else "")
    title = f"[{options.place}] {title}" if options.place else title
    result = Result(bound.stage.name, bound.round_number, kept=len(units) - len(todo))
    if bound.stage.scope != "all" and not bound.stage.keeps_gone:
        _remove_gone(bound, {unit.job.key for unit in units}, snapshot)
    if not todo:
        return replace(result, notes=_notes(bound))
    snapshot.clear()
    clean_up(bound)
    note_basis(bound, units)
    with Display(title, len(todo), quiet=options.quiet) as display:
        outcomes = list(_work(bound, todo, options, display))
        result = _tally(result, outcomes, time.monotonic() - began)
        display.summary(_line(result), bad=bool(result.failed))
    return result


def _notes(bound: Bound) -> dict[str, dict[str, Any]]:
    """Return what a stage of scope ``all`` noted when it was done."""
    whole = bound.stage.scope == "all"
    receipt = bound.workspace.read_receipt(bound.stage.name, bound.number) if whole else None
    return {"all": receipt.notes} if receipt else {}


def _line(result: Result) -> str:
    parts = [f"{result.done} done"]
    parts += [f"{result.kept} up to date"] if result.kept else []
    parts += [f"{len(result.failed)} failed"] if result.failed else []
    parts += [f"{len(result.waiting)} failed before"] if result.waiting else []
    return ", ".join(parts)


def _tally(result: Result, outcomes: list[Outcome], seconds: float) -> Result:
    good = [o for o in outcomes if not o.error and not o.waits]
    return Result(
        result.stage,
        result.round_number,
        done=len(good),
        kept=result.kept,
        failed={o.name: o.error for o in outcomes if o.error},
        waiting={o.name: o.waits for o in outcomes if o.waits},
        notes={o.name: o.notes for o in good},
        seconds=seconds,
    )


def _remove_gone(bound: Bound, planned: set[str], snapshot: Snapshot) -> None:
    """Remove the shards of units that are no longer part of the workspace."""
    ws, stage, number = bound.workspace, bound.stage, bound.round_number
    kept = planned
    if stage.scope == "video":  # also of videos that cannot be read just now
        videos = snapshot.videos()
        kept = {v.video_id for v in videos if stage.tests_too or not v.is_test}
    for table in stage.writes:
        if ws.keep_only(table, kept, number):
            snapshot.clear()
    for key in set(ws.failed(stage.name, bound.number)) - kept:
        ws.forget_failure(stage.name, bound.number, key)


@dataclass(frozen=True)
class Outcome:
    """What became of one unit."""

    name: str
    error: str = ""
    waits: str = ""
    notes: dict[str, Any] = field(default_factory=dict)


def _work(
    bound: Bound, todo: list[Planned], options: Options, display: Display
) -> Iterator[Outcome]:
    """Do every job, in this thread or in several workers."""
    jobs = (replace(unit.job, afresh=options.force) for unit in todo)

    def tick(job: Job, share: float, words: str) -> None:
        display.tick(job.key, share, words)

    executor = _executor(bound, options, len(todo))
    with closing(executor.run(partial(do, bound), jobs, tick)) as ended:
        for finished in ended:
            yield _settle(bound, finished, options, display)


def _executor(bound: Bound, options: Options, jobs: int) -> Executor:
    """Return what does the jobs of a stage; one of scope ``all`` runs in this thread."""
    if bound.stage.scope == "all":
        return InTurn()
    cores = options.engine.workers or os.cpu_count() or 1
    return executor_for(options.engine, 1 if bound.resource.in_turn else min(cores, jobs))


def _settle(
    bound: Bound, finished: Finished[Job, dict[str, Any]], options: Options, display: Display
) -> Outcome:
    """Return what became of a job; write down why it failed.

    Raises:
        ReelabelError: if the run cannot go on, or is not to go on, after this failure.
    """
    job, error = finished.job, finished.error
    label = label_of(job.target, bound.stage.name)
    if error is None:
        display.finished(job.key, label)
        return Outcome(job.key, notes=finished.value or {})
    if isinstance(error, WorkerDied):
        error = MediaError(f"{label}: the process that worked on it died twice ({error})")
    if job.target is None or options.fail_fast or _ends_all(error):
        raise error
    _drop_stale(bound, job)
    if isinstance(error, MissingInput) and (waits := _waits(bound, job)):
        display.finished(job.key, label)
        return Outcome(job.key, waits=waits)
    message = _remember_failure(bound, job, error, finished.trace)
    display.finished(job.key, label, message)
    return Outcome(job.key, message)


def _ends_all(error: Exception) -> bool:
    """Return whether an error is about the workspace as a whole, such as a full disk."""
    hopeless = isinstance(error, Cancelled | WorkspaceError)
    return hopeless and not isinstance(error, ShardError | MissingInput)


def _drop_stale(bound: Bound, job: Job) -> None:
    """Remove the earlier outputs of a unit that now fails: nothing may build on them."""
    for table in bound.stage.writes:
        bound.workspace.remove(table, job.key, bound.round_number)


def _waits(bound: Bound, job: Job) -> str:
    """Return which earlier stage failed on a unit whose input is missing; reported once, there."""
    bound.workspace.forget_failure(bound.stage.name, bound.number, job.key)
    before = bound.workspace.failure_of(job.key, bound.round_number)
    return f"waits, as {before[0]} failed: {before[1]}" if before else ""


def _remember_failure(bound: Bound, job: Job, error: Exception, trace: tuple[str, ...]) -> str:
    """Write a failure down beside the work, with its trace if it is not one of our errors."""
    foreseen = isinstance(error, ReelabelError)
    message = str(error) if foreseen else f"unexpected {type(error).__name__}: {error}"
    label = label_of(job.target, bound.stage.name)
    failure = {"video": label, "error": message, "trace": [] if foreseen else list(trace)}
    bound.workspace.write_failure(bound.stage.name, bound.number, job.key, failure)
    return message
