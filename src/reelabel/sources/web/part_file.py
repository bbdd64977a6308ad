"""A file that is being fetched: appended to, synced as it grows, named when it is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from reelabel.sources.fetching.journal import Part
from reelabel.sources.web.headers import Validators
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.sniff import HEAD_BYTES

SYNC_BYTES = 256 << 10
"""Bytes after which a file is synced and its length noted: a kill costs no more than these, what
the system has received meanwhile, and what is under way."""
SUFFIX = ".part"
_READ = 1 << 20

Note = Callable[[Part, int], None]
"""Notes how much is on disk, and how many bytes came since it was called last."""


@contextlib.contextmanager
def disk_failures(path: Path) -> Iterator[None]:
    """Translate a disk that is full or cannot be written into an outcome.

    Raises:
        FetchFailure: ``disk``.
    """
    try:
        yield
    except OSError as exc:
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else str(exc.strerror or exc)
        raise FetchFailure("disk", f"{path.name}: {reason}") from exc


class PartFile:
    """The bytes of a file that are there so far, and their hash.

    Args:
        path: of the partial file; what an earlier attempt left there is kept as far as `part`
            states that it is on disk.
        part: what is known of it.
        note: called after each sync.

    Attributes:
        part: what is known of it now.
        fetched_bytes: that were written by this object, also those that were thrown away again.

    Raises:
        FetchFailure: ``disk`` if it cannot be written.
    """

    def __init__(self, path: Path, part: Part, note: Note) -> None:
        self.path, self.part, self._note = path, part, note
        self._length = 0
        self.fetched_bytes = self._noted_bytes = 0
        self.head = b""
        self._hash = hashlib.sha256()
        with disk_failures(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            self._resume()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    @property
    def length(self) -> int:
        """Return the number of bytes that are there."""
        return self._length

    @property
    def whole(self) -> bool:
        """Return whether all bytes are there, as far as the size is known."""
        return self.part.size_bytes is not None and self._length == self.part.size_bytes

    @property
    def sha256(self) -> str:
        """Return the hash of all bytes, hexadecimal."""
        return self._hash.hexdigest()

    def expect(self, size_bytes: int | None, validators: Validators) -> None:
        """Note of which version and size the file is."""
        self.part = replace(
            self.part,
            size_bytes=size_bytes,
            etag=validators.etag,
            modified=validators.modified,
        )

    def write(self, data: bytes) -> None:
        """Append bytes.

        Raises:
            FetchFailure: ``disk``.
        """
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        self._hash.update(data)
        with disk_failures(self.path):
            left = memoryview(data)
            while left:
                left = left[os.write(self._file, left) :]
        self._length += len(data)
        self.fetched_bytes += len(data)
        if self._length - self.part.done_bytes >= SYNC_BYTES:
            self.sync()

    def sync(self) -> None:
        """Have the disk hold what came, and note it.

        Raises:
            FetchFailure: ``disk``.
        """
        if self._length == self.part.done_bytes and self.fetched_bytes == self._noted_bytes:
            return
        self.flush()
        self.part = replace(self.part, done_bytes=self._length)
        self._note(self.part, self.fetched_bytes - self._noted_bytes)
        self._noted_bytes = self.fetched_bytes

    def flush(self) -> None:
        """Have the disk hold what came.

        Raises:
            FetchFailure: ``disk``.
        """
        with disk_failures(self.path):
            os.fdatasync(self._file)

    @property
    def unnoted_bytes(self) -> int:
        """Return the number of bytes that came and were not noted yet."""
        return self.fetched_bytes - self._noted_bytes

    def start_anew(self, *, changed: bool = False) -> None:
        """Throw away all bytes; `changed`: because the file is another one now.

        Raises:
            FetchFailure: ``changed`` the second time; ``disk``.
        """
        changes = self.part.changes + changed
        with disk_failures(self.path):
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
        self._length, self.head, self._hash = 0, b"", hashlib.sha256()
        self.part = Part(changes=changes)
        self._note(self.part, self.unnoted_bytes)
        self._noted_bytes = self.fetched_bytes
        if changes > 1:
            raise FetchFailure("changed", "the file changed again while it was fetched")

    def _resume(self) -> None:
        """Keep what is on disk for certain, and read it for the hash."""
        with disk_failures(self.path):
            kept = min(self.part.done_bytes, os.fstat(self._file).st_size)
            os.ftruncate(self._file, kept)
            while data := os.read(self._file, min(_READ, kept - self._length)):
                if len(self.head) < HEAD_BYTES:
                    self.head += data[: HEAD_BYTES - len(self.head)]
                self._hash.update(data)
                self._length += len(data)
        self.part = replace(self.part, done_bytes=self._length)


def finish(part: Path, target: Path) -> None:
    """Give a whole file its name.

    Raises:
        FetchFailure: ``disk``.
    """
    with disk_failures(target):
        part.replace(target)


def remove(path: Path) -> None:
    """Remove a partial file, if it is there.

    Raises:
        FetchFailure: ``disk``.
    """
    with disk_failures(path):
        path.unlink(missing_ok=True)
