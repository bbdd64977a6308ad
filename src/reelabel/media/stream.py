"""The time stamps of the frames of a video, and whether it can be seeked exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reelabel.media.bitstream import VideoPacket, hidden_check, integrity_check
from reelabel.media.decoder import Decoder
from reelabel.media.opening import (
    has_presentation_times,
    open_video,
    picture_stream,
    read_packets,
)
from reelabel.media.stamps import Stamped, set_back_ticks

# Containers with an index and exact presentation times for each packet. In all others a seek lands
# by byte position or by decode time, which is not exact enough to name a frame by.
_EXACT_SEEK = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})

# Containers that store how long each frame is shown; in others FFmpeg guesses.
_STORED_DURATIONS = _EXACT_SEEK | {"gif", "apng"}

_HEAD = 2  # frames whose decoding shows whether packets and frames begin together


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Attributes:
        pts: ``(n,)`` int64, sorted: the time stamps of the decoded frames, so that the position in
            it is the `frame_index`; where not `exact`, the known time stamps of the packets.
        key_pts: ``(k,)`` int64, sorted: those from which decoding can start.
        num_packets: how many coded pictures there are, with and without a time stamp.
        length: units of the time base from the first frame to the end of the last.
        ordered: whether each packet has a time stamp of its own and decoding times do not fall far.
        exact: whether `pts` is known to be what decoding yields.
        seekable: whether it is also a container in which seeking is exact.
    """

    pts: NDArray[np.int64]
    key_pts: NDArray[np.int64]
    num_packets: int
    length: int
    ordered: bool
    exact: bool
    seekable: bool

    def nearest(self, pts: int) -> int | None:
        """Return the existing time stamp nearest to `pts`, the earlier of two."""
        if not len(self.pts):
            return None
        return int(self.pts[np.argmin(np.abs(self.pts - pts))])

    def started_by(self, pictures: Iterable[Stamped]) -> Timeline:
        """Return the timeline without packets at the start that decode to nothing.

        A stream that begins at an open GOP or between two key frames holds pictures whose
        references are missing; a decoder drops them. If the first decoded frames are not the first
        packets, frames are decoded up to the second key frame. If from the first of them on each
        packet gives one frame, so do the packets behind; else the timeline is not exact.

        Args:
            pictures: the decoded pictures from the start of the video.
        """
        decoded = iter(pictures)
        head = [pts for pts, _ in islice(decoded, _HEAD)]
        if not self.exact or head == self.pts[:_HEAD].tolist():
            return self
        if not head:
            return replace(self, exact=False, seekable=False)
        later_keys = self.key_pts[self.key_pts > head[0]]
        until = int(later_keys[0]) if len(later_keys) else int(self.pts[-1]) + 1
        for pts, _ in decoded:
            if pts >= until:
                break
            head.append(pts)
        lost = int(np.searchsorted(self.pts, head[0]))
        if self.pts[lost : lost + len(head)].tolist() != head:
            return replace(self, exact=False, seekable=False)
        return replace(
            self,
            pts=self.pts[lost:],
            key_pts=self.key_pts[self.key_pts >= head[0]],
            length=self.length - int(self.pts[lost] - self.pts[0]),
        )


def scan(path: Path | str, *, num_decoded: int | None = None) -> Timeline:
    """Return the timeline of exactly those frames that decoding yields, in their order.

    It is read from the packets where these are known to be the frames. All frames are decoded where
    they are not: in containers without presentation times (AVI), and if time stamps are missing or
    repeated, or a packet is damaged or may hold no picture. A picture that is damaged although its
    packet looks whole is not noticed.

    Args:
        path: the video file.
        num_decoded: how many frames decoding yields, if that is known: with another number of
            packets all frames are decoded.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    timeline = scan_packets(path)
    if timeline.exact and num_decoded in {None, len(timeline.pts)}:
        return timeline
    with Decoder(path) as decoder:
        pts = np.array([pts for pts, _ in decoder.pictures()], np.int64)
    return replace(timeline, pts=pts, exact=True, seekable=False)


def scan_packets(path: Path | str) -> Timeline:
    """Return the timeline as far as packets and the first decoded frames determine it.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    timeline = read_timeline(path)
    if not timeline.exact or timeline.num_packets == 1:
        return timeline
    with Decoder(path, threads=1) as decoder:
        return timeline.started_by(decoder.pictures())


def read_timeline(
    path: Path | str, *, on_packet: Callable[[VideoStream, VideoPacket], None] | None = None
) -> Timeline:
    """Read all packets of the picture stream without decoding; damaged places are skipped.

    Args:
        path: the video file.
        on_packet: called with the stream and each packet; the file is then opened without decoding.

    Raises:
        UnreadableVideo: if the file cannot be opened or has no picture stream.
    """
    with open_video(path, decode=on_packet is None) as container:
        stream = picture_stream(container, path)
        packets = _Packets(stream)
        for packet in read_packets(container, stream, complain=packets.note_damage):
            if packet is None:
                break
            packets.add(packet)
            if on_packet is not None:
                on_packet(stream, packet)
        return packets.timeline(container, stream)


class _Packets:
    """Collects what a timeline is made of."""

    def __init__(self, stream: VideoStream) -> None:
        self._is_hidden = hidden_check(stream)
        self._looks_whole = integrity_check(stream)
        self._times: list[tuple[int | None, int | None, int, bool]] = []
        self._whole = True

    def note_damage(self, error: Exception) -> None:
        """Remember that a part of the file cannot be read."""
        del error
        self._whole = False

    def add(self, packet: VideoPacket) -> None:
        """Take a packet into account, if its picture is shown."""
        if packet.is_discard or self._is_hidden(packet):
            return
        self._whole = self._whole and self._looks_whole(packet)
        self._times.append((packet.pts, packet.dts, packet.duration or 0, packet.is_keyframe))

    def timeline(self, container: InputContainer, stream: VideoStream) -> Timeline:
        """Return the timeline of the packets."""
        timed = sorted(each for each in self._times if each[0] is not None)
        pts = np.array([each[0] for each in timed], np.int64)
        has_times = has_presentation_times(container)
        distinct = len(pts) == len(self._times) and bool((np.diff(pts) > 0).all())
        ordered = has_times and distinct and not self._is_set_back(stream)
        exact = ordered and self._whole
        known = container.format.name in _STORED_DURATIONS
        by_pts = ordered and len(pts) > 0
        return Timeline(
            pts=pts,
            key_pts=np.array([each[0] for each in timed if each[3]], np.int64),
            num_packets=len(self._times),
            length=_span(pts, timed[-1][2], known=known) if by_pts else self._length(stream),
            ordered=ordered,
            exact=exact,
            seekable=exact and container.format.name in _EXACT_SEEK,
        )

    def _is_set_back(self, stream: VideoStream) -> bool:
        """Return whether decoding times fall as in joined recordings, further than by guessing."""
        dts = np.array([each[1] for each in self._times if each[1] is not None], np.int64)
        return bool((np.maximum.accumulate(dts) - dts > set_back_ticks(stream)).any())

    def _length(self, stream: VideoStream) -> int:
        """Return the length by decode times, else by durations, else by the rate."""
        dts = np.array([each[1] for each in self._times if each[1] is not None], np.int64)
        durations = [each[2] for each in self._times]
        if len(dts) == len(durations) > 0:
            return _span(dts, durations[-1], known=False)
        pts = np.unique([each[0] for each in self._times if each[0] is not None]).astype(np.int64)
        known = sum(each[0] is not None for each in self._times)
        if 1 < len(pts) == known < len(durations):
            # Steps are stored rounded, so that their mean is better than the duration of one.
            return round(len(durations) * int(pts[-1] - pts[0]) / (len(pts) - 1))
        if all(durations):
            return sum(durations)
        rate = stream.average_rate or stream.guessed_rate
        ticks = 1 / (rate * (stream.time_base or Fraction(1))) if rate else Fraction(0)
        return round(len(self._times) * ticks)


def _span(times: NDArray[np.int64], last_duration: int, *, known: bool) -> int:
    """Return the length from the first time to the end of the last; a clock may be set back.

    Args:
        times: ``(n,)``, n at least 1.
        last_duration: how long the last frame is shown.
        known: whether that is stored in the file; a guess counts for a single frame only.
    """
    steps = np.diff(times)
    usual = int(np.median(steps)) if len(steps) else last_duration
    forward = int(np.where(steps < 0, usual, steps).sum())
    return forward + (last_duration if known and last_duration else usual)
