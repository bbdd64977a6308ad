"""What can go wrong, and which exit code it means.

    ReelabelError                 2   anything below; catch this to catch all
    ├── UsageError                2   the command or the call was wrong
    │   └── ConfigError           2   reelabel.yaml was wrong
    ├── MediaError                3   a video or picture file
    │   ├── UnreadableVideo       3   cannot be opened, or holds no picture stream
    │   └── DecodeError           3   opened, but a frame could not be decoded
    ├── ModelError                4   weights, class names, a network of another kind
    ├── FormatError               5   a label file that is not what it should be
    ├── WorkspaceError            6   the workspace: missing, damaged, read-only, full
    │   ├── WorkspaceBusy         6   another process works on it
    │   ├── ShardError            6   a table's shard is damaged
    │   └── MissingInput          6   a stage's input was never made
    ├── SplitError                7   no split without leaks exists
    └── MissingExtra              8   an optional dependency is not installed

Exit code 0 means that all went well, 1 that some videos failed while the others were finished, 9
that an error came which no rule foresees: the message names the file that holds its trace. A
command that a signal stopped ends with 128 plus the signal's number, 130 for Ctrl-C.
Each message states what was expected, what came, and what to do next.
"""

from __future__ import annotations

import difflib
import errno
import os
import reprlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

SOME_VIDEOS_FAILED = 1
"""Exit code of a command that finished but left failed videos behind."""

_REASONS = {
    errno.ENOSPC: "the disk is full: free some space and run again",
    errno.EDQUOT: "the disk quota is used up: free some space and run again",
    errno.EROFS: "the folder is read-only: choose a writable place",
    errno.EACCES: "no permission: check the owner and the rights of the file and its folder",
    errno.EPERM: "no permission: check the owner and the rights of the file and its folder",
    errno.EFBIG: "the file would be larger than the file system or a limit (ulimit -f) allows: "
    "choose another place, or raise the limit",
    errno.ENAMETOOLONG: "a name is longer than the file system takes, mostly 255 bytes, or the "
    "path too long: choose a shorter one",
    errno.ELOOP: "symbolic links lead in a circle: remove them",
    errno.ENOENT: "there is no such file or folder: check the path",
    errno.ENOTDIR: "a part of the path is a file and no folder: choose another path",
    errno.EISDIR: "expected a file, but there is a folder: choose another path, or move it away",
    errno.ENXIO: "expected a file, but there is a pipe, a device or a socket: name another path, "
    "or move it away",
    errno.EIO: "an error of the disk or its connection: check it and run again",
    errno.EMFILE: "too many open files: take fewer workers, or raise the limit (ulimit -n)",
}
"""What an error of the file system means, and the way out."""

_LONGEST_PATH = 200
"""Characters of a path in a message that is about its length, among others."""

UNEXPECTED = 9
"""Exit code of a command that an unforeseen error ended."""


class ReelabelError(Exception):
    """The root of the tree above."""

    exit_code = 2


class UsageError(ReelabelError):
    """A command or a call that cannot be carried out as it was given."""


class ConfigError(UsageError):
    """A `reelabel.yaml` that does not parse or holds unknown or wrong values."""


class MediaError(ReelabelError):
    """A video or picture file that cannot be used."""

    exit_code = 3


class UnreadableVideo(MediaError):  # noqa: N818 -- the state of a file, as users call it
    """A file that cannot be opened as video, or that holds no picture stream."""


class DecodeError(MediaError):
    """A frame that exists but cannot be decoded, or a picture file that is damaged."""


class ModelError(ReelabelError):
    """Weights that are missing, damaged, changed, or of another kind than stated."""

    exit_code = 4


class FormatError(ReelabelError):
    """A label file whose content is not what its format defines."""

    exit_code = 5


class WorkspaceError(ReelabelError):
    """A workspace that is missing, damaged, read-only or full."""

    exit_code = 6


class WorkspaceBusy(WorkspaceError):  # noqa: N818 -- a state, not a fault
    """Another process is working on this workspace."""


class ShardError(WorkspaceError):
    """A shard that cannot be read: damaged or truncated."""


class MissingInput(WorkspaceError):  # noqa: N818 -- a state, not a fault
    """A stage whose input has not been made yet."""


class SplitError(ReelabelError):
    """No split exists in which no video or duplicate stands on both sides."""

    exit_code = 7


class MissingExtra(ReelabelError):  # noqa: N818 -- a state, not a fault
    """A feature whose optional dependency is not installed."""

    exit_code = 8

    def __init__(self, what: str, extra: str = "", *, package: str = "") -> None:
        """Name the feature and the extra, or the package, that brings it."""
        named = package or f"'reelabel[{extra}]'"
        super().__init__(f"{what} needs more than the core: run  pip install {named}")
        self._again = partial(type(self), what, extra, package=package)

    def __reduce__(self) -> tuple[Callable[[], MissingExtra], tuple[()]]:
        """Return how it is made again in another process."""
        return self._again, ()


def os_reason(exc: Exception) -> str:
    r"""Return what an error of the file system means and the way out; else its own text in a line.

    >>> os_reason(OSError(errno.ELOOP, "", "a")), os_reason(ValueError("a wrong\nvalue"))
    ('symbolic links lead in a circle: remove them', 'a wrong value')
    """
    code = exc.errno if isinstance(exc, OSError) else None
    return _REASONS.get(code or 0) or " ".join(str(exc).split())


def first_line(exc: Exception) -> str:
    r"""Return the first line of what a foreign library states, its kind of error if it is silent.

    >>> first_line(ValueError("no layer\nat 0x1")), first_line(KeyError())
    ('no layer', 'KeyError')
    """
    return (str(exc).splitlines() or [type(exc).__name__])[0][:300]


def os_sentence(exc: OSError, given: os.PathLike[str] | None = None) -> str:
    """Return which path an error of the file system is about, its reason and the way out.

    Args:
        exc: the error.
        given: the path if the error names none.

    >>> os_sentence(OSError(errno.ELOOP, "", "a"))
    'a: symbolic links lead in a circle: remove them'
    """
    path = exc.filename2 or exc.filename or (given and os.fspath(given))
    if path is None and exc.errno not in _REASONS:
        return str(exc)
    # Standard output is opened by the shell: errors of writing to it name no path.
    where = os.fsdecode(path) if isinstance(path, str | bytes) else "a file or the output"
    if len(where) > _LONGEST_PATH:
        where = f"{where[:_LONGEST_PATH]}..."
    return f"{where}: {os_reason(exc)}"


class _Short(reprlib.Repr):
    """Looks at a few parts of a value alone: references in it can stand for billions."""

    def repr_int(self, value: int, level: int) -> str:
        """Return a number; very long ones have no decimal text in Python."""
        del level
        bits = value.bit_length()
        return repr(value) if bits <= self.maxlong else f"a whole number of {bits} bits"


def shown(value: Any, most: int = 80) -> str:
    """Return a foreign value for a message, in at most so many characters and in little time.

    >>> shown([["a"] * 9] * 9, 20), shown(7), shown(10**5000)
    ("[['a', 'a', 'a', 'a'", '7', 'a whole number of 16610 bits')
    """
    short = _Short()
    short.maxlevel, short.maxlong, short.maxstring, short.maxother = 3, 256, most, most
    return short.repr(value)[:most]


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, in the plural unless there is one.

    >>> counted(1, "video"), counted(0, "video"), counted(2, "box", "boxes")
    ('1 video', '0 videos', '2 boxes')
    """
    return f"{count} {noun if count == 1 else plural or f'{noun}s'}"


def few(names: Iterable[str], most: int = 5) -> str:
    """Return the first names, for a line to read.

    >>> few("abc", most=2)
    'a, b, ...'
    """
    names = list(names)
    return ", ".join([*names[:most], *(["..."] if len(names) > most else [])])


def first_of(names: Iterable[str], most: int = 8) -> str:
    """Return the first names and how many more there are.

    >>> first_of("abcd", most=2), first_of("ab"), first_of([])
    ('a, b and 2 more', 'a, b', 'none')
    """
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most]) or 'none'}{more}"


_LEAST_PART = 4
"""Letters of a part of a name that stands for the whole in a hint."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known name, or an empty string.

    >>> nearest("ball", ["sports ball", "bal", "dog"])
    " (did you mean 'bal'?)"
    >>> nearest("fetch", ["dog_sleeps", "dog_fetches"])
    " (did you mean 'dog_fetches'?)"
    >>> nearest("zzz", ["dog"])
    ''
    """
    known, asked = list(known), name.lower()
    lowered = {choice.lower(): choice for choice in known}
    close = difflib.get_close_matches(asked, lowered, n=1, cutoff=0.6)
    inside = [choice for choice in known if asked in choice.lower().split()]
    if len(asked) >= _LEAST_PART:
        inside += [choice for choice in known if asked in choice.lower()]
    best = [lowered[close[0]]] if close else inside
    return f" (did you mean '{best[0]}'?)" if best else ""
