"""Time stamps of decoded frames, made strictly increasing by one rule for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Stamped = tuple[int, VideoFrame]
"""A time stamp, made strictly increasing, and the picture shown then."""

_CLOCK_SET_BACK_S = Fraction(1, 10)
_CLOCK_SET_BACK_FRAMES = 8
"""Frames out of order are closer to each other than the larger of both."""


def increasing(
    frames: Iterable[VideoFrame], stream: VideoStream, *, has_times: bool
) -> Iterator[Stamped]:
    """Yield every frame with a time stamp above the one before.

    A missing one becomes the one before plus the frame's duration, at the start 0; a duration of
    one tick is none (ASF), then it is the least step to a known one so far. One that does not
    increase becomes the one before plus 1. Where the clock is set back, as in joined recordings, it
    goes on from the frame before.

    Args:
        frames: in the order in which they are shown.
        stream: that they are from.
        has_times: whether its container stores presentation times; else frames have decoding times.
    """
    last_pts, step, least_step, offset = None, 1, 0, 0
    set_back, any_known = set_back_ticks(stream), False
    for frame in frames:
        known = frame.pts if has_times else frame.dts
        if last_pts is None:
            pts = known or 0
        elif known is None:
            pts = last_pts + step
        else:
            # Where all before are made up, the first known one has to follow them.
            if known + offset < last_pts - (set_back if any_known else 0):
                offset = last_pts + step - known
            pts = max(known + offset, last_pts + 1)
            least_step = min(least_step or pts - last_pts, pts - last_pts)
        any_known = any_known or known is not None
        last_pts, step = pts, frame.duration if frame.duration > 1 else max(least_step, 1)
        yield pts, frame


def set_back_ticks(stream: VideoStream) -> int:
    """Return how far behind the one before a time stamp lies at most that is out of order."""
    rates = [rate for rate in (stream.average_rate, stream.guessed_rate) if rate]
    frame_s = 1 / Fraction(max(rates)) if rates else Fraction(0)
    longest_s = max(_CLOCK_SET_BACK_S, _CLOCK_SET_BACK_FRAMES * frame_s)
    return round(longest_s / (stream.time_base or Fraction(1)))
