"""Opening video files safely, without following references to other files."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from io import IOBase
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image, TiffImagePlugin

from reelabel.errors import DecodeError, UnreadableVideo, os_reason

OnError = Callable[[DecodeError], None]
"""Called with each error that was skipped while reading or decoding."""

# Formats that read further files or addresses named inside the file, or that take any text for a
# picture. A downloaded file must not choose which other files are opened.
_UNSAFE = frozenset({
    "concat", "dash", "data", "ffmetadata", "hls", "imf", "lavfi", "rtsp", "sdp", "tty",
    "webm_dash_manifest",
})  # fmt: skip

# AVI and ASF store times of decoding alone; FFmpeg invents the others, and gets B-frames wrong.
_NO_PRESENTATION_TIME = frozenset({"asf", "avi"})

_NOT_DECODED = [{"skip_frame": "all"}] * 8
"""Options of streams, none of which is decoded when a file is opened; more streams are rare."""

_DEFAULT_PIXELS = 5_000_000
"""So many pixels more a default stream counts for the ffmpeg command."""

_TIFF_JPEG = frozenset({6, 7})
"""Values of the tag Compression: JPEG as in TIFF 6.0, and as in its Technical Note 2."""

MAX_PIXELS = 1 << 27
"""Of a picture: 16384 x 8192, which takes 400 MB of memory in RGB."""
_MAX_READ_ERRORS = 16  # after which the rest of a file is not read


def open_video(path: Path | str, *, decode: bool = True) -> InputContainer:
    """Open a file, and only that file: no playlists, patterns or addresses are followed.

    Args:
        path: the file.
        decode: let FFmpeg decode the first frame of each stream, which takes most of the time;
            without it some properties of codecs may be unknown.

    Raises:
        UnreadableVideo: if it is missing, a folder, empty, not permitted, or no video.
    """
    path = Path(path)
    _check_readable(path)
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": _safe_formats(),
        "pattern_type": "none",  # a picture's name with % or * in it is a name, not a pattern
    }
    try:
        return av.open(
            f"file:{path.absolute()}",
            options=options,
            stream_options=None if decode else _NOT_DECODED,  # type: ignore[arg-type] # its stub is wrong: each is a dict
        )
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise UnreadableVideo(
            f"{path}: expected a video or picture file, but it cannot be opened as one "
            f"({reason(exc)}); it may be truncated, or not be of the kind that its suffix names: "
            "replace it, or leave it out"
        ) from exc


def open_binary(file: BinaryIO | IOBase, name: str) -> InputContainer:
    """Open an open binary file, and only that file.

    Args:
        file: readable and seekable; it stays open.
        name: what messages call it.

    Raises:
        UnreadableVideo: if it is no video.
        Exception: what reading the file raises.
    """
    # No protocol is allowed: the bytes come from the file object alone.
    options = {"protocol_whitelist": "", "format_whitelist": _safe_formats()}
    try:
        return av.open(file, "r", options=options)
    except (av.error.FFmpegError, ValueError) as exc:
        raise UnreadableVideo(
            f"{name}: expected a video, but it cannot be opened as one ({reason(exc)})"
        ) from exc


def picture_stream(container: InputContainer, path: Path | str) -> VideoStream:
    """Return the video stream that the ffmpeg command takes: the largest, else the first.

    One that is marked as the default counts `_DEFAULT_PIXELS` more; covers do not count.

    Raises:
        UnreadableVideo: if there is none, or only the cover picture of a sound file, or if its
            pictures are too large.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    stream = max(streams, key=_size_px, default=None)
    if stream is None:
        kinds = ", ".join(sorted({each.type for each in container.streams})) or "nothing"
        raise UnreadableVideo(f"{path}: expected a picture stream, but the file holds only {kinds}")
    if stream.codec_context is None or stream.time_base is None:
        raise UnreadableVideo(f"{path}: no decoder is known for its picture stream")
    refuse_huge(path, stream.codec_context.width, stream.codec_context.height)
    if stream.codec.canonical_name == "tiff":
        _refuse_tiff(Path(path))
    return stream


def _refuse_tiff(path: Path) -> None:
    """Refuse TIFF files that FFmpeg reads wrongly and in silence.

    Of several pages it gives the first, and pixels that are compressed as JPEG are black.

    Raises:
        UnreadableVideo: if it is one.
    """
    pages, compression = 1, None
    with contextlib.suppress(OSError, ValueError, SyntaxError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path, formats=("TIFF",)) as image:
            pages = getattr(image, "n_frames", 1)
            compression = getattr(image, "tag_v2", {}).get(TiffImagePlugin.COMPRESSION)
    if pages > 1:
        raise UnreadableVideo(
            f"{path}: expected one picture, but the TIFF file has {pages} pages: write each into a "
            "file of its own"
        )
    if compression in _TIFF_JPEG:
        raise UnreadableVideo(
            f"{path}: TIFF files whose pixels are compressed as JPEG are not read: save it as JPEG "
            "or PNG, or as TIFF with LZW or without compression"
        )


def _size_px(stream: VideoStream) -> int:
    """Return how large a stream's pictures are, with what it gets for being the default."""
    context = stream.codec_context
    size = context.width * context.height if context is not None else 0
    return size + _DEFAULT_PIXELS * bool(stream.disposition & Disposition.default)


def refuse_huge(path: Path | str, width: int, height: int) -> None:
    """Refuse pictures that would fill the memory: a small file can hold a very large one.

    Raises:
        UnreadableVideo: if it has more than `MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableVideo(
            f"{path}: expected at most {MAX_PIXELS} pixels, but its pictures have {width} x "
            f"{height}: write it smaller"
        )


def read_packets(
    container: InputContainer, stream: VideoStream, complain: OnError
) -> Iterator[Packet[VideoStream] | None]:
    """Yield the stream's packets and at last None, which flushes a decoder.

    Read errors go to `complain`; reading then goes on behind the damaged place if it can.
    """
    for _ in range(_MAX_READ_ERRORS):
        try:
            yield from (packet for packet in container.demux(stream) if packet.size)
            break
        except av.error.FFmpegError as exc:
            complain(
                DecodeError(
                    f"{container.name.removeprefix('file:')}: cannot be read further: {reason(exc)}"
                )
            )
    yield None


def has_presentation_times(container: InputContainer) -> bool:
    """Return whether the container stores when a frame is shown, not only decode order."""
    return container.format.name not in _NO_PRESENTATION_TIME


def _check_readable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if S_ISDIR(mode):
            raise UnreadableVideo(f"{path}: expected a video file, but this is a folder")
        if not S_ISREG(mode):
            raise UnreadableVideo(f"{path}: expected a video file, but this is a device or a pipe")
        with path.open("rb") as file:
            if not file.read(1):
                raise UnreadableVideo(f"{path}: the file is empty (0 bytes); fetch it again")
    except FileNotFoundError as exc:
        raise UnreadableVideo(
            f"{path}: there is no such file: put it back, or name another"
        ) from exc
    except PermissionError as exc:
        raise UnreadableVideo(
            f"{path}: no permission to read it; change its access rights"
        ) from exc
    except (OSError, ValueError) as exc:
        raise UnreadableVideo(f"{path}: cannot be read: {os_reason(exc)}") from exc


@cache
def _safe_formats() -> str:
    return ",".join(sorted(av.formats_available - _UNSAFE))


def reason(exc: Exception) -> str:
    """Return the error text of FFmpeg or the system, without numbers and paths."""
    return str(getattr(exc, "strerror", None) or exc)
