"""Properties of a video file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from reelabel.errors import DecodeError, UnreadableVideo
from reelabel.media.convert import pixel_aspect, square_size, upright_of
from reelabel.media.decoder import Decoder
from reelabel.media.stream import Timeline, read_timeline

_CHUNK = 1 << 20
_RATE_TRUST = Fraction(1, 50)


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video file.

    Attributes:
        size_bytes: size of the file.
        container: FFmpeg's name of the container format, such as ``matroska,webm``.
        codec: name of the picture stream's codec, such as ``h264``.
        pix_fmt: FFmpeg's name of the pixel format.
        coded_wh: size in pixels as stored.
        display_wh: size in pixels as shown: upright and with square pixels.
        rotation_deg: clockwise turn (0, 90, 180 or 270) that makes the stored picture upright.
        sar: width of a stored pixel over its height.
        time_base: seconds per unit of a time stamp (pts).
        start_pts: time stamp of the first frame; second 0 of the video everywhere in this package.
        duration_s: length of the picture stream in seconds, from its packets. The declared length
            is ignored: it may be that of the sound, or of a file that was truncated.
        fps: average frames per second.
        num_packets: coded pictures found in the file.
        frame_count_declared: frames that the header declares, None if it has no such field.
        num_video_streams: picture streams in the file; the one used is FFmpeg's best.
        interlaced: whether the first frame is flagged interlaced.
        has_audio: whether there is a sound stream.
    """

    size_bytes: int
    container: str
    codec: str
    pix_fmt: str
    coded_wh: tuple[int, int]
    display_wh: tuple[int, int]
    rotation_deg: int
    sar: Fraction
    time_base: Fraction
    start_pts: int
    duration_s: float
    fps: Fraction
    num_packets: int
    frame_count_declared: int | None
    num_video_streams: int
    interlaced: bool
    has_audio: bool

    def time_s(self, pts: int) -> float:
        """Return the second, counted from the first frame, at which a frame is shown."""
        return float((pts - self.start_pts) * self.time_base)


def probe(path: Path | str) -> VideoInfo:
    """Read what a file is: all its packets, and its first frame.

    A picture file (JPEG, PNG, WebP ...) is a video of one frame.

    Raises:
        UnreadableVideo: if the file is missing, a folder, empty, not permitted, no video, without a
            picture stream, or if not one frame of it can be decoded.
    """
    path = Path(path)
    timeline = read_timeline(path)
    errors: list[DecodeError] = []
    with Decoder(path, threads=1, on_error=errors.append) as decoder:
        pictures = decoder.pictures()
        first = next(pictures, None)
        if first is None:
            raise UnreadableVideo(_nothing_decoded(path, timeline.num_packets, errors))
        timeline = timeline.started_by(chain([first], pictures))
        return _describe(path, decoder, timeline, first)


def _nothing_decoded(path: Path, num_packets: int, errors: list[DecodeError]) -> str:
    """Return the message of a file without a frame that can be decoded, and the ways out."""
    why = f" ({str(errors[0]).rpartition(': ')[2]})" if errors else ""
    return (
        f"{path}: not one of {num_packets} frames can be decoded{why}; it may be truncated, or of "
        "a kind that FFmpeg lacks, such as animated WebP: fetch it again, save it as MP4, PNG or "
        "JPEG with the program that made it, or leave it out"
    )


def content_id(path: Path | str) -> str:
    """Return the video's id: 16 hexadecimal digits of the BLAKE2b hash (RFC 7693) of its bytes.

    Raises:
        UnreadableVideo: if the file cannot be read.
    """
    digest = hashlib.blake2b(digest_size=8)
    try:
        with Path(path).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as exc:
        raise UnreadableVideo(f"{path}: cannot be read: {exc.strerror}") from exc
    return digest.hexdigest()


def _describe(
    path: Path, decoder: Decoder, timeline: Timeline, first: tuple[int, VideoFrame]
) -> VideoInfo:
    container, stream = decoder.container, decoder.stream
    start_pts, frame = first
    upright, sar = upright_of(frame), pixel_aspect(stream)
    coded_wh = (frame.width, frame.height)
    duration = timeline.length * decoder.time_base
    return VideoInfo(
        size_bytes=path.stat().st_size,
        container=container.format.name,
        codec=stream.codec.canonical_name,
        pix_fmt=frame.format.name,
        coded_wh=coded_wh,
        display_wh=upright.size(square_size(coded_wh, sar)),
        rotation_deg=upright.rotation_deg,
        sar=sar,
        time_base=decoder.time_base,
        start_pts=start_pts,
        duration_s=float(duration),
        fps=_rate(stream, timeline, duration),
        num_packets=timeline.num_packets,
        frame_count_declared=stream.frames or None,
        num_video_streams=len(container.streams.video),
        interlaced=frame.interlaced_frame,
        has_audio=_has_audio(container),
    )


def _has_audio(container: InputContainer) -> bool:
    return len(container.streams.audio) > 0


def _rate(stream: VideoStream, timeline: Timeline, duration: Fraction) -> Fraction:
    """Return the declared average rate if the packets bear it out, else what they give."""
    declared = stream.average_rate or stream.guessed_rate
    if not duration:
        return declared or Fraction(0)
    frames = len(timeline.pts) if timeline.exact else timeline.num_packets
    measured = frames / duration
    complete = frames == stream.frames
    if declared and (complete or abs(declared - measured) <= measured * _RATE_TRUST):
        return declared
    return measured.limit_denominator(100_000)
