"""Writing video: frames at their own times, and parts cut out of a video."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from reelabel.errors import MediaError, UsageError
from reelabel.media.convert import Picture
from reelabel.media.opening import open_video, picture_stream, read_packets, reason
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.video import decode, time_range

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""In order of preference; FFmpeg builds differ in which they hold."""

_MP4 = frozenset({".mp4", ".m4v", ".mov"})
_BT709 = 1  # the same number for matrix, transfer and primaries (ITU-T H.273)
_LIMITED = 1  # AVCOL_RANGE_MPEG


class VideoWriter:
    """Writes a video, every frame at exactly its own time; use it with ``with``.

    The file appears under its name when the block ends well, and not at all when it does not.
    Pictures are stored as H.264, 4:2:0, BT.709; odd sizes are padded by one line or column.

    Args:
        path: the file; its suffix (.mp4, .mkv, .mov ...) decides the container.
        time_base: seconds per unit of the time stamps, as of the footage that the frames are from.
        rate: frames per second on average, for the encoder's rate control only.
        crf: constant rate factor, 0 (lossless) to 51 (bad).
        quick: encode several times faster into a somewhat larger file, for films to look at.

    Raises:
        UsageError: if the suffix means no video container, a picture has another size than the
            first, or time stamps do not increase.
        MediaError: if the file cannot be written.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        time_base: Fraction,
        rate: Fraction | float = 25,
        crf: int = 20,
        quick: bool = False,
    ) -> None:
        self.path = Path(path)
        self._temporary = _temporary(self.path)
        self._time_base, self._crf, self._quick = time_base, crf, quick
        self._rate = Fraction(rate).limit_denominator(1001) if rate > 0 else Fraction(25)
        self._container = _open_output(self._temporary, self.path, time_base)
        self._stream: VideoStream | None = None
        self._scaler = VideoReformatter()
        self._size_wh = (0, 0)
        self._shift, self._last_pts = 0, -1

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file and give it its name, or remove what there is of it."""
        if kind is not None or self._stream is None:
            self._abandon()
            if kind is None:
                raise UsageError(f"{self.path}: no frame was written, so there is no video")
            return
        try:
            with _explained(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()
                self._temporary.replace(self.path)
        except BaseException:
            self._abandon()
            raise

    def write(self, rgb: Picture, pts: int) -> None:
        """Add a frame.

        Args:
            rgb: ``(height, width, 3)`` uint8; all frames have the size of the first.
            pts: its time stamp in units of `time_base`, larger than the one before. If the first
                is below 0, it becomes 0 and all others move with it.
        """
        size_wh = (rgb.shape[1], rgb.shape[0])
        if self._stream is None:
            self._size_wh = size_wh
            self._shift = max(0, -pts)
            self._stream = self._add_stream()
        if size_wh != self._size_wh:
            raise UsageError(f"all frames must be {self._size_wh}, but this one is {size_wh}")
        pts += self._shift
        if pts <= self._last_pts:
            raise UsageError(f"time stamps must increase, but {pts} follows {self._last_pts}")
        self._last_pts = pts
        with _explained(self.path):
            self._container.mux(self._stream.encode(self._to_frame(rgb, pts)))

    def _add_stream(self) -> VideoStream:
        name = next(name for name in _ENCODERS if name in av.codecs_available)
        # Without macroblock trees the same pictures give the same bytes, whatever else runs.
        options = {"crf": str(self._crf), "mbtree": "0"} if name == "libx264" else {}
        options |= {"preset": "veryfast"} if self._quick and options else {}
        with _explained(self.path):
            stream = self._container.add_stream(name, rate=self._rate, options=options)
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{self.path}: the encoder {name} writes no pictures")
        context = stream.codec_context
        context.width, context.height = (side + side % 2 for side in self._size_wh)
        context.pix_fmt = "yuv420p"
        context.time_base = stream.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream

    def _to_frame(self, rgb: Picture, pts: int) -> VideoFrame:
        height, width = rgb.shape[:2]
        even = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._scaler.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts, frame.time_base = pts, self._time_base
        frame.pict_type = PictureType.NONE
        return frame

    def _abandon(self) -> None:
        try:
            self._container.close()
        except av.error.FFmpegError:
            pass  # it is thrown away
        finally:
            self._temporary.unlink(missing_ok=True)


def trim(
    src: Path | str,
    dst: Path | str,
    start_s: float | None = None,
    end_s: float | None = None,
    *,
    reencode: bool = True,
) -> int:
    """Write a part of a video as a file of its own, pictures only, and return how many frames.

    Args:
        src: the video.
        dst: the new file; its suffix decides the container.
        start_s: the first frame is the first at or after this second.
        end_s: the last frame is the last before this second.
        reencode: True gives exactly the frames of the span, upright and with square pixels. False
            copies the coded pictures: fast and without loss, but the part then begins at the key
            frame at or before the start, and may end some frames late.

    Raises:
        UsageError: if the span does not fit the video, or the suffix means no container for it.
        UnreadableVideo: if the video cannot be opened.
        MediaError: if the file cannot be written.
    """
    info = probe(src)
    span = time_range(info, start_s, end_s)
    if Path(src).resolve() == Path(dst).resolve():
        raise UsageError(f"{dst}: a video cannot be trimmed onto itself; give another name")
    if not reencode:
        return _copy(Path(src), Path(dst), info, span)
    count, first_pts = 0, None
    with VideoWriter(dst, time_base=info.time_base, rate=info.fps) as writer:
        for frame in decode(src, start_s=span[0], end_s=span[1]):
            first_pts = frame.pts if first_pts is None else first_pts
            writer.write(frame.rgb(), frame.pts - first_pts)
            count += 1
    return count


def _copy(src: Path, dst: Path, info: VideoInfo, span: tuple[float, float]) -> int:
    temporary = _temporary(dst)
    try:
        with open_video(src) as container:
            stream = picture_stream(container, src)
            with _open_output(temporary, dst, info.time_base) as output, _explained(dst):
                copy = output.add_stream_from_template(stream, opaque=True)
                count = _mux(output, copy, _span_packets(container, stream, info, span))
        temporary.replace(dst)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _span_packets(
    container: InputContainer, stream: VideoStream, info: VideoInfo, span: tuple[float, float]
) -> Iterator[Packet[VideoStream]]:
    """Yield the packets from the last key frame before the span to its end, in decode order."""
    group: list[Packet[VideoStream]] = []
    begun = False
    for packet in read_packets(container, stream, complain=lambda _: None):
        if packet is None:
            break
        stamp = packet.pts if packet.pts is not None else packet.dts
        at = info.time_s(stamp) if stamp is not None else 0.0
        if packet.dts is not None and info.time_s(packet.dts) >= span[1]:
            break
        if packet.is_keyframe and at <= span[0]:
            group = []
        group.append(packet)
        begun = begun or at >= span[0]
        if begun:
            yield from group
            group = []
    yield from group


def _mux(output: OutputContainer, copy: VideoStream, packets: Iterable[Packet[VideoStream]]) -> int:
    """Write packets with the first key frame at time stamp 0; return how many."""
    count, shift = 0, None
    for packet in packets:
        if shift is None:
            shift = packet.pts if packet.pts is not None else packet.dts or 0
        packet.pts = None if packet.pts is None else packet.pts - shift
        packet.dts = None if packet.dts is None else packet.dts - shift
        packet.stream = copy
        output.mux(packet)
        count += 1
    return count


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")


def _open_output(temporary: Path, path: Path, time_base: Fraction) -> OutputContainer:
    options = {}
    if path.suffix.lower() in _MP4:
        # Both clocks of the container must tick as the time base does, or times would be rounded.
        tick = str(time_base.denominator)
        options = {
            "movflags": "+faststart",
            "video_track_timescale": tick,
            "movie_timescale": tick,
        }
    with _explained(path):
        return av.open(f"file:{temporary.absolute()}", "w", container_options=options)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the encoder and the system say into our errors."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as exc:
        raise MediaError(f"{path}: cannot be written: {reason(exc)}") from exc
    except ValueError as exc:
        raise UsageError(f"{path}: cannot hold such a video ({exc}); try .mp4 or .mkv") from exc
