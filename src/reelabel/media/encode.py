"""Writing video: every frame at its own time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from reelabel.errors import MediaError, UsageError
from reelabel.files import NO_SPACE, explained, scratch_file
from reelabel.media.convert import Picture
from reelabel.media.opening import reason

_ENCODERS = ("libx264", "libopenh264", "mpeg4")
"""In order of preference; FFmpeg builds differ in which they hold."""

_AHEAD = 3  # pictures that wait to be encoded
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
        quick: encode several times faster into a somewhat larger file.
        comment: a text that the file carries, see `reelabel.media.rendering`.

    Raises:
        UsageError: if the suffix means no video container, a picture has another size than the
            first, or time stamps do not increase.
        MediaError: if the file cannot be written.
        WorkspaceError: if its folder cannot be.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        time_base: Fraction,
        rate: Fraction | float = 25,
        crf: int = 20,
        quick: bool = False,
        comment: str = "",
    ) -> None:
        self.path = Path(path)
        self._time_base, self._crf, self._quick = time_base, crf, quick
        self._rate = Fraction(rate).limit_denominator(1001) if rate > 0 else Fraction(25)
        self._comment = comment
        self._opened = ExitStack()
        self._container: OutputContainer
        self._stream: VideoStream | None = None
        self._scaler = VideoReformatter()
        self._rgb: VideoFrame | None = None
        self._size_wh = (0, 0)
        self._shift, self._last_pts = 0, -1

    def __enter__(self) -> Self:
        """Open a temporary file and return the writer itself."""
        with ExitStack() as stack:
            file = scratch_file(self.path, sync=False, suffix=self.path.suffix)
            temporary = stack.enter_context(file)
            self._container = open_output(temporary, self.path, self._time_base)
            if self._comment:
                self._container.metadata["comment"] = self._comment
            stack.callback(self._close)
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file and give it its name, or remove what there is of it."""
        if kind is not None:
            self._opened.__exit__(kind, error, trace)
            return
        with self._opened:
            if self._stream is None:
                raise UsageError(f"{self.path}: no frame was written, so there is no video")
            with writing_explained(self.path):
                self._container.mux(self._stream.encode(None))
                self._container.close()

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
        with writing_explained(self.path):
            self._container.mux(self._stream.encode(self._to_frame(rgb, pts)))

    def _add_stream(self) -> VideoStream:
        name = next(name for name in _ENCODERS if name in av.codecs_available)
        # Without macroblock trees the same pictures give the same bytes, whatever else runs.
        options = {"crf": str(self._crf), "mbtree": "0"} if name == "libx264" else {}
        options |= {"preset": "veryfast"} if self._quick and options else {}
        with writing_explained(self.path):
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
        if height % 2 or width % 2:
            rgb = np.pad(rgb, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._scaler.reformat(
            self._filled(rgb),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts, frame.time_base = pts, self._time_base
        frame.pict_type = PictureType.NONE
        return frame

    def _filled(self, rgb: Picture) -> VideoFrame:
        """Return the picture as a frame, the same one each time: memory for a new one is slow."""
        if self._rgb is None:
            self._rgb = VideoFrame(rgb.shape[1], rgb.shape[0], "rgb24")
        plane = self._rgb.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        lines[: rgb.shape[0], : 3 * rgb.shape[1]].reshape(rgb.shape)[...] = rgb
        return self._rgb

    def _close(self) -> None:
        with suppress(av.error.FFmpegError):  # an unfinished file is thrown away
            self._container.close()


@contextmanager
def written_behind(writer: VideoWriter) -> Iterator[Callable[[Picture, int], None]]:
    """Give a function that adds frames to a writer, which encodes them in a thread of its own.

    While a frame is encoded the next ones are made. A few are held; they must not be changed.
    Errors of the writer are raised by a later call or at the end of the block.
    """
    waiting: deque[Future[None]] = deque()

    def write(rgb: Picture, pts: int) -> None:
        while len(waiting) >= _AHEAD:
            waiting.popleft().result()
        waiting.append(thread.submit(writer.write, rgb, pts))

    with ThreadPoolExecutor(1) as thread:
        yield write
        for each in waiting:
            each.result()


def open_output(temporary: Path, path: Path, time_base: Fraction) -> OutputContainer:
    """Open a temporary file for writing; messages name `path`, whose suffix decides the container.

    Args:
        temporary: the file.
        path: the name that it will get.
        time_base: seconds per unit of the time stamps, which are stored without rounding where
            the container can.

    Raises:
        MediaError: if it cannot be written.
        UsageError: if the suffix means no video container.
    """
    options = {}
    if path.suffix.lower() in _MP4:
        # Both clocks of the container must tick as the time base does, or times would be rounded.
        tick = str(time_base.denominator)
        options = {
            "movflags": "+faststart",
            "video_track_timescale": tick,
            "movie_timescale": tick,
        }
    with writing_explained(path):
        return av.open(f"file:{temporary.absolute()}", "w", container_options=options)


@contextmanager
def writing_explained(path: Path) -> Iterator[None]:
    """Translate errors of the encoder and the system into ours."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as exc:
        if exc.errno in NO_SPACE:
            with explained(path):
                raise OSError(exc.errno, os.strerror(exc.errno)) from exc
        raise MediaError(f"{path}: cannot be written: {reason(exc)}") from exc
    except ValueError as exc:
        raise UsageError(f"{path}: cannot hold such a video ({exc}); try .mp4 or .mkv") from exc
