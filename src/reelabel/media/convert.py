"""Decoded pictures to upright RGB or grey arrays with square pixels, reduced on the way.

Two paths. At its own size a picture goes through swscale, which gives the same values as
``cv2.VideoCapture`` and PyAV's ``to_ndarray`` do. Where the size changes, each plane of 8-bit YUV
is halved by averaging as long as it stays large enough, scaled by linear interpolation, and only
then turned into RGB: that is faster than every swscale mode that does not alias. All other pixel
formats are scaled by swscale (area averaging).

Matrix and range are the ones the stream declares. Where it declares none, BT.601 and limited range
are taken, as FFmpeg and OpenCV do. A matrix that swscale lacks, such as YCgCo, is replaced by the
nearest that it has: BT.2020 for that with constant luminance, else BT.709.

Interlaced pictures (those that their stream flags so, frame by frame) are replaced by their upper
field: the odd lines, shown half a frame apart from the even ones, are left out and filled by
interpolation. It costs half the vertical resolution and needs no neighbouring frames, so a frame
looks the same however it was reached.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av.error
import cv2
import numpy as np
from av.buffer import Buffer
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from reelabel.errors import DecodeError
from reelabel.media.bitstream import is_picture_format

Picture = NDArray[np.uint8]
"""``(height, width, 3)`` uint8 RGB, or ``(height, width)`` uint8 grey."""

Size = tuple[int, int]
"""Width and height in pixels."""

_PLANAR = frozenset({"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"})
_OF_PNG = frozenset([
    "rgb24",
    "rgba",
    "rgb48be",
    "rgba64be",
    "pal8",
    "gray",
    "gray16be",
    "ya8",
    "ya16be",
    "monob",
])
"""Pixel formats that FFmpeg's PNG decoder gives."""
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_KR_KB = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Luma weights by AVColorSpace (ITU-T H.273, table 4): BT.709, FCC, SMPTE 240M, BT.2020."""
_BT601, _BT709 = (0.299, 0.114), 1
_SUPPORTED = frozenset({0, 1, 2, 4, 5, 6, 7, 9})
_NEAREST = {3: 2, 10: 9}
"""AVColorSpace that swscale refuses -> the one that is taken: of the reserved one none, of BT.2020
with constant luminance that without, of all others (YCgCo, SMPTE 2085, ICtCp ...) BT.709."""
_FEW_LINES = 3  # too low to have fields
_SANE_SAR = (Fraction(1, 8), Fraction(8))


@dataclass(frozen=True)
class Upright:
    """How a coded picture becomes upright: transpose, then mirror, by the display matrix."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    @property
    def rotation_deg(self) -> int:
        """The clockwise turn (0, 90, 180 or 270) in it; a mirrored picture has one as well."""
        if self.transpose:
            return 90 if self.mirror_x else 270
        return 180 if self.mirror_y else 0

    def size(self, size_wh: Size) -> Size:
        """Return the size after turning."""
        return (size_wh[1], size_wh[0]) if self.transpose else size_wh

    def turn(self, picture: Picture) -> Picture:
        """Return the picture turned, contiguous in memory."""
        if self.transpose:
            picture = picture.swapaxes(0, 1)
        if self.mirror_x:
            picture = picture[:, ::-1]
        if self.mirror_y:
            picture = picture[::-1]
        return np.ascontiguousarray(picture)


_TURNS = (
    Upright(),
    Upright(transpose=True, mirror_x=True),
    Upright(mirror_x=True, mirror_y=True),
    Upright(transpose=True, mirror_y=True),
)
"""No turn, and a quarter, a half and three quarters of one, clockwise."""


def upright_of(frame: VideoFrame) -> Upright:
    """Read the display matrix that came with the frame; angles between go to the nearest turn."""
    data = _display_matrix(frame)
    if data is None:
        return _TURNS[round(-frame.rotation / 90) % 4]
    # Row-major 3 x 3; a pixel (x, y) is shown at (a x + c y, b x + d y).
    a, b, _, c, d = struct.unpack_from("=5i", data)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Upright(mirror_x=a < 0, mirror_y=d < 0)
    return Upright(transpose=True, mirror_x=c < 0, mirror_y=b < 0)


def _display_matrix(frame: VideoFrame) -> bytes | None:
    """Return the nine numbers of the frame's display matrix, or None if none can be read."""
    frame = _without_profile(frame)
    try:
        # Not frame.side_data: the frame would hold what holds it, and wait for the collector.
        held: Any = SideDataContainer
        data = held(frame).get("DISPLAYMATRIX")
    except ValueError:
        data = _before_the_unknown(frame)
    return bytes(data) if isinstance(data, Buffer) else None


def _without_profile(frame: VideoFrame) -> VideoFrame:
    """Return the frame without its colour profile, if it may be one of FFmpeg's PNG decoder.

    That decoder gives the profile a name, which PyAV frees and FFmpeg frees once more as soon as
    anybody has looked at side data: the process ends.
    """
    if frame.format.name not in _OF_PNG:
        return frame
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1),
    )
    graph.link_nodes(
        source, graph.add("sidedata", "mode=delete:type=ICC_PROFILE"), graph.add("buffersink")
    ).configure()
    graph.vpush(frame)
    return graph.vpull()


def _before_the_unknown(frame: VideoFrame) -> Buffer | None:
    """Return the display matrix of a frame with side data that PyAV has no name for, such as EXIF.

    PyAV then shows none at all. Its container takes them in one by one and stops at the first that
    it does not know; the matrix, which FFmpeg makes of the orientation in EXIF, is put before that.
    """
    held: Any = SideDataContainer.__new__(SideDataContainer)
    with contextlib.suppress(ValueError):
        held.__init__(frame)
    sides = (held[i] for i in range(len(held) - 1))
    return next((side for side in sides if side.type.name == "DISPLAYMATRIX"), None)


def pixel_aspect(stream: VideoStream) -> Fraction:
    """Return the width of a pixel over its height, or 1 where it is unknown or absurd.

    Of a picture file it is 1: its density is meant for print, and no reader of pictures uses it.
    """
    sar = stream.sample_aspect_ratio
    if is_picture_format(stream.container.format.name):
        return Fraction(1)
    return sar if sar and _SANE_SAR[0] <= sar <= _SANE_SAR[1] else Fraction(1)


def square_size(coded_wh: Size, sar: Fraction) -> Size:
    """Return the size with square pixels: the width is stretched, as players do."""
    return max(1, round(coded_wh[0] * sar)), coded_wh[1]


def fit_size(size_wh: Size, fit_wh: Size | None) -> Size:
    """Return the largest size of the same shape within `fit_wh`; never larger than it was.

    >>> fit_size((1920, 1080), (416, 416)), fit_size((300, 200), (416, 416))
    ((416, 234), (300, 200))
    """
    if fit_wh is None:
        return size_wh
    scale = min(1.0, fit_wh[0] / size_wh[0], fit_wh[1] / size_wh[1])
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def to_rgb(frame: VideoFrame, sar: Fraction, fit_wh: Size | None) -> Picture:
    """Return ``(height, width, 3)`` uint8 RGB, upright, with square pixels, within `fit_wh`."""
    upright = upright_of(frame)
    frame.colorspace = _matrix(frame.colorspace)
    target = _target(frame, upright, sar, fit_wh)
    if _is_planar(frame) and (target != (frame.width, frame.height) or frame.interlaced_frame):
        rgb = _by_planes(frame, target)
    else:
        rgb = _by_swscale(frame, target)
    return upright.turn(rgb)


def to_grey(frame: VideoFrame, sar: Fraction, fit_wh: Size | None) -> Picture:
    """Return ``(height, width)`` uint8 luma in 0..255, otherwise as `to_rgb`."""
    if not _is_planar(frame):
        grey: Picture = cv2.cvtColor(to_rgb(frame, sar, fit_wh), cv2.COLOR_RGB2GRAY)
        return grey
    upright = upright_of(frame)
    target = _target(frame, upright, sar, fit_wh)
    luma = scaled(_planes(frame)[0], target)
    if not _is_full_range(frame):
        luma = cv2.LUT(luma, _limited_to_full())
    return upright.turn(luma)


def to_bgr(frame: VideoFrame) -> Picture:
    """Return ``(height, width, 3)`` uint8 BGR as OpenCV's reader does: upright, as coded else."""
    frame.colorspace = _matrix(frame.colorspace)
    with _conversion_explained(frame):
        bgr = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
    return upright_of(frame).turn(bgr)


def bgr_to_grey(bgr: Picture) -> Picture:
    """Return ``(height, width)`` uint8: OpenCV's weighing of blue, green and red."""
    grey: Picture = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    return grey


def _target(frame: VideoFrame, upright: Upright, sar: Fraction, fit_wh: Size | None) -> Size:
    """Return the size to scale to, before turning."""
    square = square_size((frame.width, frame.height), sar)
    return upright.size(fit_size(upright.size(square), fit_wh))


def _is_planar(frame: VideoFrame) -> bool:
    return frame.format.name in _PLANAR and all(plane.line_size > 0 for plane in frame.planes)


def _matrix(colorspace: int) -> int:
    """Return the AVColorSpace by which one is converted."""
    return colorspace if colorspace in _SUPPORTED else _NEAREST.get(colorspace, _BT709)


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")


def _planes(frame: VideoFrame) -> list[Picture]:
    """Return views of the planes; of an interlaced picture, of its upper field."""
    step = 2 if frame.interlaced_frame and frame.height > _FEW_LINES else 1
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height : step, : plane.width
        ]
        for plane in frame.planes
    ]


def scaled(plane: Picture, size_wh: Size) -> Picture:
    """Scale a plane or picture: halve by averaging while it is twice too large, then interpolate.

    Averaging at once to a size that is no whole part of the old one is several times slower.
    """
    w, h = size_wh
    while plane.shape[1] >= 2 * w and plane.shape[0] >= 2 * h:
        half = (plane.shape[1] // 2, plane.shape[0] // 2)
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA)
    if plane.shape == (h, w):
        return plane
    result: Picture = cv2.resize(plane, size_wh, interpolation=cv2.INTER_LINEAR)
    return result


def _by_planes(frame: VideoFrame, size_wh: Size) -> Picture:
    """Scale each plane, then convert the few pixels that are left."""
    yuv = cv2.merge([scaled(plane, size_wh) for plane in _planes(frame)])
    rgb: Picture = cv2.transform(yuv, _yuv_to_rgb(frame.colorspace, _is_full_range(frame)))
    return rgb


def _by_swscale(frame: VideoFrame, size_wh: Size) -> Picture:
    same = size_wh == (frame.width, frame.height)
    with _conversion_explained(frame):
        scaled = _reformatter().reformat(
            frame,
            width=size_wh[0],
            height=size_wh[1],
            format="rgb24",
            interpolation=Interpolation.BILINEAR if same else Interpolation.AREA,
            threads=1,
        )
    rgb = np.asarray(scaled.to_ndarray(), np.uint8)
    if frame.interlaced_frame and rgb.shape[0] > _FEW_LINES:
        rgb = cv2.resize(rgb[::2], size_wh, interpolation=cv2.INTER_LINEAR)
    return rgb


@contextlib.contextmanager
def _conversion_explained(frame: VideoFrame) -> Iterator[None]:
    """Translate errors of swscale, which concern the video and no file that is written."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as exc:
        raise DecodeError(
            f"pictures of the format {frame.format.name}, colour matrix {frame.colorspace}, cannot "
            f"be converted to RGB ({getattr(exc, 'strerror', None) or exc}): convert the video "
            "first:  ffmpeg -i FILE -pix_fmt yuv420p -colorspace bt709 NEW.mp4"
        ) from exc


_local = threading.local()


def _reformatter() -> VideoReformatter:
    """Return this thread's scaler: setting one up for each frame takes longer than scaling."""
    if not hasattr(_local, "reformatter"):
        _local.reformatter = VideoReformatter()
    shared: VideoReformatter = _local.reformatter
    return shared


@cache
def _yuv_to_rgb(colorspace: int, full_range: bool) -> NDArray[np.float32]:
    """Return the ``(3, 4)`` matrix from 8-bit YUV to RGB (ITU-T H.273, equations 38 to 40)."""
    kr, kb = _KR_KB.get(colorspace, _BT601)
    kg = 1 - kr - kb
    linear = np.array([
        [1, 0, 2 * (1 - kr)],
        [1, -2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg],
        [1, 2 * (1 - kb), 0],
    ])
    scale, offset = ([1, 1, 1], 0) if full_range else ([255 / 219, 255 / 224, 255 / 224], 16)
    linear *= scale
    shift = -linear @ [offset, 128, 128]
    return np.column_stack([linear, shift]).astype(np.float32)


@cache
def _limited_to_full() -> Picture:
    values = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255)
    table: Picture = values.astype(np.uint8)
    return table
