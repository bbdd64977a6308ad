"""Copies a span of a video into a file of its own, reading little more than the span.

The source is any seekable binary file, also one whose bytes come over a network, so nothing reads
it from end to end. Seconds count from the first frame, as everywhere in this package. Only the
picture stream is copied: sound and subtitles are dropped.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reelabel.errors import MediaError, UnreadableVideo, UsageError
from reelabel.files import scratch_file
from reelabel.media.bitstream import VideoPacket
from reelabel.media.convert import pixel_aspect
from reelabel.media.encode import VideoWriter, open_output, writing_explained
from reelabel.media.encoded_spans import AskedSpan, WrittenSpan, encode_span, write_frames
from reelabel.media.frame import Frame
from reelabel.media.opening import open_video, picture_stream, reason
from reelabel.media.parts import PartSource, has_time, opened_source, shown_at
from reelabel.media.stamps import set_back_ticks
from reelabel.media.stream import Timeline

_STEPS_BACK_S = (0, 2, 8, 32, math.inf)
"""How long before the start a key frame is looked for; a seek may land behind the last one."""
_INSTEAD = "cannot be copied: cut exactly instead (--exact, fetch.exact_spans)"
_MP4, _WEBM = frozenset({".mp4", ".m4v", ".m4s"}), frozenset({".webm"})


def span_suffix(source: str) -> str:
    """Return the suffix of a file that can hold packets of a source with this name or suffix.

    >>> span_suffix("a.mp4"), span_suffix(".webm"), span_suffix("b.ts")
    ('.mp4', '.webm', '.mkv')
    """
    suffix = f".{source.rpartition('.')[2].lower()}"
    return ".mp4" if suffix in _MP4 else ".webm" if suffix in _WEBM else ".mkv"


def copy_span(
    file: BinaryIO | io.IOBase,
    start_s: float,
    end_s: float,
    target: Path | str,
    *,
    exact: bool,
    allow_short: bool = False,
) -> WrittenSpan:
    """Write a span of a video into a new file; sound and subtitles are dropped.

    The target appears when it is whole, and not at all if something fails.

    Args:
        file: the source, readable and seekable; it stays open.
        start_s: first instant of the span, in seconds from the first frame.
        end_s: first instant that is no longer in it. Up to half a second behind the video's end it
            is taken for its end.
        target: the file to write. Its suffix decides the container: with packets copied one that
            can hold the source's codec, see `span_suffix`; else .mp4, .mkv or .mov.
        exact: True re-encodes exactly the frames of the span as H.264, upright and with square
            pixels. False copies packets unchanged, from the key frame at or before the start to
            the first place at or behind the end where a decoder may stop.
        allow_short: write what there is of a span that runs beyond the end of the video.

    Returns:
        The span that was written; its start is below 0 only where the container hides the first
        frames.

    Raises:
        UsageError: if the span is empty, reversed, begins before 0 or behind the last frame, or
            ends behind the video while `allow_short` is False.
        UnreadableVideo: if the source is no video, or has no key frame before the span.
        MediaError: if the target cannot be written, or packets without presentation times (AVI)
            are to be copied.
        Exception: what reading the file raises, whatever became of it on its way.
    """
    _check(start_s, end_s)
    with opened_source(file) as source:
        span = _Span(source, AskedSpan(start_s, end_s, allow_short))
        return _encoded(span, Path(target)) if exact else _copied(span, Path(target))


def cut_span(
    path: Path, start_s: float, end_s: float, target: Path, *, exact: bool, timeline: Timeline
) -> WrittenSpan:
    """Write a span of a video file into a new file, by the time stamps that decoding gives.

    Of a span that runs beyond the end of the video what there is of it is written.

    Args:
        path: the video.
        start_s: as in `copy_span`.
        end_s: as in `copy_span`.
        target: as in `copy_span`.
        exact: as in `copy_span`.
        timeline: of the video, see `scan_packets`.

    Raises:
        UsageError, UnreadableVideo, MediaError: as `copy_span`.
    """
    _check(start_s, end_s)
    if exact:
        return encode_span(path, AskedSpan(start_s, end_s, allow_short=True), target, timeline)
    if not timeline.ordered:
        raise MediaError(
            f"{path}: time stamps of its packets are missing, repeated or set back, so packets "
            f"{_INSTEAD}"
        )
    with path.open("rb") as file:
        return copy_span(file, start_s, end_s, target, exact=False, allow_short=True)


def _check(start_s: float, end_s: float) -> None:
    """Refuse a span that no video has."""
    if not (math.isfinite(start_s) and math.isfinite(end_s) and start_s >= 0):
        raise UsageError(f"expected a span in seconds from 0 up, but got {start_s} to {end_s}")
    if end_s <= start_s:
        raise UsageError(f"the end of a span, {end_s} s, must be behind its start, {start_s} s")


@dataclass(frozen=True)
class _Span:
    """The span that is asked for, in time stamps of its source."""

    source: PartSource
    asked: AskedSpan

    @property
    def first(self) -> int:
        """Time stamp at or behind which its frames begin."""
        return self.source.pts_at(self.asked.start_s)

    @property
    def end(self) -> int:
        """Time stamp from which on frames are no longer in it."""
        return self.source.pts_at(self.asked.end_s)

    def packets(self) -> Iterator[VideoPacket]:
        """Return the packets from the last key frame at or before the start on.

        What a seek yields is not trusted: fragments may begin with packets from far before, and
        containers without an index may lead behind the key frame.
        """
        for back_s in _STEPS_BACK_S:
            if math.isinf(back_s):
                self.source.rewind()
            else:
                self.source.seek(self.first - int(back_s / self.source.time_base))
            packets = self.source.packets()
            if held := self._from_key_frame(packets, timed=not math.isinf(back_s)):
                return chain(held, packets)
        raise UnreadableVideo(
            f"{self.source.guarded.name}: there is no key frame at or before "
            f"{self.asked.start_s} s: cut exactly instead (--exact), or take the whole video"
        )

    def _from_key_frame(self, packets: Iterator[VideoPacket], *, timed: bool) -> list[VideoPacket]:
        """Take packets until no later key frame can begin the span; return those from it on.

        Only one with a time can, if `timed`; at the start of a video others can too.
        """
        held: list[VideoPacket] = []
        for packet in packets:
            known = has_time(packet) or not timed
            begins = packet.is_keyframe and known and shown_at(packet) <= self.first
            if begins and (has_time(packet) or not held):
                held = []
            if held or begins:
                held.append(packet)
            late = packet.is_keyframe and shown_at(packet) > self.first
            if late or (packet.dts is not None and packet.dts > self.first):
                break
        return held

    def frames(self) -> Iterator[tuple[int, VideoFrame]]:
        """Yield the frames from the start on, beyond the end too, with their time stamps.

        Where key frames are none, as in streams that refresh bit by bit, decoding begins too late;
        then it begins at the start of the video.
        """
        source = self.source
        frames = source.stamped(source.frames(self.packets()))
        before = next(frames, None)
        if before is None or before[0] > self.first:
            source.rewind()
            frames = source.stamped(source.frames(source.packets()))
            before = next(frames, None)
        found = chain([before] if before else [], frames)
        yield from ((pts, frame) for pts, frame in found if pts >= self.first)

    def written(self, first: int, until: int, *, complete: bool) -> WrittenSpan:
        """Return the span between two time stamps; see `AskedSpan.written`."""
        start_s, end_s = self.source.time_s(first), self.source.time_s(until)
        return self.asked.written(start_s, end_s, complete=complete)


def _copied(span: _Span, target: Path) -> WrittenSpan:
    """Copy packets."""
    source = span.source
    if not source.has_times:
        raise MediaError(
            f"{source.guarded.name}: its container stores no presentation times, so packets "
            f"{_INSTEAD}"
        )
    packets = _Taken(span)
    with scratch_file(target, sync=False, suffix=target.suffix) as temporary:
        with writing_explained(target), open_output(temporary, target, source.time_base) as out:
            stream = _like(source.stream, out, target)
            for packet in packets:
                packet.stream = stream
                _mux(packet, out, target)
        source.guarded.check()
        late = _late_ticks(temporary, source.time_base)
        if packets.first + late > span.first:
            raise MediaError(
                f"{source.guarded.name}: decoding cannot begin at the key frame before "
                f"{span.asked.start_s} s: cut exactly instead"
            )
        return span.written(packets.first + late, packets.until, complete=packets.complete)


def _mux(packet: VideoPacket, out: OutputContainer, target: Path) -> None:
    """Write a packet.

    Raises:
        MediaError: if the container refuses it.
    """
    try:
        out.mux(packet)
    except (av.error.InvalidDataError, av.error.ArgumentError) as exc:
        raise MediaError(f"{target}: packets {_INSTEAD}: {reason(exc)}") from exc


def _like(stream: VideoStream, out: OutputContainer, target: Path) -> VideoStream:
    """Add a stream to a container that takes packets of another stream."""
    try:
        # Copied from the decoder's description: there are codecs without an encoder.
        copy = out.add_stream_from_template(stream, opaque=True)
    except ValueError as exc:
        raise UsageError(
            f"{target}: packets of the codec {stream.codec.name} cannot be copied into such a "
            "file: name another suffix, such as .mkv, or cut exactly"
        ) from exc
    copy.time_base = stream.time_base
    return copy


def _late_ticks(path: Path, time_base: Fraction) -> int:
    """Return how long after its first packet a file shows its first picture, usually 0.

    Streams that refresh bit by bit flag key frames from which nothing is shown at first.
    """
    with open_video(path) as container:
        stream = picture_stream(container, path)
        packet = next(container.demux(stream))
        first = next(
            (f for p in chain([packet], container.demux(stream)) for f in p.decode()), None
        )
    if first is None or first.pts is None or packet.pts is None:
        return 0
    return round((first.pts - packet.pts) * (stream.time_base or 1) / time_base)


class _Taken:
    """The packets of a span in decoding order, their times counted from its key frame.

    They end before the first packet that shows something later than all before it, once the end is
    reached: up to there every frame that is shown is complete.

    Attributes:
        first: time stamp of the key frame.
        until: where the last frame ends.
        complete: whether the source goes on behind it.
    """

    def __init__(self, span: _Span) -> None:
        self._span = span
        self._last_ticks = 1
        self.first = self.until = 0
        self.complete = False

    def __iter__(self) -> Iterator[VideoPacket]:
        """Yield the packets."""
        last: int | None = None
        for packet in _with_dts(self._timed()):
            pts = shown_at(packet)
            if last is None:
                self.first = last = pts
                self._last_ticks = packet.duration or 1
            elif pts > last:
                if last + self._last_ticks >= self._span.end:
                    self.complete = True
                    return
                self._last_ticks = packet.duration or pts - last
                last = pts
            elif pts < self.first:
                continue  # shown before the key frame, and leaning on pictures before it
            self.until = last + self._last_ticks
            packet.pts, packet.dts = pts - self.first, (packet.dts or 0) - self.first
            yield packet

    def _timed(self) -> Iterator[VideoPacket]:
        """Yield the packets; refuse one without a time, or behind which the clock is set back.

        Raises:
            MediaError: if there is such a packet.
        """
        last_dts: int | None = None
        allowed = set_back_ticks(self._span.source.stream)
        for packet in self._span.packets():
            dts = packet.dts if packet.dts is not None else last_dts
            fell = last_dts is not None and dts is not None and dts < last_dts - allowed
            if fell or not has_time(packet):
                raise MediaError(
                    f"{self._span.source.guarded.name}: time stamps of its packets are missing or "
                    f"set back, so packets {_INSTEAD}"
                )
            last_dts = dts
            yield packet


def _with_dts(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """Give decoding times to packets that have none.

    Matroska stores none; FFmpeg derives them, but not for the first packets, which hold the
    pictures that are reordered. These get the ticks before the first time that is known.
    """
    held: list[VideoPacket] = []
    last: int | None = None
    for packet in packets:
        if packet.dts is None and last is None:
            held.append(packet)
            continue
        last = packet.dts if packet.dts is not None else (last or 0) + 1
        packet.dts = last
        yield from _counted_down(held, last)
        held = []
        yield packet
    yield from _counted_down(held, min(map(shown_at, held), default=0))


def _counted_down(held: list[VideoPacket], before: int) -> list[VideoPacket]:
    """Give packets the ticks before a decoding time, and return them."""
    for back, packet in enumerate(reversed(held), 1):
        packet.dts = before - back
    return held


def _encoded(span: _Span, target: Path) -> WrittenSpan:
    """Decode and encode again."""
    source = span.source
    rate = source.stream.average_rate or source.stream.guessed_rate or 25
    sar = pixel_aspect(source.stream)
    frames = (
        Frame(picture, pts=pts, index=index, time_s=source.time_s(pts), sar=sar)
        for index, (pts, picture) in enumerate(span.frames())
    )
    with VideoWriter(target, time_base=source.time_base, rate=rate) as writer:
        found = write_frames(writer, frames, span.end)
        source.guarded.check()
        if found is None:
            raise span.asked.beyond(0)
        return span.written(found.first, found.until, complete=found.complete)
