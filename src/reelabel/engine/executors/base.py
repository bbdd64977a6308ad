"""What spreads the jobs of a stage: one small interface, so that a cluster is one file more."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

from reelabel.engine.stage import Tick

J = TypeVar("J")
"""A job, such as one unit of a stage."""
T = TypeVar("T")
"""What a job returns."""

Call = Callable[[J, Tick], T]
"""Does one job. The tick that it is given raises `Cancelled` when the run is to stop."""
JobTick = Callable[[J, float, str], None]
"""Is given the progress of a job: the job, the share that is done in 0..1, a few words."""


class WorkerDied(Exception):  # noqa: N818 -- turned into an error of our tree by the caller
    """The process that worked on a job ended without a result."""


@dataclass(frozen=True)
class Finished(Generic[J, T]):
    """A job that ended, with its value or its error.

    Attributes:
        value: None if there is an error.
        error: `WorkerDied` if what worked on it crashed.
        trace: the lines of the error's traceback.
    """

    job: J
    value: T | None = None
    error: Exception | None = None
    trace: tuple[str, ...] = ()

    @classmethod
    def of(cls, job: J, result: Callable[[], T]) -> Finished[J, T]:
        """Return a job with what `result` returns or raises."""
        try:
            return cls(job, result())
        except Exception as exc:  # noqa: BLE001 -- the caller decides which errors end the run
            return cls(job, error=exc, trace=tuple(traceback.format_exception(exc)))

    def get(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("T", self.value)


class Executor(Protocol):
    """Does jobs, several at once, in any order."""

    def run(
        self, call: Call[J, T], jobs: Iterable[J], tick: JobTick[J]
    ) -> Generator[Finished[J, T], None, None]:
        """Yield each job as it ends.

        Jobs are taken from the iterable only as workers become free. Closing the generator, or an
        error raised in it, cancels the jobs in progress at their next tick and waits for them.

        Args:
            call: does one job; each worker gets it once, so that what it holds, such as a model,
                is loaded once per worker.
            jobs: what is to be done.
            tick: called in this process as jobs go on.
        """
        ...
