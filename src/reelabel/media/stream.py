"""When the frames of a video are shown, and what that says about seeking in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelabel.media.decoder import Decoder
from reelabel.media.opening import (
    has_presentation_times,
    open_video,
    picture_stream,
    read_packets,
)

# Containers with an index and exact presentation times for each packet. In all others a seek lands
# by byte position or by decode time, which is not exact enough to name a frame by.
_EXACT_SEEK = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Attributes:
        pts: ``(n,)`` int64, sorted: the time stamps of all frames, with those that turn out to be
            too damaged to be decoded.
        key_pts: ``(k,)`` int64, sorted: those from which decoding can start.
        num_packets: how many packets there are, with and without a time stamp.
        end_pts: where the last frame ends.
        regular: True if every packet has a time stamp of its own, so that decoding
            is not needed to know the frames'.
        seekable: True if it is also a container in which seeking is exact.
    """

    pts: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    num_packets: int
    end_pts: int
    regular: bool
    seekable: bool

    def nearest(self, pts: int) -> int | None:
        """Return the existing time stamp nearest to `pts`, the earlier of two."""
        if not len(self.pts):
            return None
        return int(self.pts[np.argmin(np.abs(self.pts - pts))])


def scan(path: Path | str) -> Timeline:
    """Return the timeline with the exact time stamps of all frames.

    They are read from the packets; where those do not tell, as in AVI, all frames are decoded.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    timeline = scan_packets(path)
    if timeline.regular:
        return timeline
    with Decoder(path) as decoder:
        return replace(timeline, pts=np.array([pts for pts, _ in decoder.pictures()], np.int64))


def scan_packets(path: Path | str) -> Timeline:
    """Read all packets of the picture stream without decoding; damaged places are skipped.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    with open_video(path) as container:
        stream = picture_stream(container, path)
        shown = [
            (packet.pts, packet.duration or 0, packet.is_keyframe)
            for packet in read_packets(container, stream, complain=lambda _: None)
            if packet is not None and not packet.is_discard
        ]
        has_times = has_presentation_times(container)
        exact = container.format.name in _EXACT_SEEK
    timed = sorted(each for each in shown if each[0] is not None)
    pts = np.array([each[0] for each in timed], np.int64)
    regular = has_times and len(pts) == len(shown) and bool((np.diff(pts) > 0).all())
    return Timeline(
        pts=pts,
        key_pts=np.array([each[0] for each in timed if each[2]], np.int64),
        num_packets=len(shown),
        end_pts=_end(pts, timed[-1][1] if timed else 0),
        regular=regular,
        seekable=regular and exact,
    )


def _end(pts: NDArray[np.int64], last_duration: int) -> int:
    if not len(pts):
        return 0
    if not last_duration and len(pts) > 1:
        last_duration = int(np.median(np.diff(pts)))
    return int(pts[-1]) + last_duration
