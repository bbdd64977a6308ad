"""The files that stages write beside their tables: what they were when written, and still are.

Presence and size are compared whenever work is planned, by one listing per folder; content only
where a file is read, and by ``reelabel status --verify``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from reelabel.file_kinds import plain_file
from reelabel.files import explained, is_scratch

Files = dict[str, list[int]]
"""Path relative to the workspace -> size in bytes, CRC-32 of the content."""
_CHUNK = 1 << 20


def described(root: Path, paths: Iterable[Path]) -> Files:
    """Return size and CRC-32 of files by their path relative to the workspace.

    Raises:
        WorkspaceError: if one cannot be read.
    """
    with explained(root):
        return {str(path.relative_to(root)): _described(path) for path in sorted(paths)}


def files_below(folder: Path, aside: Collection[str] = ()) -> Iterator[Path]:
    """Yield the files in a folder and below, without what killed writes left behind.

    Args:
        folder: which need not exist.
        aside: names in the folder itself that are left out.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name in aside or is_scratch(path.name):
            continue
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path


def are_there(root: Path, files: Files) -> bool:
    """Return whether all files are there and have the sizes that they had."""
    listed: dict[str, Mapping[str, int]] = {}
    for name, (size, *_) in files.items():
        folder, _, last = name.rpartition("/")
        if folder not in listed:
            listed[folder] = _listed(root / folder)
        if listed[folder].get(last) != size:
            return False
    return True


def altered(root: Path, files: Files) -> Iterator[str]:
    """Yield the files that are missing or hold something else than they did; reads all of them."""
    for name, expected in files.items():
        try:
            if _described(root / name) == expected:
                continue
        except OSError:
            pass
        yield name


def _described(path: Path) -> list[int]:
    size = crc32 = 0
    with plain_file(path).open("rb") as file:
        while chunk := file.read(_CHUNK):
            size, crc32 = size + len(chunk), zlib.crc32(chunk, crc32)
    return [size, crc32]


def _listed(folder: Path) -> Mapping[str, int]:
    """Return the sizes of the regular files in a folder by name; none if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except OSError:
        return {}
