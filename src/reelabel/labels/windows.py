"""Which frames of a video form the windows that a clip classifier judges."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Ints

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
    found: list[NDArray[np.int64]] = []
    for run in _runs(time_s, shot, settings.step_s):
        if len(run) >= settings.frames:
            count = len(run) // settings.frames
            found += np.split(run[: count * settings.frames], count)
        elif settings.short == "pad":
            found.append(np.pad(run, (0, settings.frames - len(run)), mode="edge"))
    whole = np.array(found, np.int64).reshape(-1, settings.frames)
    if settings.mode == "uniform" and len(whole) > settings.per_video:
        # The middles of equal parts: neither the first nor the last window is preferred.
        middles = (np.arange(settings.per_video) + 0.5) * len(whole) / settings.per_video
        whole = whole[middles.astype(int)]
    return whole


def _runs(time_s: NDArray[np.float64], shot: Ints, step_s: float) -> list[NDArray[np.int64]]:
    """Return the positions of frames that follow each other without a cut or a hole."""
    if not len(time_s):
        return []
    gaps_s = np.diff(time_s)
    usual_s = step_s or (float(np.median(gaps_s)) if len(gaps_s) else 0.0)
    breaks = np.flatnonzero((np.diff(shot) != 0) | (gaps_s > _HOLE * usual_s)) + 1
    return np.split(np.arange(len(time_s), dtype=np.int64), breaks)
