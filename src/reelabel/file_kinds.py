"""What a path is, and what stands at it, without opening it: a pipe would be waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from reelabel.errors import UsageError, shown


def as_path(name: str, given: object) -> Path:
    """Return the path that an argument names.

    Raises:
        UsageError: naming the argument, if it is neither a path nor a text, or empty.
    """
    if not isinstance(given, str | os.PathLike) or given == "":
        raise UsageError(f"expected {name} as a path, but got {shown(given)}")
    return Path(given)


def special_kind(path: Path) -> str:
    """Return what is at a path in words if it is neither a file nor nothing, else an empty text."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "a link to nothing" if path.is_symlink() else ""
    except OSError as exc:
        return "a link that leads in a circle" if exc.errno == errno.ELOOP else ""
    kinds = {stat.S_IFREG: "", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a pipe or device")


def plain_file(path: Path | str) -> Path:
    """Return a path that is to be opened, after a look at what stands there.

    Raises:
        OSError: if it is a pipe, a device or a socket.
    """
    path = Path(path)
    if (kind := special_kind(path)) and not path.is_dir():
        raise OSError(errno.ENXIO, f"it is {kind}", str(path))
    return path
