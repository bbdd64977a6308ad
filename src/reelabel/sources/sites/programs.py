"""Which programs yt-dlp may start: the JavaScript runtimes of the settings, and no others.

A program sends its requests past the client: PhantomJS, which a few extractors start, opens pages.
yt-dlp starts all programs by one class, which is bounded here for the thread of a look-up; other
uses of yt-dlp in the same process are left as they are. Imported with yt-dlp.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yt_dlp.utils import Popen

_EXECUTABLES = {"quickjs": "qjs"}
"""Names of executables that are not that of their runtime."""
_THREAD = threading.local()


@contextmanager
def only_runtimes(entries: Iterable[str]) -> Iterator[None]:
    """Let yt-dlp start these runtimes alone in this thread; others are as if not installed.

    Args:
        entries: as in the settings, NAME or NAME:PATH.
    """
    names, paths = set(), set()
    for entry in entries:
        name, _, path = entry.partition(":")
        executable = _EXECUTABLES.get(name, name)
        if path:
            paths |= {path, str(Path(path) / executable)}
        else:
            names.add(executable)
    _THREAD.allowed = names, paths
    try:
        yield
    finally:
        del _THREAD.allowed


def _is_allowed(command: Any) -> bool:
    """Return whether this thread may start a program."""
    allowed = getattr(_THREAD, "allowed", None)
    if allowed is None:
        return True
    if isinstance(command, str | bytes) or not command:
        return False
    names, paths = allowed
    program = os.fspath(command[0])
    return program in paths or Path(program).stem in names


_start = Popen.__init__


@functools.wraps(_start)
def _start_if_allowed(self: Any, args: Any, *more: Any, **options: Any) -> None:
    if not _is_allowed(args):
        # An OSError, as of a program that is not there: extractors are prepared for it.
        raise PermissionError(f"programs are not started while a page is looked up: {args!r:.100}")
    _start(self, args, *more, **options)


Popen.__init__ = _start_if_allowed
