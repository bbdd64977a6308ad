"""Manifests as text, read in parts: memory does not grow with the file.

A damaged row costs that row: a quote that is not closed, a line without end, bytes that are no
UTF-8. CSV is that of RFC 4180, read by `csv`; JSON that of RFC 8259, read by `json`.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from reelabel.errors import FormatError
from reelabel.files import explained
from reelabel.sources.manifests.entries import Tally

LONGEST_LINE = 2**20
"""Bytes of a line; what is longer is cut there, and so damaged."""
_CHUNK = 2**18


@contextlib.contextmanager
def open_text(path: Path, *, lines: bool = True) -> Iterator[IO[str]]:
    """Yield a text file, unpacked if its name ends in .gz.

    Text is UTF-8, or UTF-16 with its mark; other bytes become surrogates, which
    `reelabel.sources.manifests.entries.decoded` mends.

    Args:
        path: the file.
        lines: cut lines that are longer than `LONGEST_LINE`; not for JSON, which may be one line.

    Raises:
        FormatError: if there is no such file, or its packed content is damaged.
        WorkspaceError: if it cannot be read.
    """
    if not path.is_file():
        raise FormatError(f"{path}: expected a manifest, but there is no such file")
    with explained(path), _opened(path) as binary:
        try:
            mark = binary.peek(2)[:2]
            if mark in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                yield io.TextIOWrapper(binary, encoding="utf-16", errors="replace", newline="")
                return
            whole = io.BufferedReader(_ShortLines(binary), _CHUNK) if lines else binary
            yield io.TextIOWrapper(
                whole, encoding="utf-8-sig", errors="surrogateescape", newline=""
            )
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise FormatError(f"{path}: expected a whole gzip file, but {exc}; replace it") from exc


def _opened(path: Path) -> io.BufferedReader[Any]:
    if path.suffix.lower() == ".gz":
        return io.BufferedReader(cast("io.RawIOBase", gzip.open(path)), _CHUNK)
    return io.BufferedReader(io.FileIO(path), _CHUNK)


class _ShortLines(io.RawIOBase):
    """A binary file whose lines are cut to `LONGEST_LINE`, so that one without end fits."""

    def __init__(self, file: io.BufferedReader[Any]) -> None:
        self._file, self._run = file, 0

    def readable(self) -> bool:
        """Return True: it is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; see `io.RawIOBase`."""
        while data := self._file.read1(len(buffer)):
            if kept := self._kept(data):
                buffer[: len(kept)] = kept
                return len(kept)
        return 0

    def _kept(self, data: bytes) -> bytes:
        """Return the next bytes without what is too much of a line that began before them."""
        room, first = max(LONGEST_LINE - self._run, 0), data.find(b"\n")
        if first < 0:
            self._run += len(data)
            return data[:room]
        self._run = len(data) - data.rfind(b"\n") - 1
        return data if first <= room else data[:room] + data[first:]


def suffix_of(path: Path) -> str:
    """Return the suffix of a file's name in small letters, without .gz."""
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix


class CsvRows:
    """The rows of a CSV file, each as its cells; empty lines are left out.

    Args:
        file: opened by `open_text`.
        tally: receives the rows that are damaged.
        delimiter: what divides cells.

    Attributes:
        line: number of the last line that was read.
        width: number of cells of a row if it is known: a row of several lines that has another
            one begins with a quote that was never closed.
    """

    def __init__(self, file: IO[str], tally: Tally, delimiter: str) -> None:
        self._file, self._tally, self._delimiter = file, tally, delimiter
        self._taken: list[str] = []
        self._again: deque[str] = deque()
        self.line, self.width = 0, 0

    @property
    def where(self) -> str:
        """Return the place of the last row for messages."""
        return f"line {self.line}"

    def __iter__(self) -> Iterator[list[str]]:
        going = True
        while going:
            try:
                yield from self._until_damage()
                going = False
            except csv.Error as exc:
                self._damaged(exc)

    def _until_damage(self) -> Iterator[list[str]]:
        taken = self._taken
        how: dict[str, Any] = {
            "delimiter": self._delimiter,
            "strict": True,
            "skipinitialspace": True,
        }
        for cells in csv.reader(self._lines(), **how):
            if len(taken) > 1 and self.width not in {0, len(cells)}:
                raise csv.Error("its quotes do not match")
            self.line += len(taken)
            taken.clear()
            if cells:
                yield cells

    def _lines(self) -> Iterator[str]:
        """Yield the lines, first those that are read again."""
        keep, again = self._taken.append, self._again
        while again:
            line = again.popleft()
            keep(line)
            yield line
        for line in self._file:
            keep(line)
            yield line

    def _damaged(self, why: csv.Error) -> None:
        """Refuse the first line of a damaged row, and have the others read again."""
        self.line += 1
        self._tally.rows += 1
        self._tally.refuse(self.where, f"expected CSV, but {why}")
        self._again.extendleft(reversed(self._taken[1:]))
        self._taken.clear()
