"""How the jobs of a stage are spread: one after the other, over threads, or over processes."""

from __future__ import annotations

from reelabel.config import Engine
from reelabel.engine.executors.base import Executor, Finished, WorkerDied
from reelabel.engine.executors.processes import Processes
from reelabel.engine.executors.threads import InTurn, Threads

__all__ = ["Executor", "Finished", "InTurn", "Processes", "Threads", "WorkerDied", "executor_for"]


def executor_for(engine: Engine, workers: int) -> Executor:
    """Return what does so many jobs at once in the way that the settings ask for."""
    if engine.processes:
        return Processes(workers)
    return Threads(workers) if workers > 1 else InTurn()
