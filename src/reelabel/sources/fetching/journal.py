"""The journal of a source: what became of each wanted video, one line of JSON per change.

It is only ever appended to, so that a killed process loses at most its last line. A later line of a
video replaces an earlier one. Each line has a checksum. Reading leaves out what is no whole line or
was altered, and writes a journal anew that has become long. Five kinds of lines:

- ``row``: the outcome of the last attempt (columns of the table `downloads`);
- ``host``: until when a host is left alone, and why;
- ``part``: how much of a file is on disk, and of which version of it;
- ``archive``: an archive of a mirror that holds nothing more of what is wanted;
- ``day``: bytes that were fetched on a day: of archives, and of rows that were dropped when it was
  written anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from reelabel.checksums import sealed, unsealed
from reelabel.errors import ShardError
from reelabel.files import explained, write_chunks
from reelabel.tables import Row

NAME = "journal.jsonl"

_SYNC_S = 0.5
"""Lines are given to the system at once, which a kill survives, and to the disk this often."""
_SPARE_LINES = 10_000


@dataclass(frozen=True)
class Part:
    """How much of a file is on disk, and what version of it.

    Attributes:
        done_bytes: bytes of the partial file that are on disk for certain.
        size_bytes: of the whole file, None if unknown.
        etag: strong ETag, or empty.
        modified: Last-Modified, or empty.
        changes: how often the file changed while it was fetched.
    """

    done_bytes: int = 0
    size_bytes: int | None = None
    etag: str = ""
    modified: str = ""
    changes: int = 0


@dataclass
class History:
    """What a journal holds.

    Attributes:
        rows: the last outcome of each video, by want id.
        parts: partial files, by want id.
        day_bytes: bytes that were fetched, by day.
        hosts: until when a host is left alone (seconds since 1970), and why.
        came_bytes: bytes that came for a video since its last row.
        archives: archives that were read, by address, and what was wanted of them (`wants_key`).
    """

    rows: dict[str, Row] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    day_bytes: Counter[str] = field(default_factory=Counter)
    hosts: dict[str, tuple[float, str]] = field(default_factory=dict)
    came_bytes: Counter[str] = field(default_factory=Counter)
    archives: dict[str, str] = field(default_factory=dict)


class Journal:
    """Appends to the journal in a folder; used by all threads.

    Args:
        folder: of one source; it is made.

    Raises:
        WorkspaceError: if it cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock = threading.Lock()
        self._synced_at = 0.0
        with explained(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self.history, lines = _read(self._path)
            if lines > 2 * len(self.history.rows) + _SPARE_LINES:
                write_chunks(self._path, _lines_of(self.history))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(self._path, flags, 0o644)
            self._end_line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def row(self, want_id: str, row: Row, *, day: str = "", new_bytes: int = 0) -> None:
        """Write what became of a video, which ends its partial file if it is final.

        Args:
            want_id: the video.
            row: columns of the table `downloads`.
            day: on which the bytes of this attempt came.
            new_bytes: that came and that no ``part`` line has counted.
        """
        with self._lock:
            _take_row(self.history, want_id, row)
        self._append({"want": want_id, "row": row, "day": day, "bytes": new_bytes})

    def part(self, want_id: str, part: Part, *, day: str = "", new_bytes: int = 0) -> None:
        """Write how much of a file is on disk; the bytes are those that came since the last one."""
        with self._lock:
            self.history.parts[want_id] = part
            self.history.came_bytes[want_id] += new_bytes
        self._append({"want": want_id, "part": asdict(part), "day": day, "bytes": new_bytes})

    def host(self, name: str, until: float, why: str) -> None:
        """Write until when a host is left alone, in this run and later ones."""
        self._append({"host": name, "until": until, "why": why})

    def archive(self, url: str, wants: str) -> None:
        """Write that an archive need not be read again for the same wants (`wants_key`)."""
        self._append({"archive": url, "wants": wants})

    def day(self, day: str, count: int) -> None:
        """Write that bytes came on a day which belong to no single video."""
        self._append({"day": day, "bytes": count})

    def close(self) -> None:
        """Have the disk hold it, and close it."""
        with self._lock, explained(self._path):
            if self._file >= 0:
                os.fsync(self._file)
                os.close(self._file)
                self._file = -1

    def _append(self, line: dict[str, Any]) -> None:
        content = _encoded(line)
        with self._lock, explained(self._path):
            while content:
                content = content[os.write(self._file, content) :]
            if time.monotonic() - self._synced_at > _SYNC_S:
                os.fsync(self._file)
                self._synced_at = time.monotonic()

    def _end_line(self) -> None:
        """Keep a line that a kill cut off from swallowing the next one."""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            if size and file.read(1) != b"\n":
                os.write(self._file, b"\n")


def read_history(folder: Path) -> History:
    """Return what the journal of a source holds, empty if there is none.

    Raises:
        WorkspaceError: if it cannot be read.
    """
    with explained(folder / NAME):
        return _read(folder / NAME)[0]


def _read(path: Path) -> tuple[History, int]:
    """Return what a file holds, and the number of its lines."""
    history, lines = History(), 0
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            lines += 1
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, ShardError):
                _take(history, unsealed(json.loads(line), str(path)))
    return history, lines


def _take(history: History, line: dict[str, Any]) -> None:
    if line.get("day"):
        history.day_bytes[str(line["day"])] += int(line["bytes"])
    if "row" in line:
        _take_row(history, str(line["want"]), dict(line["row"]))
    elif "host" in line:
        history.hosts[str(line["host"])] = float(line["until"]), str(line["why"])
    elif "archive" in line:
        history.archives[str(line["archive"])] = str(line["wants"])
    elif "part" in line:
        history.parts[str(line["want"])] = Part(**line["part"])
        history.came_bytes[str(line["want"])] += int(line.get("bytes", 0))


def _take_row(history: History, want_id: str, row: Row) -> None:
    history.rows[want_id] = row
    history.came_bytes.pop(want_id, None)
    if row.get("final"):
        history.parts.pop(want_id, None)


def _lines_of(history: History) -> Iterator[bytes]:
    """Yield the lines of a journal that holds just that."""
    for day, count in history.day_bytes.items():
        yield _encoded({"day": day, "bytes": count})
    for name, (until, why) in history.hosts.items():
        yield _encoded({"host": name, "until": until, "why": why})
    for url, wants in history.archives.items():
        yield _encoded({"archive": url, "wants": wants})
    for want_id, row in history.rows.items():
        yield _encoded({"want": want_id, "row": row})
    for want_id, part in history.parts.items():
        came = history.came_bytes[want_id]
        yield _encoded({"want": want_id, "part": asdict(part), "bytes": came})


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(sealed(line), separators=(",", ":")).encode() + b"\n"
