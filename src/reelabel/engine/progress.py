"""One display for every stage: what is done, how fast, how long it will still take, what failed."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def is_interactive() -> bool:
    """Return whether a person looks on: in a notebook, or at a Python prompt."""
    return Console().is_jupyter or hasattr(sys, "ps1")


class Display:
    """Shows the progress of one stage on a terminal; says one line where there is none.

    Args:
        title: the stage, and the round if there is one.
        total: number of units.
        quiet: show nothing at all.
    """

    def __init__(self, title: str, total: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._title, self._total = title, total
        self._shares: dict[str, float] = {}
        self._failed = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._bar = Progress(
            TextColumn("[bold]{task.description:<16}"),
            BarColumn(bar_width=28),
            TaskProgressColumn(show_speed=True),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}"),
            console=self._console,
            transient=True,
            disable=quiet or not (self._console.is_terminal or self._console.is_jupyter),
        )
        self._task = self._bar.add_task(title, total=max(total, 1), words="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def tick(self, label: str, share: float, words: str) -> None:
        """Note how far one unit is."""
        with self._lock:
            self._shares[label] = min(max(share, 0.0), 1.0)
            failed = f"[red]{self._failed} failed[/] " if self._failed else ""
            done = sum(self._shares.values())
            self._bar.update(self._task, completed=done, words=f"{failed}{words}")

    def finished(self, label: str, failure: str = "") -> None:
        """Note that one unit is done, or why it failed."""
        if failure:
            with self._lock:
                self._failed += 1
            words = escape(f"{self._title}: {label}: {failure}")
            self._console.print(f"[red]failed[/] {words}")
        self.tick(label, 1.0, "")

    def summary(self, line: str, *, bad: bool = False) -> None:
        """Leave one line behind, in red if something failed."""
        line = f"[red]{line}[/]" if bad else line
        took = time.monotonic() - self._began
        self._console.print(f"[bold]{self._title:<16}[/] {line} [dim]in {took:.1f} s[/]")
