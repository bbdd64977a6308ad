"""Signatures of frames: what they show in 32 x 32 grey levels, without black bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from reelabel.media.convert import Picture
from reelabel.media.decoder import Decoder
from reelabel.media.quality import ANALYSIS_WH
from reelabel.media.stream import scan
from reelabel.media.video import frames

SIDE = 32
STEP_S, MOST = 0.5, 32
"""Seconds between the frames of a video that have a signature at least, and how many at most."""
_BAR_LEVEL, _BAR_SHARE = 40, 0.98
"""A line belongs to a bar if so many of its pixels are no lighter than this."""
_MOST_BARS = 0.7
"""A picture whose bars would take more of a side is dark as a whole: nothing is cut off."""


def signature(grey: Picture) -> bytes:
    """Return 32 x 32 grey levels of a picture, row by row: 1024 bytes.

    Args:
        grey: ``(height, width)`` uint8.
    """
    small = cv2.resize(without_bars(grey), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return bytes(small.astype(np.uint8))


def without_bars(grey: Picture) -> Picture:
    """Return the part of a picture that black bars leave free."""
    dark = grey <= _BAR_LEVEL
    parts = []
    for axis in (1, 0):
        free = np.flatnonzero(dark.mean(axis=axis) < _BAR_SHARE)
        side = grey.shape[1 - axis]
        first, last = (int(free[0]), int(free[-1]) + 1) if len(free) else (0, side)
        parts.append(slice(first, last) if last - first >= side * (1 - _MOST_BARS) else slice(None))
    return grey[parts[0], parts[1]]


def chosen(time_s: Sequence[float]) -> list[int]:
    """Return which of ``n`` frames have a signature: half a second apart, at most 32, and the last.

    Args:
        time_s: ascending.
    """
    step_s = STEP_S
    while True:
        taken: list[int] = []
        for i, at in enumerate(time_s):
            if not taken or at - time_s[taken[-1]] >= step_s - 1e-6:
                taken.append(i)
        if len(taken) < MOST:
            return sorted({*taken, len(time_s) - 1}) if taken else []
        step_s *= 2


def spread_signatures(path: Path | str) -> list[bytes]:
    """Return the signatures of frames that are spread over a video, see `chosen`.

    Args:
        path: a video or picture file; places that cannot be decoded are passed over.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    pts = scan(path).pts
    with Decoder(path, threads=1) as decoder:
        base = float(decoder.time_base)
    taken = chosen((pts * base).tolist())
    found = frames(path, [int(pts[i]) for i in taken], on_error=lambda _: None)
    return [signature(frame.grey(ANALYSIS_WH)) for frame in found]
