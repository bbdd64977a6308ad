"""A video of which only parts are read: its packets and frames from any place on.

The source is any seekable binary file, also one whose bytes come over a network.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import BinaryIO

import av.error
from av.codec.context import ThreadType
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reelabel.errors import MediaError, UnreadableVideo
from reelabel.media.bitstream import VideoPacket
from reelabel.media.opening import (
    has_presentation_times,
    open_binary,
    picture_stream,
    read_packets,
    reason,
)
from reelabel.media.stamps import Stamped, increasing

_TICK_SLACK = Fraction(1, 1000)  # seconds given as float may lie a little behind their time stamp


class GuardedFile(io.RawIOBase):
    """Reads a file and keeps what it raises; the demuxer, which may ignore errors, finds the end.

    So `check` belongs behind whatever reads.
    """

    def __init__(self, file: BinaryIO | io.IOBase) -> None:
        super().__init__()
        self._file = file
        self.name = str(getattr(file, "name", "the file"))
        self.error: Exception | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move the position and return it."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; none once reading has failed."""
        if self.error is not None:
            return b""
        try:
            content: bytes = self._file.read(size)
        except Exception as exc:  # noqa: BLE001 -- whatever it is, `check` raises it
            self.error = exc
            return b""
        return content

    def check(self) -> None:
        """Raise what reading has raised before."""
        if self.error is not None:
            raise self.error


@dataclass
class PartSource:
    """An open video of which only parts are read.

    Attributes:
        container: the open file.
        stream: its picture stream; the others are not read.
        guarded: the file, which holds what reading it raised.
        start_pts: time stamp of the first frame that can be decoded: second 0.
    """

    container: InputContainer
    stream: VideoStream
    guarded: GuardedFile
    start_pts: int = 0

    @property
    def time_base(self) -> Fraction:
        """Return the seconds per unit of a time stamp."""
        return self.stream.time_base or Fraction(1)

    @property
    def has_times(self) -> bool:
        """Return whether packets state when they are shown."""
        return has_presentation_times(self.container)

    def pts_at(self, time_s: float) -> int:
        """Return the time stamp of a second; a frame there or later is not before it."""
        return self.start_pts + math.ceil(Fraction(time_s) / self.time_base - _TICK_SLACK)

    def time_s(self, pts: int) -> float:
        """Return the second, from the first frame, of a time stamp."""
        return float((pts - self.start_pts) * self.time_base)

    def packets(self) -> Iterator[VideoPacket]:
        """Yield the packets from here on; damaged places are skipped."""
        for packet in read_packets(self.container, self.stream, lambda _: self.guarded.check()):
            if packet is not None:
                yield packet
        self.guarded.check()

    def frames(self, packets: Iterable[VideoPacket | None]) -> Iterator[VideoFrame]:
        """Yield the frames of packets, and at last those that the decoder still holds."""
        for packet in chain(packets, [None]):
            try:
                yield from self.stream.decode(packet)
            except av.error.FFmpegError:
                self.guarded.check()  # a damaged picture is left out

    def stamped(self, frames: Iterable[VideoFrame]) -> Iterator[Stamped]:
        """Yield frames with their time stamps, as `reelabel.media.stamps` makes them increase.

        Behind a seek a clock that was set back before it is not noticed.
        """
        return increasing(frames, self.stream, has_times=self.has_times)

    def seek(self, pts: int) -> None:
        """Go to a key frame at or before a time stamp, as far as the container can find it."""
        try:
            self.container.seek(pts, stream=self.stream)
        except av.error.FFmpegError:
            self.guarded.check()
            self._seek_start()

    def _seek_start(self) -> None:
        try:
            self.container.seek(self.start_pts, stream=self.stream)
        except av.error.FFmpegError as exc:
            self.guarded.check()
            raise MediaError(
                f"{self.guarded.name}: parts of it cannot be read, as its stream has no times to "
                "go by: take the whole video"
            ) from exc

    def rewind(self) -> None:
        """Go to the start: well before the first frame, which may be decoded before it is shown."""
        self.seek(self.start_pts - int(10 / self.time_base))


@contextmanager
def opened_source(file: BinaryIO | io.IOBase) -> Iterator[PartSource]:
    """Open a source and find out when its first frame is shown."""
    guarded = GuardedFile(file)
    try:
        file.seek(0)
        with open_binary(guarded, guarded.name) as container:
            yield _first_decoded(container, guarded)
    except av.error.FFmpegError as exc:
        guarded.check()
        raise MediaError(f"{guarded.name}: cannot be read: {reason(exc)}") from exc
    except Exception:
        guarded.check()  # what reading raised comes before what followed from it
        raise


def _first_decoded(container: InputContainer, guarded: GuardedFile) -> PartSource:
    """Choose the picture stream and decode its first frame."""
    stream = picture_stream(container, guarded.name)
    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all
    stream.codec_context.thread_type = ThreadType.AUTO
    source = PartSource(container, stream, guarded)
    first = next(source.stamped(source.frames(source.packets())), None)
    if first is None:
        raise UnreadableVideo(
            f"{guarded.name}: not one frame can be decoded; it may be truncated, or of "
            "a kind that FFmpeg lacks: take another file of it"
        )
    source.start_pts = first[0]
    return source


def has_time(packet: VideoPacket) -> bool:
    """Return whether a packet has a presentation or a decoding time."""
    return packet.pts is not None or packet.dts is not None


def shown_at(packet: VideoPacket) -> int:
    """Return when a packet's picture is shown, of one that has a time."""
    return (packet.pts if packet.pts is not None else packet.dts) or 0
