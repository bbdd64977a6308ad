"""Spans of a video as exactly their frames, encoded again, and what a span must hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from reelabel.errors import UsageError
from reelabel.media.convert import Size
from reelabel.media.cursor import Cursor
from reelabel.media.encode import VideoWriter
from reelabel.media.frame import Frame
from reelabel.media.pictures import of_size
from reelabel.media.stream import Timeline

_END_SLACK_S = 0.5  # manifests round; an end this little behind the video's end is its end
_TICK_SLACK_S = 1e-3  # seconds given as float may lie a little behind their time stamp


@dataclass(frozen=True)
class WrittenSpan:
    """The span that a file holds, in seconds from the first frame of its source.

    Attributes:
        start_s: when its first frame is shown.
        end_s: when its last frame is no longer shown.
    """

    start_s: float
    end_s: float


@dataclass(frozen=True)
class AskedSpan:
    """The span that is asked for, in seconds from the first frame.

    Attributes:
        start_s, end_s: first instant in it, and first instant behind it.
        allow_short: whether it may run beyond the end of the video.
    """

    start_s: float
    end_s: float
    allow_short: bool = False

    def written(self, start_s: float, end_s: float, *, complete: bool) -> WrittenSpan:
        """Return the span that was written.

        Args:
            start_s: when the first frame that is written is shown.
            end_s: when the last one is no longer shown.
            complete: whether the video goes on behind it.

        Raises:
            UsageError: if it is not what was asked for.
        """
        if end_s <= self.start_s - _TICK_SLACK_S:
            raise self.beyond(end_s)
        if not (complete or self.allow_short or end_s >= self.end_s - _END_SLACK_S):
            raise UsageError(
                f"the end of the span, {self.end_s} s, is beyond the video, which lasts "
                f"{end_s:.3f} s: name an earlier end"
            )
        return WrittenSpan(start_s, end_s)

    def beyond(self, length_s: float) -> UsageError:
        """Return the error of a start behind the last frame."""
        lasts = f", which lasts {length_s:.3f} s" if length_s > 0 else ""
        return UsageError(f"the start of the span, {self.start_s} s, is beyond the video{lasts}")


@dataclass(frozen=True)
class WrittenFrames:
    """The frames that were written, in units of the time base of their source.

    Attributes:
        first: when the first one is shown.
        until: when the last one is no longer shown.
        complete: whether a frame behind the span was met.
    """

    first: int
    until: int
    complete: bool


def write_frames(writer: VideoWriter, frames: Iterable[Frame], end: int) -> WrittenFrames | None:
    """Write frames before a time stamp into a video that begins at 0; None if there is none.

    All get the size of the first: the resolution may change in the middle of a video.
    """
    times: list[int] = []
    size_wh: Size | None = None
    complete = False
    for frame in frames:
        times.append(frame.pts)
        if complete := frame.pts >= end:
            break
        rgb = frame.rgb()
        size_wh = size_wh or (rgb.shape[1], rgb.shape[0])
        writer.write(of_size(rgb, size_wh), frame.pts - times[0])
    if len(times) <= complete:
        return None
    return WrittenFrames(times[0], _until(times, complete=complete), complete)


def encode_span(path: Path, asked: AskedSpan, target: Path, timeline: Timeline) -> WrittenSpan:
    """Write exactly the frames of a span of a video file: those that `decode` yields, at its times.

    Args:
        path: the video.
        asked: the span.
        target: the file to write, .mp4, .mkv or .mov.
        timeline: of `scan_packets`.

    Raises:
        UsageError: as `AskedSpan.written`.
        MediaError: if the video cannot be read, or the target not be written.
    """
    with Cursor(path, timeline=timeline) as cursor:
        first, base = cursor.pts_at(asked.start_s), cursor.time_base
        cursor.approach(first)
        frames = (frame for frame in cursor.frames() if frame.pts >= first)
        rate = timeline.num_packets / (timeline.length * base) if timeline.length else 25
        with VideoWriter(target, time_base=base, rate=rate) as writer:
            found = write_frames(writer, frames, cursor.pts_at(asked.end_s))
            if found is None:
                raise asked.beyond(0)
            start_s, end_s = (
                float((pts - cursor.start_pts) * base) for pts in (found.first, found.until)
            )
            return asked.written(start_s, end_s, complete=found.complete)


def _until(times: list[int], *, complete: bool) -> int:
    """Return where the last frame ends: at the frame behind it, else after the usual step."""
    if complete:
        return times[-1]
    steps = sorted(b - a for a, b in pairwise(times))
    return times[-1] + (steps[len(steps) // 2] if steps else 1)
