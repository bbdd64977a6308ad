"""Files and folders that a user names for what a command writes, checked before it begins."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.file_kinds import special_kind
from reelabel.files import remove_abandoned


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
