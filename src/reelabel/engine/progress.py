"""The progress display of a stage: share done, speed, time left, failures."""

from __future__ import annotations

import sys
import threading
import time
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

from reelabel.terminal.console import PlainConsole


def is_interactive() -> bool:
    """Return whether a person looks on: in a notebook, or at a Python prompt."""
    return Console().is_jupyter or hasattr(sys, "ps1")


def is_quiet(quiet: bool | None) -> bool:
    """Return whether no progress is shown; None shows it to a person only."""
    return not is_interactive() if quiet is None else quiet


class Display:
    """Shows the progress of one stage on a terminal; prints one line where there is none.

    Args:
        title: the stage, and the round if there is one.
        total: number of units.
        quiet: show nothing at all.
    """

    def __init__(self, title: str, total: int, *, quiet: bool = False) -> None:
        self._console = PlainConsole(stderr=True, quiet=quiet)
        self._title, self._total = title, total
        self._shares: dict[str, float] = {}
        self._done = self._failed = 0
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description:<16}", style="bold", markup=False),
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

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def tick(self, key: str, share: float, words: str) -> None:
        """Show how far one unit is: a share in 0..1 and a few words."""
        with self._lock:
            self._shares[key] = min(max(share, 0.0), 1.0)
            self._update(words)

    def finished(self, key: str, label: str, failure: str = "") -> None:
        """Show that one unit is done, or why it failed."""
        with self._lock:
            self._shares.pop(key, None)
            self._done += 1
            self._failed += bool(failure)
            self._update("")
        if failure:
            words = escape(f"{self._title}: {label}: {failure}")
            self._console.print(f"[red]failed[/] {words}")

    def _update(self, words: str) -> None:
        failed = f"[red]{self._failed} failed[/] " if self._failed else ""
        done = self._done + sum(self._shares.values())
        self._bar.update(self._task, completed=done, words=f"{failed}{words}")

    def summary(self, line: str, *, bad: bool = False) -> None:
        """Leave one line behind, in red if something failed."""
        line = f"[red]{line}[/]" if bad else line
        took = time.monotonic() - self._began
        self._console.print(
            f"[bold]{escape(f'{self._title:<16}')}[/] {line} [dim]in {took:.1f} s[/]"
        )
