"""The text format of the published flicker miner's output: the frames that hold a hard negative.

For each such frame the name of its picture, the number of its boxes, and for each box one line
``left top width height flag`` with six digits after the point; flag 1 is a box that was kept, 0 a
hard negative::

    video7/frame80.jpg
    2
    793.906304 529.870978 156.635036 111.995530 0
    120.500000 80.250000 64.000000 48.000000 1

Frames are numbered from 1. All boxes of the frame that reached the score are listed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from reelabel.errors import FormatError, UsageError
from reelabel.files import read_text, write_text

Box = tuple[float, float, float, float, int]
"""Left, top, width, height in pixels; 1 = kept, 0 = hard negative."""

Mined = tuple[int, list[Box]]
"""A frame's number, counted from 1, and its boxes."""

_NAME = re.compile(r"(?:.*/)?frame([1-9][0-9]{0,17})\.[A-Za-z0-9]+")
_COUNT = re.compile(r"[0-9]{1,9}")
_FIELDS = 5


def picture_name(number: int) -> str:
    """Return the name of a frame's picture."""
    return f"frame{number}.jpg"


def write_mined(path: Path, mined: Iterable[Mined], *, prefix: str = "") -> None:
    """Write mined frames, byte for byte as the published miner does.

    Args:
        path: the file.
        mined: the frames in order.
        prefix: the folder before each picture's name; the published miner writes its video's.

    Raises:
        UsageError: if the prefix holds a line break.
        WorkspaceError: if the file system refuses.
    """
    if prefix.splitlines() not in ([], [prefix]):
        raise UsageError(f"expected a picture folder without line breaks, but got {prefix!r}")
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    parts = []
    for number, boxes in mined:
        parts.append(f"{folder}{picture_name(number)}\n{len(boxes)}\n")
        parts += ["%f %f %f %f %d\n" % box for box in boxes]  # noqa: UP031 -- the format's own words
    write_text(path, "".join(parts))


def read_mined(path: Path) -> list[Mined]:
    """Return the frames of such a file.

    Raises:
        FormatError: naming the line: for a frame without a number, or out of order, a count that
            does not match, or a box that is not four finite numbers and a flag.
    """
    lines = read_text(path).splitlines()
    found: list[Mined] = []
    at = 0
    while at < len(lines):
        number = _number(path, lines, at, found[-1][0] if found else 0)
        count = lines[at + 1].strip() if at + 1 < len(lines) else "the end"
        if not _COUNT.fullmatch(count):
            raise _bad(path, at + 1, f"the number of boxes of frame {number}", count)
        end = at + 2 + int(count)
        if end > len(lines):
            raise _bad(path, len(lines), f"{count} boxes of frame {number}", "the end")
        found.append((number, [_box(path, lines, i) for i in range(at + 2, end)]))
        at = end
    return found


def _number(path: Path, lines: list[str], at: int, before: int) -> int:
    name = _NAME.fullmatch(lines[at].strip())
    if name is None or int(name[1]) <= before:
        wanted = f"the name of a picture such as {picture_name(before + 1)}, in rising order"
        raise _bad(path, at, wanted, lines[at])
    return int(name[1])


def _box(path: Path, lines: list[str], at: int) -> Box:
    fields = lines[at].split()
    try:
        left, top, width, height = map(float, fields[:4])
    except ValueError as exc:
        raise _bad(path, at, "'left top width height flag'", lines[at]) from exc
    flag = fields[4] if len(fields) == _FIELDS else ""
    finite = all(map(math.isfinite, (left, top, width, height)))
    if flag not in {"0", "1"} or not finite or min(width, height) < 0:
        raise _bad(path, at, "'left top width height flag', finite, flag 0 or 1", lines[at])
    return left, top, width, height, int(flag)


def _bad(path: Path, at: int, expected: str, came: str) -> FormatError:
    return FormatError(
        f"{path}: line {at + 1}: expected {expected}, but got {came[:80]!r}; mine the video again"
    )
