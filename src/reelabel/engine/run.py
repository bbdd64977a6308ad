"""Does the work of a stage on this machine, and collects what fails."""

from __future__ import annotations

import concurrent.futures
import os
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reelabel.config import Engine, checked
from reelabel.engine.executors import worker_pool
from reelabel.engine.plan import Bound, Job, Planned, key_of, plan
from reelabel.engine.progress import Display, is_interactive
from reelabel.engine.stage import Cancelled, Stop
from reelabel.engine.work import do, forget_failure
from reelabel.errors import (
    MediaError,
    MissingInput,
    ReelabelError,
    ShardError,
    WorkspaceError,
)
from reelabel.files import write_json

Future = concurrent.futures.Future[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """What became of a stage.

    Attributes:
        done: units that were worked on.
        kept: units that were up to date already.
        failed: message by video.
        waiting: message by video, for those that failed in an earlier stage already.
        notes: what the units noted, by video (``all`` for a stage that sees all videos).
    """

    stage: str
    round_number: int
    done: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def __repr__(self) -> str:
        return f"Result({self.stage}: {_line(self)})"


@dataclass(frozen=True)
class Options:
    """How a run behaves: how work is spread, what a failure does, what is shown."""

    engine: Engine = field(default_factory=Engine)
    fail_fast: bool = False
    force: bool = False
    quiet: bool = False

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
        """Return how a workspace's settings say that work is done, with what was given in place.

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
        return cls(chosen, fail_fast, force, not is_interactive() if quiet is None else quiet)


def run_stage(bound: Bound, options: Options) -> Result:
    """Bring one stage up to date.

    Raises:
        WorkspaceError: if results cannot be written; all that was written before stays.
        ReelabelError: what a stage that sees all videos raises; the first failure of any video
            if `options.fail_fast` says so.
    """
    began = time.monotonic()
    units = plan(bound)
    todo = [unit for unit in units if options.force or unit.state != "done"]
    title = bound.stage.name + (f" (round {bound.round_number})" if bound.stage.per_round else "")
    result = Result(bound.stage.name, bound.round_number, kept=len(units) - len(todo))
    if bound.stage.scope != "all":
        _forget_gone(bound, {key_of(unit.job.target) for unit in units})
    if not todo:
        return replace(result, notes=_notes(bound))
    with Display(title, len(todo), quiet=options.quiet) as display:
        outcomes = list(_work(bound, todo, options, display))
        result = _tally(result, outcomes, time.monotonic() - began)
        display.summary(_line(result), bad=bool(result.failed))
    return result


def _notes(bound: Bound) -> dict[str, dict[str, Any]]:
    """Return what a stage that sees all videos noted when it was done."""
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


def _forget_gone(bound: Bound, planned: set[str]) -> None:
    """Remove the shards of units that are no longer part of the workspace."""
    ws, stage, number = bound.workspace, bound.stage, bound.round_number
    known = planned
    if stage.scope == "video":  # also of videos that cannot be read just now
        videos = ws.videos()
        known = {v.video_id for v in videos if stage.tests_too or not v.is_test}
    for table in stage.writes:
        ws.keep_only(table, known, number)
    for key in set(ws.failures(stage.name, bound.number)) - known:
        ws.failure_path(stage.name, bound.number, key).unlink(missing_ok=True)


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
    jobs = [replace(unit.job, afresh=options.force) for unit in todo]
    workers = min(options.engine.workers or os.cpu_count() or 1, len(jobs))
    stop = Stop()
    calls: Iterator[tuple[Job, Callable[[], dict[str, Any]]]]
    if bound.resource.in_turn or bound.stage.scope == "all" or workers == 1:
        calls = ((job, _call(job, stop, display)) for job in jobs)
        yield from (_settle(job, call, options, display) for job, call in calls)
        return
    with worker_pool(workers, processes=options.engine.processes) as pool:
        try:
            yield from _collect(pool, jobs, options, stop=stop, display=display)
        except BaseException:
            stop.event.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _result(future: Future, job: Job) -> dict[str, Any]:
    """Return what a job gave; after a crash, which takes the whole pool down, try it alone."""
    try:
        return future.result()
    except BrokenProcessPool:
        with worker_pool(1, processes=True) as alone:
            try:
                return alone.submit(do, job).result()
            except BrokenProcessPool as exc:
                raise MediaError(f"{job.label}: the process that worked on it died") from exc


def _collect(
    pool: concurrent.futures.Executor,
    jobs: list[Job],
    options: Options,
    *,
    stop: Stop,
    display: Display,
) -> Iterator[Outcome]:
    futures: dict[Future, Job] = {}
    for job in jobs:
        if options.engine.processes:
            futures[pool.submit(do, job)] = job
        else:
            futures[pool.submit(_call(job, stop, display))] = job
    for future in concurrent.futures.as_completed(futures):
        job = futures[future]
        yield _settle(job, partial(_result, future, job), options, display)


def _call(job: Job, stop: Stop, display: Display) -> Callable[[], dict[str, Any]]:
    def tick(share: float, words: str) -> None:
        stop.check()
        display.tick(job.label, share, words)

    return lambda: do(job, tick)


def _settle(
    job: Job, call: Callable[[], dict[str, Any]], options: Options, display: Display
) -> Outcome:
    """Run one call, write down what failed, and go on unless told otherwise."""
    name = job.key
    try:
        notes = call()
    except Exception as exc:
        hopeless = isinstance(exc, Cancelled | WorkspaceError)
        if hopeless and not isinstance(exc, ShardError | MissingInput):
            raise
        if job.target is None or options.fail_fast:
            raise
        _drop_stale(job)
        if isinstance(exc, MissingInput) and (waits := _waits(job)):
            display.finished(job.label)
            return Outcome(name, waits=waits)
        message = _remember_failure(job, exc)
        display.finished(job.label, message)
        return Outcome(name, message)
    display.finished(job.label)
    return Outcome(name, notes=notes)


def _drop_stale(job: Job) -> None:
    """Remove the earlier outputs of a unit that now fails: nothing may build on them."""
    for table in job.bound.stage.writes:
        job.bound.workspace.remove(table, job.key, job.bound.round_number)


def _waits(job: Job) -> str:
    """Return which earlier stage failed on a unit whose input is missing; reported once, there."""
    forget_failure(job)
    before = job.bound.workspace.failure_of(job.key, job.bound.round_number)
    return f"waits, as {before[0]} failed: {before[1]}" if before else ""


def _remember_failure(job: Job, exc: Exception) -> str:
    """Write a failure down beside the work, with its trace if it is not one of our errors."""
    foreseen = isinstance(exc, ReelabelError)
    message = str(exc) if foreseen else f"unexpected {type(exc).__name__}: {exc}"
    trace = [] if foreseen else traceback.format_exception(exc)
    bound = job.bound
    path = bound.workspace.failure_path(bound.stage.name, bound.number, job.key)
    write_json(path, {"video": job.label, "error": message, "trace": trace})
    return message
