"""The command line: parses, calls, prints. Every command is a function of the Python API."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TextIO

import click

from reelabel.cli.echo import echo
from reelabel.errors import (
    UNEXPECTED,
    ReelabelError,
    UsageError,
    WorkspaceError,
    nearest,
    os_sentence,
)
from reelabel.terminal.text import is_text, plain

_STOPPED = "stopped; what was done so far is kept: run it again to go on"
_TOO_LITTLE_MEMORY = "too little memory: take fewer workers, smaller batches or smaller pictures"
_BY_SIGNAL = 128
"""Plus the number of a signal: the exit code of a command that it stopped, as shells have it."""


class _Stopped(KeyboardInterrupt):
    """A signal other than that of Ctrl-C; ends the work in the same way."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def main() -> None:
    """Run the command line and end with a documented exit code, never with a traceback."""
    _open_streams()
    for name in ("SIGTERM", "SIGHUP"):
        number = signal.Signals[name]
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            signal.signal(number, _stop)
    code = _exit_code(_command)
    sys.exit(_exit_code(partial(_flushed, code)))


def _command() -> int:
    """Run the command that the arguments name and return its exit code."""
    from reelabel.cli.commands import cli

    code = cli.main(standalone_mode=False)
    return code if isinstance(code, int) else 0


def _exit_code(call: Callable[[], int]) -> int:
    """Return what a function returns; of an error, print one line and return its exit code."""
    try:
        return call()
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 1
    except BaseException as exc:  # noqa: BLE001 -- the last place: whatever it is, a line
        line, code = _explained(exc)
        with contextlib.suppress(OSError):
            echo(line, err=True)
        return code


def _explained(exc: BaseException) -> tuple[str, int]:
    """Return the line and the exit code of what ended a command."""
    match exc:
        case click.Abort() | KeyboardInterrupt():
            stopped = exc.__cause__ or exc
            line, code = _STOPPED, _BY_SIGNAL + getattr(stopped, "number", signal.SIGINT)
        case click.exceptions.NoArgsIsHelpError():
            line, code = exc.format_message(), exc.exit_code
        case click.UsageError():
            usage = f"{exc.ctx.get_usage()}\n" if exc.ctx else ""
            line, code = f"{usage}Error: {_sentence(exc)}", exc.exit_code
        case click.ClickException():
            line, code = f"Error: {exc.format_message()}", exc.exit_code
        case ReelabelError():
            named = str(exc).startswith("reelabel ")  # as of flags: "reelabel init: ..."
            line, code = str(exc) if named else f"reelabel: {exc}", exc.exit_code
        case OSError():
            line, code = f"reelabel: {os_sentence(exc)}", WorkspaceError.exit_code
        case UnicodeEncodeError() if not is_text(exc.object):
            around = plain(exc.object[max(exc.start - 40, 0) : exc.end + 40])
            line = f"reelabel: a name holds bytes that are no UTF-8: rename it ({around})"
            code = UsageError.exit_code
        case MemoryError():
            line, code = f"reelabel: {_TOO_LITTLE_MEMORY}", UNEXPECTED
        case _:
            line, code = f"reelabel: {_unexpected(exc)}", UNEXPECTED
    return line, code


def _sentence(exc: click.UsageError) -> str:
    """Return what is wrong with a call; an unknown name with the nearest one, if any is near.

    Click compares names with their dashes, in which all flags resemble each other.
    """
    if isinstance(exc, click.NoSuchOption):
        near = [_near(exc.option_name, name) for name in exc.possibilities or ()]
        hint = next(filter(None, near), "")
        return f"{exc.message.rstrip('.')}{hint}" if hint else exc.message
    return exc.format_message()


def _near(given: str, known: str) -> str:
    return nearest(given.lstrip("-"), [known.lstrip("-")]) and nearest(given, [known])


def _unexpected(exc: BaseException) -> str:
    """Return a line about an error that no rule foresees, and write its trace into a file."""
    from reelabel.files import write_text
    from reelabel.models.weights import cache_dir

    line = f"unexpected {type(exc).__name__}: {exc}"
    path = cache_dir() / "faults" / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    try:
        write_text(path, plain("".join(traceback.format_exception(exc))))
    except (OSError, ReelabelError):
        return line
    return f"{line}; this is a fault of reelabel: please report it with {path}"


def _flushed(code: int) -> int:
    """Return an exit code after all that was printed is written.

    Raises:
        OSError: if it cannot be written, such as to a full disk.
    """
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = _no_stream()  # else the interpreter would try once more at its end
        raise
    return code


def _open_streams() -> None:
    """Give closed streams a place to write to."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, _no_stream())


def _no_stream() -> TextIO:
    """Return a text stream whose content goes nowhere."""
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 -- for all the process


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise _Stopped(number)
