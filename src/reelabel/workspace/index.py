"""Indexes: what the shards of a folder hold, in one read instead of one per shard.

An index is a file beside the shards with one line per shard. It is a cache: the shards are the
truth, and it may be deleted at any time. Each line carries the size, the change time and the inode
of its shard, so that one listing of the folder shows which lines still describe the files there;
every other shard is read itself. Readers write the index, writers of shards do not touch it.

A file may be replaced within one step of the file system's clock by another one of the same size
and inode. A line is therefore only written for a shard that was older than `SETTLED_NS` when it
was read: any later change gives it another change time.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import tempfile
import zlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from reelabel.errors import WorkspaceError
from reelabel.file_kinds import plain_file
from reelabel.files import write_bytes

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

SUFFIX = ".parquet"
"""Of a shard's file."""
SETTLED_NS = 2_000_000_000
"""The coarsest clock step of a file system in use (FAT), in nanoseconds."""
_LOADED = 4
"""Indexes that are kept in memory: those that one stage reads or writes, on average."""

Stamp = tuple[int, int, int]
"""Size in bytes, change time in nanoseconds, inode. Unlike the modification time, the change time
cannot be set, and a rename renews it."""


class Kind(Hashable, Protocol[T_co]):
    """What an index holds of each shard."""

    @property
    def file(self) -> str:
        """Return the name of the index's file; readers of Parquet folders skip ``_...``."""
        ...

    @property
    def layout(self) -> str:
        """Return what changes when older indexes cannot be read any more."""
        ...

    def read(self, shard: Path) -> Any:
        """Return the JSON value of one shard, None if the shard is to be left out."""
        ...

    def decode(self, value: Any) -> T_co:
        """Return what callers get for a JSON value."""
        ...


@dataclass(frozen=True)
class _Index(Generic[T]):
    """The content of an index: the stamp and the value of each shard, by key."""

    stamps: Mapping[str, Stamp]
    values: Mapping[str, T]


def indexed(folder: Path, kind: Kind[T]) -> Mapping[str, T]:
    """Return what every readable shard of a folder holds, by key, sorted by key."""
    listed = _listed(folder)
    index = _load(folder / kind.file, kind)
    if index.stamps == listed:
        return index.values
    clock_ns = _clock_ns(folder)  # before any shard is read: a later change has a later time
    same = {key for key, stamp in listed.items() if index.stamps.get(key) == stamp}
    read = {key: kind.read(folder / (key + SUFFIX)) for key in sorted(listed.keys() - same)}
    read = {key: value for key, value in read.items() if value is not None}
    settled = [key for key in read if listed[key][1] + SETTLED_NS <= clock_ns]
    if settled or len(same) < len(index.stamps):
        _save(folder / kind.file, kind, listed, {key: read[key] for key in settled})
    found = {key: index.values[key] for key in same}
    found |= {key: kind.decode(value) for key, value in read.items()}
    return dict(sorted(found.items()))


def shard_keys(folder: Path) -> list[str]:
    """Return the keys of a folder's shards, sorted; none if there is no folder."""
    return sorted(entry.name.removesuffix(SUFFIX) for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return the directory entries of a folder's shards; none if there is no folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return [e for e in entries if e.name.endswith(SUFFIX) and e.name[0] != "."]


def _listed(folder: Path) -> dict[str, Stamp]:
    """Return the stamps of a folder's shards by key."""
    found: dict[str, Stamp] = {}
    cut = -len(SUFFIX)
    for entry in _entries(folder):
        try:
            stat = entry.stat()
        except FileNotFoundError:  # removed a moment ago
            continue
        except OSError:  # a link in a circle: reading it tells that it is damaged
            stat = entry.stat(follow_symlinks=False)
        found[entry.name[:cut]] = _stamp(stat)
    return found


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_size, stat.st_ctime_ns, stat.st_ino


def _clock_ns(folder: Path) -> int:
    """Return the time by the clock of the folder's file system; 0 if nothing can be written."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_ctime_ns
    return 0


def _load(path: Path, kind: Kind[T]) -> _Index[T]:
    """Return an index, empty if there is none or it is damaged."""
    try:
        stamp = _stamp(path.stat())
    except OSError:
        return _Index({}, {})
    return _loaded(path, kind, stamp)


@functools.lru_cache(maxsize=_LOADED)
def _loaded(path: Path, kind: Kind[T], stamp: Stamp) -> _Index[T]:
    """Return the index in a file that has this stamp."""
    del stamp
    lines = _lines(path, kind)
    stamps = {key: (size, changed_ns, inode) for key, size, changed_ns, inode, _ in lines}
    return _Index(stamps, {line[0]: kind.decode(line[4]) for line in lines})


def _lines(path: Path, kind: Kind[Any]) -> list[list[Any]]:
    """Return the lines of an index: key, size, change time, inode, value; none if damaged."""
    try:
        head, _, body = plain_file(path).read_bytes().partition(b"\n")
        if json.loads(head) == _head(kind, body):
            lines: list[list[Any]] = json.loads(b"[" + body.replace(b"\n", b",") + b"]")
            return lines
    except (OSError, ValueError):
        pass
    return []


def _head(kind: Kind[Any], body: bytes) -> dict[str, Any]:
    """Return the first line of an index: what its lines hold, and their checksum."""
    return {"layout": kind.layout, "crc32": zlib.crc32(body)}


def _save(path: Path, kind: Kind[Any], listed: Mapping[str, Stamp], new: Mapping[str, Any]) -> None:
    """Write the index with new values; lines that describe no file any more are dropped."""
    lines = {
        line[0]: line for line in _lines(path, kind) if listed.get(line[0]) == tuple(line[1:4])
    }
    lines |= {key: [key, *listed[key], value] for key, value in new.items()}
    body = "\n".join(json.dumps(lines[key], separators=(",", ":")) for key in sorted(lines))
    raw = body.encode()
    with contextlib.suppress(WorkspaceError):  # without it, shards are read one by one
        write_bytes(path, json.dumps(_head(kind, raw)).encode() + b"\n" + raw, sync=False)
