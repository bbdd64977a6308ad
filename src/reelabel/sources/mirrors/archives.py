"""Takes wanted files out of a tar archive while it comes in, without ever storing the archive.

Archives are hostile until checked. The names in them only decide which wanted file a member is:
where it is written is the caller's. Links, devices, sparse files and members outside the archive's
own folders are left out; what is read is bounded in members, in bytes of a member and in bytes of
all of them. Format: POSIX.1-2001 (pax), ustar and GNU tar, plain or in gzip (RFC 1952).
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

from reelabel.errors import WorkspaceError
from reelabel.files import write_chunks
from reelabel.sources.web.outcomes import FetchFailure

_BLOCK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_LONGEST_HEADER_BYTES = 1 << 20
"""Extended headers hold names and times; `tarfile` reads each into memory as a whole."""
_HEADERS = frozenset({
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
})
_ENDLESS = 100
"""So many reads in a row that bring nothing are a parser that does not see the end."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How much of one archive is read.

    Attributes:
        max_member_bytes: larger members are left out.
        max_total_bytes: of the archive when it is unpacked; beyond that it is given up.
        max_members: beyond that it is given up.
    """

    max_member_bytes: int = 500_000_000
    max_total_bytes: int = 50_000_000_000
    max_members: int = 100_000


@dataclass(frozen=True)
class Taken:
    """A member that was written.

    Attributes:
        name: of the member, without folders.
        path: the file, as the caller named it.
    """

    name: str
    path: Path


class Readable(Protocol):
    """What bytes come from: a file, or the body of an answer."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def take_members(
    stream: Readable, wanted: Mapping[str, Path], limits: ArchiveLimits
) -> Iterator[Taken]:
    """Write the wanted members of a tar archive, plain or gzip, and yield each when it is whole.

    The first whole member of a name is taken. Reading stops when nothing wanted is missing; the
    stream is left open. A file appears whole or not at all.

    Args:
        stream: the archive's bytes, from its first; need not be seekable.
        wanted: names of members without folders -> the files that they become.
        limits: what is read at most.

    Raises:
        FetchFailure: ``truncated`` if the archive ends early or is damaged, ``too_large`` beyond
            the limits, ``not_media`` if it is no archive, ``disk`` if a file cannot be written,
            ``network`` if the stream fails. What was yielded before stays.
    """
    missing = dict(wanted)
    archive = _Archive(stream, limits) if missing else None
    while archive is not None and missing:
        info = archive.next()
        if info is None:
            return
        name = _plain_name(info)
        if name in missing and 0 < info.size <= limits.max_member_bytes:
            yield archive.write(info, missing.pop(name))


def _plain_name(info: tarfile.TarInfo) -> str:
    """Return the name of a member without its folders, empty for one that is never taken."""
    path = PurePosixPath(info.name)
    if not info.isreg() or info.issparse() or path.is_absolute() or ".." in path.parts:
        return ""
    return path.name


class _Archive:
    """A tar archive that is read once, from its beginning to its end."""

    def __init__(self, stream: Readable, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._count = 0
        self._bytes = _Unpacked(stream, limits.max_total_bytes)
        self._tar: tarfile.TarFile | None = None

    def next(self) -> tarfile.TarInfo | None:
        """Return the next member, None at the end of the archive."""
        try:
            info = self._next()
        except FetchFailure:
            raise
        # A parser that meets hostile bytes may raise anything: RecursionError, ValueError ...
        except Exception as exc:
            if exc is self._bytes.raw.error:
                raise
            name = "truncated" if self._count else "not_media"
            raise FetchFailure(name, f"expected a tar archive, but {exc!r}") from exc
        self._count += info is not None
        if self._count > self._limits.max_members:
            raise FetchFailure(
                "too_large", f"the archive has more than {self._limits.max_members} members"
            )
        return info

    def _next(self) -> tarfile.TarInfo | None:
        if self._tar is None:
            kind = _checked_headers(self._bytes)
            source: Any = self._bytes
            self._tar = tarfile.TarFile.open(fileobj=source, mode="r|", tarinfo=kind)
        info = self._tar.next()
        # Each header is kept by default, which grows with the archive.
        self._tar.members = []  # type: ignore[attr-defined] # is missing in its types
        if info is None and not self._bytes.end_marked:
            raise EOFError("it ends without its end mark")
        return info

    def write(self, info: tarfile.TarInfo, path: Path) -> Taken:
        """Write a member to a file, which appears when it is whole."""
        try:
            write_chunks(path, self._content(info))
        except WorkspaceError as exc:
            raise FetchFailure("disk", str(exc)) from exc
        return Taken(PurePosixPath(info.name).name, path)

    def _content(self, info: tarfile.TarInfo) -> Iterator[bytes]:
        """Yield the bytes of a member, which are as many as its header states."""
        file = self._tar.extractfile(info) if self._tar is not None else None
        left = info.size
        while left and file is not None:
            try:
                block = file.read(min(left, _BLOCK_BYTES))
            except tarfile.TarError as exc:
                raise FetchFailure("truncated", f"{info.name}: {exc}") from exc
            if not block:
                break
            left -= len(block)
            yield block
        if left:
            raise FetchFailure("truncated", f"{info.name}: {left} bytes are missing")


class _Unpacked:
    """The unpacked bytes of a stream, counted.

    Attributes:
        end_marked: whether the block that ends an archive was met.
        raw: the stream.
    """

    def __init__(self, stream: Readable, max_bytes: int) -> None:
        self.end_marked = False
        self._left = max_bytes
        self._empty = 0
        self.raw = _Raw(stream)
        packed = io.BufferedReader(self.raw, _BLOCK_BYTES)
        is_gzip = packed.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        self._inner = gzip.GzipFile(fileobj=packed) if is_gzip else packed

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        try:
            # Not `read`, which loses what it has when the stream breaks off.
            block = self._inner.read1(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise FetchFailure("truncated", f"the archive is damaged or incomplete: {exc}") from exc
        self._left -= len(block)
        self._empty = 0 if block else self._empty + 1
        if self._left < 0:
            raise FetchFailure("too_large", "the archive unpacks to more than the limit")
        if self._empty > _ENDLESS:
            raise FetchFailure("truncated", "the archive ends inside a header")
        return block


class _Raw(io.RawIOBase):
    """What the standard library needs of a stream, around something that can only be read.

    Attributes:
        error: what the stream raised, such as that the user asked to stop; no fault of the archive.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as bytes come at once; return how many came.

        Raises:
            FetchFailure: ``network`` if the stream fails, so that it is not taken for the disk.
        """
        try:
            block = self._stream.read(len(buffer))
        except OSError as exc:
            raise FetchFailure("network", str(exc)) from exc
        except Exception as exc:
            self.error = exc
            raise
        buffer[: len(block)] = block
        return len(block)


def _checked_headers(source: _Unpacked) -> type[tarfile.TarInfo]:
    """Return a kind of header that refuses huge extensions and notes the end mark in `source`."""

    class CheckedHeader(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
            if len(buf) == tarfile.BLOCKSIZE and not any(buf):
                source.end_marked = True
            info = super().frombuf(buf, encoding, errors)
            if info.type in _HEADERS and info.size > _LONGEST_HEADER_BYTES:
                raise FetchFailure("too_large", f"a header of the archive has {info.size} bytes")
            return info

    return CheckedHeader
