"""One open video: its pictures from the start, from a key frame on, or the key frames alone.

Decoding runs in several threads until something is damaged. From there on it is done again in one
thread: how a decoder conceals an error, which frames it drops, and where it reports it, all depend
on how many frames it works on at once, and the frames of a video must not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain, dropwhile
from pathlib import Path
from typing import Self

import av.error
from av.codec.context import ThreadType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reelabel.errors import DecodeError
from reelabel.media.bitstream import VideoPacket, early_end_check, hidden_check
from reelabel.media.opening import (
    OnError,
    has_presentation_times,
    open_video,
    picture_stream,
    read_packets,
    reason,
)
from reelabel.media.stamps import Stamped, increasing


class _Damaged(Exception):  # noqa: N818 -- a signal inside this file, no error
    """Something cannot be decoded while several threads are at work."""


class Decoder:
    """Decodes the best picture stream of a file.

    Args:
        path: the file.
        threads: decoding threads; 0 lets FFmpeg take one per core.
        tolerant: True skips what cannot be decoded, False raises `DecodeError` there.
        on_error: called with each skipped error.

    Raises:
        UnreadableVideo: if there is no picture stream to open.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        threads: int = 0,
        tolerant: bool = True,
        on_error: OnError | None = None,
    ) -> None:
        self.path = Path(path)
        self._tolerant, self._on_error = tolerant, on_error
        self._ended_early: VideoFrame | None = None
        self._open(threads)
        self.time_base: Fraction = self.stream.time_base or Fraction(1)
        self._has_times = has_presentation_times(self.container)

    def __enter__(self) -> Self:
        """Return the decoder itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file; pictures already taken stay valid."""
        self.container.close()

    def pictures(self) -> Iterator[Stamped]:
        """Yield all pictures in the order in which they are shown, from the start.

        Time stamps come out strictly increasing, see `reelabel.media.stamps`.
        """
        return self._resilient(lambda: self._increasing(self._decoded(self._packets())))

    def key_pictures(self) -> Iterator[Stamped]:
        """Yield the pictures of key frames alone, for a video whose `Timeline` is exact."""

        def run() -> Iterator[Stamped]:
            keys = (packet for packet in self._packets() if packet is None or packet.is_keyframe)
            return self._increasing(self._decoded(keys))

        return self._resilient(run)

    def pictures_from(self, pts: int) -> Iterator[Stamped]:
        """Yield the pictures from the key frame at or before `pts` on.

        Only for a video whose `Timeline` is seekable. The caller must check the first time stamp:
        packets may be flagged as key frames that are none.
        """

        def run() -> Iterator[Stamped]:
            try:
                self.container.seek(pts, stream=self.stream)
            except av.error.FFmpegError:
                return iter(())
            return self._from_key_frame()

        return self._resilient(run)

    def _from_key_frame(self) -> Iterator[Stamped]:
        packets = dropwhile(lambda each: each is not None and not each.is_keyframe, self._packets())
        first = next(packets, None)
        if first is None or first.pts is None:
            return
        for frame in self._decoded(chain([first], packets)):
            # Frames shown before the key frame lean on pictures that were skipped.
            if frame.pts is not None and frame.pts >= first.pts:
                yield frame.pts, frame

    def _resilient(self, run: Callable[[], Iterator[Stamped]]) -> Iterator[Stamped]:
        """Yield what `run` yields; once something is damaged, the rest from one thread."""
        last_pts: int | None = None
        try:
            for pts, frame in run():
                yield pts, frame
                last_pts = pts
        except _Damaged:
            self.container.close()
            self._open(threads=1)
            yield from (each for each in run() if last_pts is None or each[0] > last_pts)

    def _increasing(self, frames: Iterable[VideoFrame]) -> Iterator[Stamped]:
        return increasing(frames, self.stream, has_times=self._has_times)

    def _decoded(self, packets: Iterable[VideoPacket | None]) -> Iterator[VideoFrame]:
        owed = 0
        for packet in packets:
            pictures = self._decode(packet)
            owed += int(packet is not None and self._is_shown(packet)) - len(pictures)
            yield from pictures
        # At the end of a damaged file, frames still in the threads are lost without an error.
        if owed > 0:
            self._find_damage()

    def _is_shown(self, packet: VideoPacket) -> bool:
        return not packet.is_discard and not self._is_hidden(packet)

    def is_damaged(self, picture: VideoFrame) -> bool:
        """Return whether a part of a picture was not decoded, but filled in."""
        return bool(picture.is_corrupt) or picture is self._ended_early

    def _decode(self, packet: VideoPacket | None) -> list[VideoFrame]:
        pictures = self._pictures_of(packet)
        if packet is not None and pictures and self._ends_early(packet):
            self._ended_early = pictures[-1]
            self._complain(
                DecodeError(f"{self._place(packet)} in full: the file ends inside its picture")
            )
        return pictures

    def _pictures_of(self, packet: VideoPacket | None) -> list[VideoFrame]:
        try:
            pictures = self.stream.decode(packet)
        except av.error.FFmpegError as exc:
            self._find_damage()
            self._complain(DecodeError(f"{self._place(packet)}: {reason(exc)}"), exc)
            return []
        if any(picture.is_corrupt for picture in pictures):
            self._find_damage()
        return pictures

    def _packets(self) -> Iterator[VideoPacket | None]:
        for packet in read_packets(self.container, self.stream, self._complain):
            if packet is not None and packet.is_corrupt:
                self._find_damage()
            yield packet

    def _place(self, packet: VideoPacket | None) -> str:
        stamp = None if packet is None else packet.dts if packet.pts is None else packet.pts
        if stamp is None:
            return f"{self.path}: the last frames cannot be decoded"
        return f"{self.path}: cannot be decoded at {float(stamp * self.time_base):.3f} s"

    def _find_damage(self) -> None:
        if self._threaded:
            raise _Damaged

    def _complain(self, error: DecodeError, cause: Exception | None = None) -> None:
        self._find_damage()
        if not self._tolerant:
            raise error from cause
        if self._on_error is not None:
            self._on_error(error)

    def _open(self, threads: int) -> None:
        self.container = open_video(self.path)
        try:
            self.stream: VideoStream = picture_stream(self.container, self.path)
        except BaseException:
            self.container.close()
            raise
        self._is_hidden = hidden_check(self.stream)
        self._ends_early = early_end_check(self.stream)
        self._threaded = threads != 1
        context = self.stream.codec_context
        context.thread_type = ThreadType.AUTO if self._threaded else ThreadType.NONE
        context.thread_count = threads
