"""Files: atomic writes, text and JSON readers, safe names and paths.

Every file that must be whole goes through `scratch_file`: a temporary name in the same folder,
``fsync``, then a rename, so that a reader finds the old content or the new one and never a part.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import stat
import unicodedata
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from reelabel.errors import (
    FormatError,
    ShardError,
    UsageError,
    WorkspaceError,
    os_reason,
    os_sentence,
)
from reelabel.file_kinds import plain_file, special_kind

LONGEST_NAME = 60
"""Characters of a file name; at four bytes each they stay below what file systems take."""

_SCRATCH = re.compile(r"\..+\.\d+\.[0-9a-f]{8}\.tmp(\.\w+)?")
"""A name that `scratch_file` gives: ``.NAME.PROCESS.RANDOM.tmp``, maybe with a suffix."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors after which a command should end: no further file can be written."""


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Translate an `OSError` of writing `path` into an error that names the remedy.

    Raises:
        WorkspaceError: for a full disk, a missing permission, a bad path, a folder in its place.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.EISDIR, errno.ENXIO}:  # about what stands at the error's own path
            raise WorkspaceError(os_sentence(exc, path)) from exc
        raise WorkspaceError(f"{path}: {os_reason(exc)}; what was done so far is kept") from exc


@contextlib.contextmanager
def scratch_file(path: Path, *, sync: bool = True, suffix: str = "") -> Iterator[Path]:
    """Yield a temporary path beside `path`; at the end of the block the file there becomes `path`.

    Args:
        path: the file; its folder is made.
        sync: False for what can be made again, such as pictures: after a power failure it may be
            empty, but it is never half-written by a killed process.
        suffix: what the temporary name ends in, for writers that choose a format by it.

    Raises:
        WorkspaceError: if it cannot be written. Nothing is left behind when the block fails.
    """
    scratch = path.with_name(
        f".{path.name[:LONGEST_NAME]}.{os.getpid()}.{secrets.token_hex(4)}.tmp{suffix}"
    )
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode_of_new(scratch)
        try:
            yield scratch
            scratch.chmod(mode)  # some writers make files that only their owner may read
            if sync:
                _sync(scratch)
            scratch.replace(path)
        finally:
            scratch.unlink(missing_ok=True)


def _mode_of_new(path: Path) -> int:
    """Make an empty file and return its permissions: those that the umask gives to new files."""
    with path.open("xb") as file:
        return stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def write_atomic(path: Path, write: Callable[[Path], object], *, sync: bool = True) -> None:
    """Let `write` fill a temporary file beside `path`, which then becomes `path`.

    Args:
        path: the file.
        write: given the temporary file's path.
        sync: as in `scratch_file`.

    Raises:
        WorkspaceError: if it cannot be written; nothing is left behind.
    """
    with scratch_file(path, sync=sync) as scratch:
        write(scratch)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed writes left in a folder, not in those below it.

    Only for folders that no other process writes to now.

    Raises:
        WorkspaceError: if one cannot be removed.
    """
    if not folder.is_dir():
        return
    with explained(folder), os.scandir(folder) as entries:
        for entry in entries:
            if is_scratch(entry.name):
                Path(entry.path).unlink(missing_ok=True)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files and folders of a path whose processes were killed.

    What cannot be removed, or whose process may still run, stays.
    """
    name = re.escape(path.name[:LONGEST_NAME])
    pattern = re.compile(rf"\.{name}\.(?P<process>\d+)\.[0-9a-f]{{8}}(\.old)?\.tmp(\.\w+)?")
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            found = pattern.fullmatch(entry.name)
            if found is None or _runs(int(found["process"])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Return whether a process with this number may run."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True


def is_scratch(name: str) -> bool:
    """Return whether `scratch_file` gives such names."""
    return _SCRATCH.fullmatch(name) is not None


def _sync(path: Path) -> None:
    """Have the disk hold what was written."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes, *, sync: bool = True) -> None:
    """Write a file atomically, and its folder; see `write_atomic`.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    write_atomic(path, lambda scratch: scratch.write_bytes(content), sync=sync)


def write_chunks(path: Path, chunks: Iterable[bytes], *, sync: bool = True) -> None:
    """Write a file atomically from parts, of which one is in memory at a time; see `write_atomic`.

    Args:
        path: the file; its folder is made before the first part is asked for.
        chunks: the parts in order. What raises among them leaves the file as it was.
        sync: as in `scratch_file`.

    Raises:
        WorkspaceError: if it cannot be written.
    """

    def write(scratch: Path) -> None:
        with scratch.open("wb") as file:
            file.writelines(chunks)

    write_atomic(path, write, sync=sync)


def write_text(path: Path, text: str | Iterable[str], *, atomic: bool = True) -> None:
    """Write a UTF-8 text file and its folder; line ends stay as they are.

    Args:
        path: the file.
        text: its content, or the parts of it.
        atomic: False for files in a folder that becomes visible as a whole, see `staged_folder`.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    chunks = (part.encode("utf-8") for part in ([text] if isinstance(text, str) else text))
    if atomic:
        write_chunks(path, chunks)
        return
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(chunks)


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically: indented, keys sorted, one newline at the end.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def read_text(
    path: Path, limit_bytes: int | None = None, *, stated: Callable[[bytes], str] = lambda _: ""
) -> str:
    """Return a text: in the encoding that is `stated` in it, else UTF-16 with its mark, else UTF-8.

    Raises:
        FormatError: if it cannot be read, is in another encoding, or is larger than `limit_bytes`.
    """
    if kind := special_kind(path):  # a pipe would be waited for without end
        raise FormatError(f"{path}: expected a text file, but it is {kind}: name a file")
    try:
        with path.open("rb") as file:
            raw = file.read(-1 if limit_bytes is None else limit_bytes + 1)
        if limit_bytes is not None and len(raw) > limit_bytes:
            raise FormatError(f"{path}: expected at most {limit_bytes} bytes, but it is larger")
        usual = "utf-16" if raw[:2] in {BOM_UTF16_BE, BOM_UTF16_LE} else "utf-8-sig"
        return raw.decode(stated(raw) or usual)
    except (OSError, ValueError, LookupError) as exc:
        raise FormatError(f"{path}: expected a text file in UTF-8, but {os_reason(exc)}") from exc


def has_file(path: Path) -> bool:
    """Return whether there is a file at a path of the workspace; False if there is nothing.

    Raises:
        ShardError: if there is something else, such as a folder, which would pass for no file.
    """
    if kind := special_kind(path):
        raise ShardError(f"{path}: expected a file, but it is {kind}: move it away and run again")
    return path.exists()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file of the workspace.

    Raises:
        ShardError: if it is damaged.
    """
    try:
        return json.loads(plain_file(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ShardError(
            f"{path}: expected JSON, but {os_reason(exc)}; delete it and run again"
        ) from exc


def new_folder(folder: Path) -> None:
    """Make a folder that must not hold anything yet.

    Raises:
        UsageError: if it exists and is not an empty folder.
        WorkspaceError: if it cannot be made.
    """
    with explained(folder):
        refuse_content(folder)
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def staged_folder(folder: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a folder to fill, which gets the name of `folder` when the block ends well.

    So the folder is whole or not there. It must be new or empty, unless it is replaced: then the
    old one stays until the new one is whole.

    Raises:
        UsageError: if it holds something.
        WorkspaceError: if it cannot be made.
    """
    folder = folder.absolute()
    scratch = folder.with_name(
        f".{folder.name[:LONGEST_NAME]}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    )
    remove_abandoned(folder)
    with explained(folder):
        if not replace:
            refuse_content(folder)
        old = scratch.with_suffix(".old.tmp")
        scratch.mkdir(parents=True)
        try:
            yield scratch
            if replace and folder.exists():
                folder.replace(old)
            _give_name(scratch, folder)
        finally:
            if old.exists() and not folder.exists():
                old.replace(folder)
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def _give_name(scratch: Path, folder: Path) -> None:
    try:
        scratch.replace(folder)
    except OSError:
        # An empty folder that cannot be replaced, such as a mount point, is filled.
        if not folder.is_dir():
            raise
        for path in scratch.iterdir():
            shutil.move(path, folder / path.name)


def refuse_content(folder: Path) -> None:
    """Refuse a path that is neither free nor an empty folder.

    Raises:
        UsageError: if it is something else.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"expected a new or empty folder, but {folder} holds files: name another")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, and make its folder; a copy, never a link: changing one leaves the other.

    Raises:
        FormatError: if there is no such file.
        WorkspaceError: if it cannot be written.
    """
    if not source.is_file():
        raise FormatError(f"expected a file at {source}, but there is none")
    with explained(target):
        try:
            shutil.copyfile(source, target)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def safe_join(folder: Path, name: str) -> Path:
    """Return ``folder / name`` if that lies inside the folder, links followed.

    Raises:
        FormatError: for a name that is empty, absolute, leaves the folder with ``..`` or through a
            link, or that no file system can hold.
    """
    path = join_inside(folder, name)
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as exc:
        raise FormatError(_outside(folder, name)) from exc
    if not inside:
        raise FormatError(_outside(folder, name))
    return path


def join_inside(folder: Path, name: str) -> Path:
    """Return ``folder / name`` as `safe_join` does, for a new folder: no link can be in it.

    Raises:
        FormatError: for a name that is empty, absolute or has ``..``.
    """
    parts = name.replace("\\", "/").split("/")
    absolute = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) is not None
    if absolute or ".." in parts or "\0" in name or not set(parts) - {"", "."}:
        raise FormatError(_outside(folder, name))
    return folder / name


def _outside(folder: Path, name: str) -> str:
    return (
        f"expected the name of a file inside {folder}, but got {name[:200]!r}: "
        "put the file into that folder and name it relative to it"
    )


def safe_stem(name: str) -> str:
    r"""Return a file name of letters, digits, ``_``, ``-`` and inner dots, never empty.

    >>> safe_stem("../a b\n"), safe_stem("con"), safe_stem("")
    ('a_b', 'con_', 'picture')
    """
    # Composed letters, so that file systems that compose names store the same one.
    plain = unicodedata.normalize("NFC", name)
    kept = "".join(c if c.isalnum() or c in "-._" else "_" for c in plain)
    # Of a long name the end is kept: frame numbers are there.
    stem = kept[-LONGEST_NAME:].strip("._-")
    if re.fullmatch(r"(?i:con|prn|aux|nul|com\d|lpt\d)(\..*)?", stem):
        return f"{stem}_"
    return stem or "picture"
