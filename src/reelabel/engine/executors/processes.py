"""Jobs in processes of their own: one that crashes costs the job that it had, and no other.

Each process has a pipe of its own: jobs go in, ticks and results come out. Nothing is shared, so a
process may end at any moment without blocking the others. A closed pipe is the request to stop; the
operating system closes it when the parent is killed.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Self, cast

from reelabel.engine.executors.base import Call, Finished, J, JobTick, T, WorkerDied
from reelabel.engine.stage import Cancelled
from reelabel.errors import ReelabelError, UsageError

_BETWEEN_TICKS_S = 0.1
"""Ticks of one job are sent no more often than this, and the pipe is checked as often."""
_GRACE_S = 10.0
"""Time to the next tick that a job has when the run stops. Then its process is killed, which is
safe: what it writes becomes visible only once it is whole."""


@dataclass(frozen=True)
class Processes:
    """Does jobs in several processes; the call, the jobs and what they return are pickled."""

    workers: int

    def run(
        self, call: Call[J, T], jobs: Iterable[J], tick: JobTick[J]
    ) -> Generator[Finished[J, T], None, None]:
        """Yield each job as it ends; see `Executor.run`.

        A job whose process ended is done once more at the end, while no other job runs: memory
        that was short for all of them may have been the reason. If its process ends again, its
        error is `WorkerDied`.

        Raises:
            UsageError: if processes cannot be started, or the call cannot be pickled.
        """
        again: list[J] = []
        with _Pool(call, tick) as pool:
            for finished in pool.run(jobs, self.workers):
                if isinstance(finished.error, WorkerDied):
                    again.append(finished.job)
                else:
                    yield finished
            yield from pool.run(again, 1)


@dataclass
class _Worker:
    """One process, our end of its pipe, and whether it has begun to take jobs."""

    process: BaseProcess
    link: Connection
    started: bool = False


class _Pool(Generic[J, T]):
    """Processes that are started as they are needed and end with the block."""

    def __init__(self, call: Call[J, T], tick: JobTick[J]) -> None:
        self._call, self._tick = call, tick
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, J]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Ask all processes to stop, and kill those that do not."""
        workers = [*self._idle, *(worker for worker, _ in self._busy.values())]
        for worker in workers:
            worker.link.close()
        deadline = time.monotonic() + _GRACE_S
        try:
            for worker in workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # also if the user interrupts the waiting
            for worker in workers:
                worker.process.kill()
                worker.process.join()

    def run(self, jobs: Iterable[J], most: int) -> Generator[Finished[J, T], None, None]:
        """Yield each job as it ends, with at most so many at once."""
        waiting = iter(jobs)
        while True:
            for job in islice(waiting, most - len(self._busy)):
                self._give(job)
            if not self._busy:
                return
            for link in cast("list[Connection]", wait(list(self._busy))):
                finished = self._read(*self._busy[link])
                if finished is not None:
                    yield finished

    def _give(self, job: J) -> None:
        """Send a job to a process; if that has just ended, the next read of its pipe fails."""
        worker = self._idle.pop() if self._idle else _start(self._call)
        self._busy[worker.link] = worker, job
        with contextlib.suppress(OSError):
            worker.link.send(job)

    def _read(self, worker: _Worker, job: J) -> Finished[J, T] | None:
        """Take one message of a busy process: its start, a tick, or what became of the job."""
        try:
            message = worker.link.recv()
        except (EOFError, OSError):
            del self._busy[worker.link]
            return Finished(job, error=_ended(worker))
        if isinstance(message, Finished):
            del self._busy[worker.link]
            self._idle.append(worker)
            return replace(message, job=job)
        worker.started = True
        if message is not None:
            self._tick(job, *message)
        return None


def _ended(worker: _Worker) -> WorkerDied:
    """Return why a process ended.

    Raises:
        UsageError: if it never began to take jobs: no other one would.
    """
    worker.link.close()
    worker.process.join()
    code = worker.process.exitcode or 0
    if not worker.started:
        raise UsageError(
            f"expected worker processes to start, but they ended with exit code {code}: a script "
            "must call this below  if __name__ == '__main__':  or use threads "
            "(engine.processes: false)"
        )
    return WorkerDied(signal.Signals(-code).name if code < 0 else f"exit code {code}")


def _start(call: Call[Any, Any]) -> _Worker:
    """Return a new process that will do jobs.

    Raises:
        UsageError: if the call cannot be pickled.
    """
    # A fork of this process would hold the workspace's lock, and locks of threads it does not have.
    context: ForkServerContext = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["reelabel.engine.work"])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(call, theirs))
    try:
        process.start()
    except (pickle.PicklingError, AttributeError, TypeError) as exc:
        raise UsageError(
            f"expected settings and models that can be sent to other processes, but {exc}: "
            "use threads (engine.processes: false)"
        ) from exc
    finally:
        theirs.close()
    return _Worker(process, ours)


def _serve(call: Call[Any, Any], link: Connection) -> None:
    """Do jobs in this process until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt ends
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, OSError):
        link.send(None)
        while True:
            job = link.recv()
            finished = Finished.of(job, partial(call, job, _Ticks(link).tick))
            link.send(_portable(replace(finished, job=None)))


class _Ticks:
    """The ticks of one job, sent through the pipe."""

    def __init__(self, link: Connection) -> None:
        self._link, self._last_s = link, 0.0

    def tick(self, share: float, words: str) -> None:
        """Send a tick now and then; raise `Cancelled` once the pipe is closed."""
        if time.monotonic() - self._last_s < _BETWEEN_TICKS_S:
            return
        self._last_s = time.monotonic()
        try:
            if self._link.poll():  # no job comes while one is done
                raise Cancelled
            self._link.send((share, words))
        except OSError as exc:
            raise Cancelled from exc


def _portable(finished: Finished[None, T]) -> Finished[None, T]:
    """Return the same with an error that can be pickled."""
    error = finished.error
    if error is None:
        return finished
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 -- what was pickled in the same line
    except Exception:  # noqa: BLE001 -- whatever the error's own class raises
        plain: type[Exception] = ReelabelError if isinstance(error, ReelabelError) else RuntimeError
        text = str(error) if plain is ReelabelError else f"{type(error).__name__}: {error}"
        return replace(finished, error=plain(text))
    return finished


def _end_with_parent() -> None:
    """End this process when its parent is killed, also in the middle of a job without ticks."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
