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

from collections.abc import Iterable
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.files import write_text

Box = tuple[float, float, float, float, int]
"""Left, top, width, height in pixels; 1 = kept, 0 = hard negative."""

Mined = tuple[int, list[Box]]
"""A frame's number, counted from 1, and its boxes."""


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
