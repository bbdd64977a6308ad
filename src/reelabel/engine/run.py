"""Does the work of a stage on this machine, and collects what fails."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from reelabel.config import Engine
from reelabel.engine.plan import Bound, Planned, digest_of_all, plan
from reelabel.engine.progress import Display
from reelabel.engine.stage import Cancelled, Job, Output, Resource, Stop, Unit, inputs_of
from reelabel.errors import (
    MediaError,
    MissingInput,
    ReelabelError,
    ShardError,
    WorkspaceError,
)
from reelabel.files import explained, write_json
from reelabel.workspace import Receipt

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


@dataclass(frozen=True)
class Options:
    """How a run behaves: how work is spread, what a failure does, what is shown."""

    engine: Engine = field(default_factory=Engine)
    fail_fast: bool = False
    force: bool = False
    quiet: bool = False


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
    if bound.stage.scope == "video":
        _forget_gone(bound)
    if not todo:
        return replace(result, notes=_notes(bound))
    with Display(title, len(todo), quiet=options.quiet) as display:
        outcomes = list(_work(bound, todo, options, display))
        result = _tally(result, outcomes, time.monotonic() - began)
        display.summary(_line(result))
    return result


def _notes(bound: Bound) -> dict[str, dict[str, Any]]:
    """Return what a stage that sees all videos noted when it was done."""
    whole = bound.stage.scope == "all"
    receipt = bound.workspace.read_receipt(bound.stage.name, bound.number) if whole else None
    return {"all": receipt.notes} if receipt else {}


def _line(result: Result) -> str:
    parts = [f"{result.done} done"]
    parts += [f"{result.kept} up to date"] if result.kept else []
    parts += [f"[red]{len(result.failed)} failed[/]"] if result.failed else []
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


def _forget_gone(bound: Bound) -> None:
    """Remove the shards of videos that are no longer part of the workspace."""
    ws, stage, number = bound.workspace, bound.stage, bound.round_number
    known = {row["video_id"] for row in ws.videos() if stage.tests_too or row["role"] != "test"}
    for table in stage.writes:
        ws.keep_only(table, known, number)
    for video_id in set(ws.failures(stage.name, bound.number)) - known:
        ws.failure_path(stage.name, bound.number, video_id).unlink(missing_ok=True)


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
        calls = ((job, _call(job, bound.resource, stop, display)) for job in jobs)
        yield from (_settle(job, call, options, display) for job, call in calls)
        return
    with worker_pool(workers, processes=options.engine.processes) as pool:
        try:
            yield from _collect(pool, bound, jobs, options, stop=stop, display=display)
        except BaseException:
            stop.event.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def worker_pool(workers: int, *, processes: bool) -> concurrent.futures.Executor:
    """Return workers: threads, or processes that end when this one does."""
    if not processes:
        return concurrent.futures.ThreadPoolExecutor(workers)
    # A fork of this process would hold the workspace's lock, and locks of threads it does not have.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload([__name__])
    return concurrent.futures.ProcessPoolExecutor(workers, fresh, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let this worker process not outlive a parent that was killed."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _result(future: Future, job: Job, resource: Resource) -> dict[str, Any]:
    """Return what a job gave; after a crash, which takes the whole pool down, try it alone."""
    try:
        return future.result()
    except BrokenProcessPool:
        with worker_pool(1, processes=True) as alone:
            try:
                return alone.submit(do, job, resource).result()
            except BrokenProcessPool as exc:
                raise MediaError(f"{job.label}: the process that worked on it died") from exc


def _collect(
    pool: concurrent.futures.Executor,
    bound: Bound,
    jobs: list[Job],
    options: Options,
    *,
    stop: Stop,
    display: Display,
) -> Iterator[Outcome]:
    futures: dict[Future, Job] = {}
    for job in jobs:
        if options.engine.processes:
            futures[pool.submit(do, job, bound.resource)] = job
        else:
            futures[pool.submit(_call(job, bound.resource, stop, display))] = job
    for future in concurrent.futures.as_completed(futures):
        job = futures[future]
        yield _settle(job, partial(_result, future, job, bound.resource), options, display)


def _call(
    job: Job, resource: Resource, stop: Stop, display: Display
) -> Callable[[], dict[str, Any]]:
    def tick(share: float, words: str) -> None:
        stop.check()
        display.tick(job.label, share, words)

    return lambda: do(job, resource, tick)


def _settle(
    job: Job, call: Callable[[], dict[str, Any]], options: Options, display: Display
) -> Outcome:
    """Run one call, write down what failed, and go on unless told otherwise."""
    name = str(job.video.get("video_id", "all"))
    try:
        notes = call()
    except Exception as exc:
        hopeless = isinstance(exc, Cancelled | WorkspaceError)
        if hopeless and not isinstance(exc, ShardError | MissingInput):
            raise
        if job.stage.scope == "all" or options.fail_fast:
            raise
        _drop_stale(job, name)
        if isinstance(exc, MissingInput) and (waits := _waits(job, name)):
            display.finished(job.label)
            return Outcome(name, waits=waits)
        message = _remember_failure(job, name, exc)
        display.finished(job.label, message)
        return Outcome(name, message)
    display.finished(job.label)
    return Outcome(name, notes=notes)


def _drop_stale(job: Job, name: str) -> None:
    """Remove what a unit that cannot be done now left before: nothing may build on that."""
    for table in job.stage.writes:
        job.workspace.remove(table, name, job.round_number)


def _waits(job: Job, name: str) -> str:
    """Return what failed before on a video whose input is missing; that is said once, there."""
    _forget_failure(job, name)
    before = job.workspace.failure_of(name, job.round_number)
    return f"waits, as {before[0]} failed: {before[1]}" if before else ""


def _forget_failure(job: Job, name: str) -> None:
    path = job.workspace.failure_path(job.stage.name, job.stage.number(job.round_number), name)
    with explained(job.workspace.root):
        path.unlink(missing_ok=True)


def _remember_failure(job: Job, name: str, exc: Exception) -> str:
    """Write a failure down beside the work, with its trace if nobody foresaw it."""
    foreseen = isinstance(exc, ReelabelError)
    message = str(exc) if foreseen else f"unexpected {type(exc).__name__}: {exc}"
    trace = [] if foreseen else traceback.format_exception(exc)
    path = job.workspace.failure_path(job.stage.name, job.stage.number(job.round_number), name)
    write_json(path, {"video": job.label, "error": message, "trace": trace})
    return message


def do(
    job: Job, resource: Resource, tick: Callable[[float, str], None] = lambda *_: None
) -> dict[str, Any]:
    """Do one job from reading its inputs to writing its shards; return its notes."""
    unit = Unit(
        workspace=job.workspace,
        project=job.project,
        settings=job.settings,
        round_number=job.round_number,
        video=job.video,
        inputs=inputs_of(job),
        resource=resource.value,
        tick=tick,
        afresh=job.afresh,
    )
    _begin(job)
    output = job.stage.run(unit)
    if job.stage.scope == "video":
        _write_video(job, output)
    else:
        _write_all(job, output)
    _forget_failure(job, str(job.video.get("video_id", "all")))
    return output.notes


def _begin(job: Job) -> None:
    """Take back that the unit is finished, so that no half-made work can pass for the old one."""
    ws, stage, number = job.workspace, job.stage, job.stage.number(job.round_number)
    if stage.scope == "video":
        for table in stage.writes[-1:]:
            ws.remove(table, job.video["video_id"], job.round_number)
    elif receipt := ws.read_receipt(stage.name, number):
        ws.write_receipt(stage.name, number, replace(receipt, fingerprint="unfinished"))


def _write_video(job: Job, output: Output) -> None:
    for table in job.stage.writes:
        job.workspace.write(
            table,
            job.video["video_id"],
            output.tables[table.name],
            fingerprint=job.fingerprint,
            notes=output.notes,
            round_number=job.round_number,
        )


def _write_all(job: Job, output: Output) -> None:
    """Write the shards of all videos, then the receipt."""
    ws, number = job.workspace, job.round_number
    made: list[Receipt] = []
    for table in job.stage.writes:
        shards = output.tables[table.name]
        ws.keep_only(table, shards, number)
        for video_id, rows in sorted(shards.items()):
            made.append(
                ws.write(table, video_id, rows, fingerprint=job.fingerprint, round_number=number)
            )
    receipt = Receipt(job.fingerprint, digest_of_all(made, output.digest), output.notes)
    ws.write_receipt(job.stage.name, job.stage.number(number), receipt)
