"""A registered video: its file, size and time base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Video:
    """One row of the table `videos`, with the path resolved.

    Attributes:
        video_id: name given by the content.
        path: the file.
        name: file name, for people.
        role: ``footage`` is sampled and labelled, ``test`` is only evaluated on.
        origin: address or manifest entry that it came from, empty if it is the user's own.
        licence: empty if unknown.
        size_bytes: file size.
        container: container format.
        codec: codec of the picture stream.
        width: of the upright picture with square pixels.
        height: of the upright picture with square pixels.
        rotation: clockwise turn in degrees that makes it upright.
        time_base: seconds per tick of a presentation time stamp.
        start_pts: first time stamp, in ticks.
        duration_s: length of the picture stream.
        fps: average frame rate, for display.
        state: ``ok`` or ``failed``.
        error: why it failed, empty if it did not.
    """

    video_id: str
    path: Path
    name: str
    role: str
    origin: str
    licence: str
    size_bytes: int
    container: str
    codec: str
    width: int
    height: int
    rotation: int
    time_base: Fraction
    start_pts: int
    duration_s: float
    fps: float
    state: str
    error: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any], root: Path) -> Video:
        """Return the video of a row; a relative path is below `root`, the workspace."""
        values = dict(row)
        num, den = values.pop("time_base_num"), values.pop("time_base_den")
        # A file that could not be read has no time base.
        time_base = Fraction(int(num), int(den)) if den else Fraction(1)
        return cls(**values | {"path": root / str(row["path"]), "time_base": time_base})

    @cached_property
    def facts(self) -> str:
        """Return all attributes but path and name: moved or renamed footage is the same footage."""
        return repr(_FACTS(self))

    @property
    def size_wh(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        return self.width, self.height

    @property
    def usable(self) -> bool:
        """Return whether the file could be read when it was registered."""
        return self.state == "ok"

    @property
    def is_test(self) -> bool:
        """Return whether it is only evaluated on."""
        return self.role == "test"

    def time_s(self, pts: int) -> float:
        """Return seconds from the first frame to a time stamp."""
        return float((pts - self.start_pts) * self.time_base)


_FACTS = attrgetter(*(f.name for f in fields(Video) if f.name not in {"path", "name"}))
