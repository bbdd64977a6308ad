"""Which frames of a video form the windows that a clip classifier judges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Ints

T = TypeVar("T")

_HOLE = 2.5
"""A distance of more steps than this between two taken frames is a hole: where a step is no
multiple of the frame duration, frames are taken up to one duration late."""


class WindowSettings(Settings):
    """Which windows of frames are judged."""

    frames: int = Field(8, ge=2, le=256)
    """Pictures per window."""
    step_s: float = Field(0.2, ge=0, le=60)
    """Seconds between the pictures of a window; 0: every decoded frame."""
    mode: Literal["uniform", "dense"] = "uniform"
    """uniform: up to `per_video` windows, spread evenly; dense: all, end to end."""
    per_video: int = Field(5, ge=1, le=10_000)
    """Windows per video, for `uniform`; fewer where they would overlap."""
    short: Literal["pad", "skip"] = "pad"
    """A shot that is shorter than a window: repeat its last picture, or leave it out."""
    size_px: int = Field(256, ge=0, le=4096)
    """Longest side of the written pictures; 0: as they are."""
    jpeg_quality: int = Field(95, ge=1, le=100)
    """Quality of the written pictures."""


def find_windows(
    time_s: NDArray[np.float64], shot: Ints, settings: WindowSettings
) -> NDArray[np.int64]:
    """Return the windows of one video as positions in its frames.

    A window never contains a cut or a hole in time. In a shot that is shorter than a window the
    last picture is repeated, or there is none.

    Args:
        time_s: ``(n,)`` seconds of the taken frames, ascending.
        shot: ``(n,)`` number of each frame's shot.
        settings: the rules.

    Returns:
        ``(windows, settings.frames)`` int64, in order of time.
    """
    gaps_s = np.diff(time_s)
    usual_s = settings.step_s or (float(np.median(gaps_s)) if len(gaps_s) else 0.0)
    former, found = WindowFormer[int](settings, usual_s), list[tuple[int, ...]]()
    for at, when in enumerate(zip(time_s.tolist(), shot.tolist(), strict=True)):
        found += former.add(at, *when)
    found += former.end()
    whole = np.array(found, np.int64).reshape(-1, settings.frames)
    if settings.mode == "uniform" and len(whole) > settings.per_video:
        # The middles of equal parts: neither the first nor the last window is preferred.
        middles = (np.arange(settings.per_video) + 0.5) * len(whole) / settings.per_video
        whole = whole[middles.astype(int)]
    return whole


class WindowFormer(Generic[T]):
    """Forms windows of frames that come one after the other, end to end; see `find_windows`.

    It holds the frames of one window.

    Args:
        settings: the rules.
        usual_s: seconds between frames; a distance that is much longer is a hole.
    """

    def __init__(self, settings: WindowSettings, usual_s: float) -> None:
        self._settings, self._usual_s = settings, usual_s
        self._before: tuple[float, int] | None = None
        self._open: list[T] = []
        self._run_has_window = False

    def add(self, frame: T, time_s: float, shot: int) -> Iterator[tuple[T, ...]]:
        """Yield the windows that are finished by the next frame: of the run before, and its own.

        Args:
            frame: anything that stands for it.
            time_s: seconds.
            shot: number of its shot.
        """
        if self._before is not None:
            gap_s, before = time_s - self._before[0], self._before[1]
            if shot != before or gap_s > _HOLE * self._usual_s:
                yield from self.end()
        self._before = time_s, shot
        self._open.append(frame)
        if len(self._open) == self._settings.frames:
            yield tuple(self._open)
            self._open, self._run_has_window = [], True

    def end(self) -> Iterator[tuple[T, ...]]:
        """Yield the window of a run of frames that ends here and is shorter than a window."""
        if self._open and not self._run_has_window and self._settings.short == "pad":
            repeats = self._settings.frames - len(self._open)
            yield (*self._open, *[self._open[-1]] * repeats)
        self._open, self._run_has_window = [], False
