"""Whether a file is a video that can be decoded, and how long it is: `probe` for a third."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
from av.codec.context import ThreadType
from av.video.stream import VideoStream

from reelabel.errors import UnreadableVideo
from reelabel.media.bitstream import VideoPacket
from reelabel.media.probe import probe
from reelabel.media.stream import read_timeline


@dataclass(frozen=True)
class BriefInfo:
    """What is known of a video of which one frame was decoded.

    Attributes:
        container: FFmpeg's name of the container format, such as ``matroska,webm``.
        duration_s: length of the picture stream in seconds, from its packets; frames at the start
            that cannot be decoded count too.
    """

    container: str
    duration_s: float


def probe_briefly(path: Path | str) -> BriefInfo:
    """Read all packets of a file, and decode the first key frame.

    The file is opened once, and no frame but that one is decoded. What cannot be read so is left to
    `probe`: files whose properties are found by decoding alone, or that begin with no key frame.

    Raises:
        UnreadableVideo: as `probe`.
    """
    start = _Start()
    with contextlib.suppress(UnreadableVideo):
        timeline = read_timeline(path, on_packet=start.take)
        if start.decoded:
            return BriefInfo(start.container, float(timeline.length * start.time_base))
    info = probe(path)
    return BriefInfo(info.container, info.duration_s)


class _Start:
    """Decodes the first packet of a stream if it is a key frame."""

    def __init__(self) -> None:
        self.container, self.time_base = "", Fraction(1)
        self._taken = self.decoded = False

    def take(self, stream: VideoStream, packet: VideoPacket) -> None:
        """Take a packet into account."""
        if self._taken:
            return
        self._taken = True
        self.container = stream.container.format.name
        self.time_base = stream.time_base or self.time_base
        # Without a known size, a picture could be too large for the memory.
        known = stream.codec_context.width * stream.codec_context.height > 0
        self.decoded = known and packet.is_keyframe and _gives_picture(stream, packet)


def _gives_picture(stream: VideoStream, packet: VideoPacket) -> bool:
    """Return whether a packet alone decodes to a picture; the decoder is flushed."""
    context = stream.codec_context
    context.thread_type, context.thread_count = ThreadType.NONE, 1
    try:
        return bool(stream.decode(packet) or stream.decode(None))
    except av.error.FFmpegError:
        return False
