"""What the benchmarks share: interleaved timing, medians, and where the footage is."""

from __future__ import annotations

import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

DATA = Path(os.environ.get("REELABEL_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
"""Folder of real footage and weights; see CONTRIBUTING.md."""

Seconds = tuple[float, float]
"""Wall and CPU."""


def command(*arguments: object) -> list[str]:
    """Return a command line of reelabel."""
    return [sys.executable, "-m", "reelabel", *map(str, arguments)]


def taken(call: Callable[[], object], who: int) -> Seconds:
    """Return wall and CPU seconds of a call, by this process or its children."""
    before, began = resource.getrusage(who), time.perf_counter()
    call()
    after = resource.getrusage(who)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu_s


def interleaved(runs: dict[str, Callable[[], object]], *, times: int) -> dict[str, float]:
    """Return the median wall time in seconds of each function, run in turns."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in taken.items()}


def table(title: str, rows: dict[str, float], rival: str) -> None:
    """Print times and how many times faster each is than the rival (above 1: faster)."""
    print(f"\n{title}")
    for name, seconds in rows.items():
        print(f"  {name:<34} {seconds:8.2f} s   {rows[rival] / seconds:5.2f}x of {rival}")
