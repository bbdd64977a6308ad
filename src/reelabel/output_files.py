"""Files and folders that a user names for what a command writes, checked before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.file_kinds import special_kind
from reelabel.files import remove_abandoned


def check_output(*paths: Path | str | None) -> None:
    """Refuse names that no file or folder can be written to, and one that means something else.

    Args:
        paths: of files or folders to write; None where none was given.

    Raises:
        UsageError: naming the path.
    """
    for path in paths:
        if path is None:
            continue
        if not isinstance(path, Path | str):
            raise UsageError(
                f"expected the name of a file to write, but got {type(path).__name__}: give a path"
            )
        if str(path) == "-":
            raise UsageError(
                "expected the name of a file or folder to write, but got '-', which means the "
                "standard output where a command writes a file, and nothing elsewhere: name one"
            )
        if not str(path) or "\0" in str(path):
            raise UsageError(f"expected the name of a file to write, but got {str(path)!r}")


def check_output_file(*paths: Path | str | None) -> None:
    """Refuse what `check_output` does, and names of folders, where a file is to be written.

    Raises:
        UsageError: naming the path.
    """
    check_output(*paths)
    for path in paths:
        if path is not None and (not Path(path).name or Path(path).name == ".." or _folder(path)):
            raise UsageError(f"{path}: expected a file to write, but it is a folder: name a file")


def _folder(path: Path | str) -> bool:
    """Return whether there is a folder; a path that leads nowhere is refused where it is opened."""
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def prepare_outputs(inputs: Iterable[Path], outputs: Iterable[Path | str | None]) -> None:
    """Refuse outputs that cannot be written, and remove what killed commands left of the others.

    Args:
        inputs: files that the same command reads.
        outputs: files and folders that are to be written; None is none.

    Raises:
        UsageError: for one that is read, or that would be replaced although it is no file: a link
            to one, a pipe, a device.
    """
    read = set(map(os.path.realpath, inputs))
    for path in (Path(each) for each in outputs if each is not None):
        if os.path.realpath(path) in read:
            raise UsageError(f"{path} is read here and would be overwritten: name another file")
        kind = "" if path.is_dir() else special_kind(path)
        if kind or (path.is_symlink() and not path.is_dir()):
            raise UsageError(
                f"{path}: expected the name of a file to write, but there is {_what(path, kind)}, "
                "which a file would replace: name a file"
            )
        remove_abandoned(path.absolute())


def _what(path: Path, kind: str) -> str:
    """Return what stands where a file is to be written."""
    if path.is_symlink() and not kind.startswith("a link"):
        return f"a link to {path.readlink()}"
    return kind
