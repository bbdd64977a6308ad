"""The text format of the published flicker miner: all detections of one video, of one class.

One block for every frame, also for those without a box, and for each box one line
``left top width height score`` with six digits after the point::

    FRAME NUMBER: 1
    2
    10.369361 48.330685 191.422612 85.717577 0.860968
    33.588057 10.296804 167.034197 101.251291 0.688919
    FRAME NUMBER: 2
    0

Frames are numbered from 1; a header may also be the number alone. ``width = x2 - x1 + 1`` where
``x2`` is the last column that the box covers: ``left + width`` is the first one behind it, and so
the four numbers are this project's ``xywh`` as they stand. A block's position is its frame index,
counted from 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import FormatError
from reelabel.files import read_text, safe_stem, write_text

Block = NDArray[np.float64]
"""``(n, 5)``: left, top, width, height in pixels, score in 0..1."""

_HEADER = re.compile(r"(?:FRAME NUMBER: *)?([0-9]{1,18})")
_COUNT = re.compile(r"[0-9]{1,9}")
_FIELDS = 5


def read_detections(path: Path, *, strict: bool = True) -> list[Block]:
    """Return the boxes of each frame, ``(n, 5)`` float64 each.

    Args:
        path: the file.
        strict: False ignores the header lines, as the published miner does: a block's position
            alone is its frame. Everything else is checked all the same.

    Raises:
        FormatError: naming the line: for a header out of turn (a block is missing or stands
            twice), a count that does not match, a box that is not five finite numbers, is negative
            in size or has a score outside 0..1.
    """
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    reader = _Reader(str(path), lines, strict)
    blocks: list[Block] = []
    while reader.at < len(lines):
        blocks.append(reader.block(len(blocks) + 1))
    return blocks


def is_header(line: str) -> bool:
    """Return whether a line is the header of a block: a frame's number, or with its words.

    >>> is_header("FRAME NUMBER: 1"), is_header("1"), is_header("hello")
    (True, True, False)
    """
    return _HEADER.fullmatch(line.strip()) is not None


@dataclass
class _Reader:
    path: str
    lines: list[str]
    strict: bool
    at: int = 0

    def block(self, number: int) -> Block:
        header = self._next(f"the header of frame {number}")
        found = _HEADER.fullmatch(header.strip())
        if self.strict and (found is None or int(found[1]) != number):
            raise self._bad(
                f"'FRAME NUMBER: {number}' (one block for each frame, in order)", header
            )
        text = self._next(f"the number of boxes of frame {number}").strip()
        if not _COUNT.fullmatch(text):
            raise self._bad(f"the number of boxes of frame {number}", text)
        rows = [self._row(f"box {i + 1} of {text} of frame {number}") for i in range(int(text))]
        return np.array(rows, np.float64).reshape(-1, _FIELDS)

    def _next(self, what: str) -> str:
        if self.at == len(self.lines):
            raise FormatError(f"{self.path}: line {self.at + 1}: expected {what}, but got the end")
        self.at += 1
        return self.lines[self.at - 1]

    def _row(self, what: str) -> list[float]:
        line = self._next(what)
        try:
            row = [float(field) for field in line.split()]
        except ValueError:
            row = []
        if not (len(row) == _FIELDS and all(map(math.isfinite, row)) and "_" not in line):
            raise self._bad(f"{what} as 'left top width height score'", line)
        if min(row[2:4]) < 0 or not 0 <= row[4] <= 1:
            raise self._bad(f"{what} with a size from 0 up and a score in 0..1", line)
        return row

    def _bad(self, expected: str, came: str) -> FormatError:
        return FormatError(
            f"{self.path}: line {self.at}: expected {expected}, but got {came[:80]!r}; "
            "correct the line or detect the video again"
        )


def write_detections(path: Path, blocks: Iterable[Block]) -> None:
    """Write one block for each frame, byte for byte as the published detector does.

    Args:
        path: the file.
        blocks: the boxes of every frame, ``(n, 5)`` each.

    Raises:
        FormatError: if a block holds what `read_detections` would refuse.
        WorkspaceError: if the file system refuses.
    """
    parts: list[str] = []
    for number, block in enumerate(blocks, start=1):
        rows = _checked(number, block)
        parts.append(f"FRAME NUMBER: {number}\n{len(rows)}\n")
        parts += (" ".join(f"{value:.6f}" for value in row) + "\n" for row in rows)
    write_text(path, "".join(parts))


def _checked(number: int, block: Block) -> list[list[float]]:
    rows = np.asarray(block, np.float64)
    good = (
        rows.ndim == 2  # noqa: PLR2004 -- rows and columns
        and rows.shape[1] == _FIELDS
        and np.isfinite(rows).all()
        and (rows[:, 2:] >= 0).all()
        and (rows[:, 4] <= 1).all()
    )
    if not good:
        raise FormatError(
            f"expected (n, {_FIELDS}) finite numbers with sizes from 0 up and scores in 0..1 for "
            f"frame {number}, but got {str(rows.tolist())[:80]} of shape {rows.shape}"
        )
    listed: list[list[float]] = rows.tolist()
    return listed


def class_folders(classes: Iterable[str]) -> dict[str, str]:
    """Return the name of the folder that the texts of each class lie in.

    Raises:
        FormatError: if two classes would have the same, also on file systems that ignore
            upper and lower case.
    """
    folders = {name: safe_stem(name) for name in classes}
    used: dict[str, str] = {}
    for name, folder in folders.items():
        other = used.setdefault(folder.casefold(), name)
        if other != name:
            raise FormatError(
                f"expected classes that differ as names of folders, but '{other}' and '{name}' "
                f"are both '{folder}': rename one"
            )
    return folders
