"""Frames of a video: all of them in one pass, or exactly the requested ones.

A frame is identified by its time stamp (pts), an integer in units of the video's time base. Of
several picture streams FFmpeg's "best" is taken. Seconds count from the first frame, so that 0 is
the start of every video, whatever its first time stamp is.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from reelabel.errors import DecodeError, UsageError
from reelabel.media.cursor import Cursor
from reelabel.media.frame import Frame
from reelabel.media.opening import OnError
from reelabel.media.probe import VideoInfo
from reelabel.media.stream import read_timeline, scan

__all__ = ["Frame", "SparseSpans", "decode", "decode_spans", "frames", "time_range"]

_END_SLACK_S = 0.5  # manifests round; an end this little behind the video's end is its end


def decode(
    path: Path | str,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    keyframes_only: bool = False,
    tolerant: bool = True,
    on_error: OnError | None = None,
    threads: int = 0,
) -> Iterator[Frame]:
    """Yield the frames of a video one after the other, in the order in which they are shown.

    Memory stays the same however long the video is, as long as frames are not kept.

    Args:
        path: the video (or picture) file.
        start_s: frames before this second are left out.
        end_s: frames from this second on are left out.
        keyframes_only: decode key frames alone, several times faster.
        tolerant: go on behind damaged places; False raises at the first.
        on_error: called with each skipped error.
        threads: decoding threads, 0 for one per core. The pictures do not depend on it.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
        DecodeError: if a frame cannot be decoded and `tolerant` is False.
    """
    with Cursor(path, threads=threads, tolerant=tolerant, on_error=on_error) as cursor:
        first = cursor.pts_at(start_s) if start_s else cursor.start_pts
        end = cursor.pts_at(end_s) if end_s is not None else None
        if start_s and not keyframes_only:
            cursor.approach(first)
        for frame in cursor.key_frames() if keyframes_only else cursor.frames():
            if end is not None and frame.pts >= end:
                return
            if frame.pts >= first:
                yield frame


def decode_spans(
    path: Path | str,
    spans_s: Sequence[tuple[float, float | None]],
    *,
    keyframes_only: bool = False,
    on_error: OnError | None = None,
) -> Iterator[tuple[int, Frame]]:
    """Yield the frames of spans of a video, each with the position of its span, in one pass.

    What lies between spans is jumped over where that is faster.

    Args:
        path: the video (or picture) file.
        spans_s: start and end of each in seconds, ascending and apart; an end of None, of the last
            one only, is that of the video.
        keyframes_only: decode key frames alone, several times faster.
        on_error: called with each skipped error.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    with Cursor(path, on_error=on_error) as cursor:
        ends = [None if end_s is None else cursor.pts_at(end_s) for _, end_s in spans_s]
        firsts = [cursor.pts_at(start_s) if start_s else cursor.start_pts for start_s, _ in spans_s]
        if keyframes_only:
            yield from _inside(cursor.key_frames(), firsts, ends)
            return
        for position, (first, end) in enumerate(zip(firsts, ends, strict=True)):
            if first > cursor.start_pts:
                cursor.approach(first)
            found = cursor.frames_before(end)
            yield from ((position, frame) for frame in found if frame.pts >= first)


class SparseSpans:
    """Frames of spans of an open video that are far apart: each is reached by a jump.

    Args:
        cursor: the video, before its first frame; its timeline must be seekable.
        spans_s: as in `decode_spans`.
    """

    def __init__(self, cursor: Cursor, spans_s: Sequence[tuple[float, float | None]]) -> None:
        self._cursor, self._spans_s = cursor, spans_s

    def times(self) -> Iterator[tuple[int, int, float]]:
        """Yield span, time stamp and second of every frame in a span, without decoding."""
        cursor, pts = self._cursor, self._cursor.timeline.pts
        for position, (start_s, end_s) in enumerate(self._spans_s):
            first = cursor.pts_at(start_s) if start_s else cursor.start_pts
            low = int(np.searchsorted(pts, first))
            high = len(pts) if end_s is None else int(np.searchsorted(pts, cursor.pts_at(end_s)))
            for each in pts[low:high].tolist():
                yield position, each, float((each - cursor.start_pts) * cursor.time_base)

    def frame(self, pts: int) -> Frame | None:
        """Return the frame at a time stamp, None if it is damaged; ask in rising order."""
        return self._cursor.at(pts)


def _inside(
    found: Iterable[Frame], firsts: list[int], ends: list[int | None]
) -> Iterator[tuple[int, Frame]]:
    """Yield the frames that lie in a span, with its position."""
    for frame in found:
        position = bisect.bisect_right(firsts, frame.pts) - 1
        if position >= 0 and ((end := ends[position]) is None or frame.pts < end):
            yield position, frame


def frames(
    path: Path | str,
    pts_list: Iterable[int],
    *,
    threads: int = 0,
    on_error: OnError | None = None,
) -> Iterator[Frame]:
    """Yield exactly the frames with these time stamps, in their order, each once.

    Decodes through, and jumps to a key frame only where that skips more than it costs. A picture is
    the same, bit for bit, whichever way it was reached.

    Args:
        path: the video file.
        pts_list: the requested time stamps.
        threads: decoding threads, 0 for one per core.
        on_error: called with an error for each requested frame that cannot be decoded, which is
            then left out.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
        DecodeError: if there is no frame with such a time stamp, or it is too damaged, and no
            `on_error` is given.
    """
    wanted = sorted({int(pts) for pts in pts_list})
    if not wanted:
        return
    with Cursor(path, threads=threads) as cursor:
        for pts in wanted:
            frame = cursor.at(pts)
            if frame is not None:
                yield frame
                continue
            error = DecodeError(_missing(path, pts))
            if on_error is None:
                raise error
            on_error(error)


def time_range(
    info: VideoInfo,
    start_s: float | None = None,
    end_s: float | None = None,
    duration_s: float | None = None,
) -> tuple[float, float]:
    """Return the span from start to end in seconds that such a request means.

    A missing start is the video's start; without end and duration the span runs to the video's end.
    An end up to half a second behind the video's end is taken for its end.

    Raises:
        UsageError: if a time is negative or beyond the video, the end is not behind the start, or
            both end and duration are given.
    """
    given = {"start": start_s, "end": end_s, "duration": duration_s}
    for name, value in given.items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"{name} must be a number of seconds from 0 up, but is {value}")
    if end_s is not None and duration_s is not None:
        raise UsageError(f"give an end ({end_s} s) or a duration ({duration_s} s), not both")
    start = start_s or 0.0
    if start and start >= info.duration_s:
        raise UsageError(
            f"start {start} s is beyond the video, which lasts {info.duration_s:.3f} s"
        )
    return start, _end(info, start, end_s, duration_s)


def _end(info: VideoInfo, start: float, end_s: float | None, duration_s: float | None) -> float:
    end = end_s if duration_s is None else start + duration_s
    if end is None:
        return info.duration_s
    if end <= start:
        raise UsageError(f"end {end} s must be behind start {start} s")
    if end > info.duration_s + _END_SLACK_S:
        raise UsageError(f"end {end} s is beyond the video, which lasts {info.duration_s:.3f} s")
    return min(end, info.duration_s)


def _missing(path: Path | str, pts: int) -> str:
    if pts in read_timeline(path).pts:
        return f"{path}: the frame at pts {pts} cannot be decoded: it or its reference is damaged"
    nearest = scan(path).nearest(pts)
    return f"{path}: there is no frame at pts {pts}; the nearest is at pts {nearest}"
