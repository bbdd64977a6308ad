"""A log of each run in the workspace: ``logs/<date>-<time>-<process>.log``, a line for each event.

Names are written without characters that steer a terminal, so that a log can be shown as it is. A
run without any work leaves no log, and one that cannot be written ends no run.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from reelabel.terminal.text import plain

FOLDER = "logs"


class RunLog:
    """The log of one run; its file appears with the first event.

    Args:
        root: the workspace's folder.
        title: what the run is, its first line.
    """

    def __init__(self, root: Path, title: str) -> None:
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
        self.path = root / FOLDER / name
        self._title: str | None = title

    def write(self, text: str) -> None:
        """Append an event with the time of day; the lines of a text stay one event."""
        lines = [text] if self._title is None else [self._title, text]
        stamp = time.strftime("%H:%M:%S")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(f"{stamp}  {_one_line(line)}\n" for line in lines)
        except OSError:
            return
        self._title = None

    @property
    def begun(self) -> bool:
        """Whether there was an event."""
        return self._title is None


def _one_line(text: str) -> str:
    return " ".join(plain(text).split("\n"))
