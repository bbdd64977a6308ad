"""Workers: threads, or processes that end when this one does."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import threading


def worker_pool(workers: int, *, processes: bool) -> concurrent.futures.Executor:
    """Return workers: threads, or processes that end when this one does."""
    if not processes:
        return concurrent.futures.ThreadPoolExecutor(workers)
    # A fork of this process would hold the workspace's lock, and locks of threads it does not have.
    fresh = multiprocessing.get_context("forkserver")
    fresh.set_forkserver_preload(["reelabel.engine.work"])
    return concurrent.futures.ProcessPoolExecutor(workers, fresh, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """Let this worker process not outlive a parent that was killed."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
