"""Jobs in this thread, one after the other, or in several threads of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import islice

from reelabel.engine.executors.base import Call, Finished, J, JobTick, T
from reelabel.engine.stage import Cancelled, Tick


@dataclass(frozen=True)
class InTurn:
    """Does one job after the other in the calling thread."""

    def run(
        self, call: Call[J, T], jobs: Iterable[J], tick: JobTick[J]
    ) -> Generator[Finished[J, T], None, None]:
        """Yield each job as it ends; see `Executor.run`."""
        for job in jobs:
            yield Finished.of(job, partial(call, job, partial(tick, job)))


@dataclass(frozen=True)
class Threads:
    """Does jobs in several threads."""

    workers: int

    def run(
        self, call: Call[J, T], jobs: Iterable[J], tick: JobTick[J]
    ) -> Generator[Finished[J, T], None, None]:
        """Yield each job as it ends; see `Executor.run`."""
        stop = threading.Event()

        def begin(job: J) -> Future[T]:
            return pool.submit(call, job, _stoppable(job, tick, stop))

        with ThreadPoolExecutor(self.workers) as pool:
            try:
                yield from _ended(begin, iter(jobs), self.workers)
            finally:
                stop.set()


def _ended(
    begin: Callable[[J], Future[T]], waiting: Iterator[J], workers: int
) -> Iterator[Finished[J, T]]:
    """Yield each job as it ends; a job begins when a worker is free."""
    running: dict[Future[T], J] = {}
    while True:
        for job in islice(waiting, workers - len(running)):
            running[begin(job)] = job
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield Finished.of(running.pop(future), future.result)


def _stoppable(job: J, tick: JobTick[J], stop: threading.Event) -> Tick:
    """Return the tick of one job, which raises `Cancelled` once `stop` is set."""

    def checked(share: float, words: str) -> None:
        if stop.is_set():
            raise Cancelled
        tick(job, share, words)

    return checked
