"""Picture files: reading upright RGB or the size alone, writing JPEG, fitting to a size."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import ExifTags, Image

from reelabel.data.boxes import Placement
from reelabel.errors import DecodeError, UnreadableVideo, UsageError
from reelabel.file_kinds import plain_file
from reelabel.files import write_bytes
from reelabel.media.convert import Picture, Size
from reelabel.media.opening import MAX_PIXELS, refuse_huge

How = Literal["longest", "letterbox", "exact"]

_HEADERS = ("BMP", "JPEG", "PNG", "WEBP")
_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF orientations that swap width and height
_HEADER_BYTES = 1 << 20  # also of a JPEG with a preview in it
_JPEG_MAX_PX = 65500  # libjpeg's limit
_WRITTEN = re.compile(r"(?:(?P<root>.*)/)?(?P<folder>frames|windows)/[0-9a-f]{16}/-?\d+\.jpg")
"""Pictures that the stages `sample` and `window` write."""
_GREY = 114  # the border that YOLO-like models are trained with


def read_rgb(path: Path | str) -> Picture:
    """Return a picture file as ``(height, width, 3)`` uint8 RGB, upright as by its EXIF.

    Grey and CMYK become RGB, 16 bits become 8, transparency is dropped.

    Raises:
        DecodeError: if the file is missing, damaged, truncated, or no picture.
        UnreadableVideo: if it has more pixels than memory is risked for.
    """
    try:
        data = np.fromfile(plain_file(path), np.uint8)
        _refuse_huge(path, data[:_HEADER_BYTES].tobytes())
        rgb = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
    except (OSError, cv2.error) as exc:
        what = getattr(exc, "strerror", None) or getattr(exc, "err", None) or exc
        raise DecodeError(f"{path}: cannot be read as a picture: {what}{_again(path)}") from exc
    if rgb is None:
        raise DecodeError(
            f"{path}: expected a picture, but it is damaged, truncated or no picture{_again(path)}"
        )
    picture: Picture = rgb
    return picture


def _again(path: Path | str) -> str:
    """Return how a picture is made again that a stage of a workspace wrote, else how to go on."""
    written = _WRITTEN.search(os.path.normpath(path))
    if written is None:
        return ": replace it, or leave it out"
    made_by = {"frames": "sample", "windows": "window"}[written["folder"]]
    return f": make it again with  reelabel {made_by} {written['root'] or '.'} --force"


def _refuse_huge(path: Path | str, data: bytes) -> None:
    """Refuse a picture whose header states more pixels than memory is risked for.

    Raises:
        UnreadableVideo: if it has.
    """
    with contextlib.suppress(OSError, ValueError, SyntaxError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of sizes that are allowed here
        try:
            size_wh = Image.open(io.BytesIO(data), formats=_HEADERS).size
        except Image.DecompressionBombError as exc:
            raise UnreadableVideo(
                f"{path}: expected at most {MAX_PIXELS} pixels, but it has far more: write it "
                "smaller"
            ) from exc
        refuse_huge(path, *size_wh)


def read_size_wh(path: Path | str) -> Size:
    """Return width and height in pixels of a picture file, upright as by its EXIF.

    Only the header is read where it holds the size: damage after it is not found.

    Raises:
        DecodeError: if the file is missing, damaged, or no picture.
    """
    try:
        with warnings.catch_warnings(), Image.open(plain_file(path), formats=_HEADERS) as image:
            warnings.simplefilter("error")  # also for a size that Pillow finds suspicious
            turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
            return image.size[::-1] if turned else image.size
    except Exception:  # noqa: BLE001 -- Pillow raises many kinds; decoding gives the error
        height, width = read_rgb(path).shape[:2]
        return width, height


def encode_jpeg(rgb: Picture, quality: int = 90) -> bytes:
    """Return the picture as a JPEG file: baseline, 4:2:0, without metadata.

    Args:
        rgb: ``(height, width, 3)`` uint8.
        quality: 1 (small) to 100 (good).

    Raises:
        UsageError: if the quality or the array is not that.
    """
    if not 1 <= quality <= 100:  # noqa: PLR2004 -- the scale that JPEG encoders share
        raise UsageError(f"JPEG quality must be 1 to 100, but is {quality}")
    if rgb.dtype != np.uint8 or rgb.shape[2:] != (3,) or not rgb.size:
        raise UsageError(f"expected a uint8 array (h, w, 3), but got {rgb.dtype} {rgb.shape}")
    if max(rgb.shape) > _JPEG_MAX_PX:
        raise UsageError(f"JPEG holds at most {_JPEG_MAX_PX} pixels a side, but got {rgb.shape}")
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return bytes(data)


def write_jpeg(path: Path | str, rgb: Picture, quality: int = 90) -> None:
    """Write a JPEG file, and its folder; it is either whole or not there.

    Raises:
        UsageError: as `encode_jpeg`.
        WorkspaceError: if it cannot be written.
    """
    write_bytes(Path(path), encode_jpeg(rgb, quality), sync=False)


def encode_png(rgb: Picture) -> bytes:
    """Return the picture ``(height, width, 3)`` uint8 as a PNG file."""
    _, data = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return bytes(data)


def fit(rgb: Picture, how: How, size: Size | int) -> tuple[Picture, Placement]:
    """Return the picture in another size, and where the given one lies in it.

    Args:
        rgb: ``(height, width, 3)`` uint8.
        how: ``longest``: its longer side gets the larger of the two sizes, the shape is kept;
            ``letterbox``: as large as fits, the shape is kept, grey bars fill the size;
            ``exact``: the size, aspect ratio not kept.
        size: width and height in pixels; a number stands for a square.

    Raises:
        UsageError: if `how` or `size` is not one of these.
    """
    w, h = (size, size) if isinstance(size, int) else size
    if min(w, h) < 1:
        raise UsageError(f"a size must be at least 1 x 1 pixels, but is {w} x {h}")
    if how == "exact":
        return _resized(rgb, (w, h)), Placement(_scale(rgb, (w, h)))
    if how == "longest":
        inner = _shape_kept(rgb, (max(w, h), max(w, h)))
        return _resized(rgb, inner), Placement(_scale(rgb, inner))
    if how == "letterbox":
        inner = _shape_kept(rgb, (w, h))
        left, top = (w - inner[0]) // 2, (h - inner[1]) // 2
        canvas = np.full((h, w, 3), _GREY, np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = _resized(rgb, inner)
        return canvas, Placement(_scale(rgb, inner), (float(left), float(top)))
    raise UsageError(f"how to fit must be longest, letterbox or exact, but is {how!r}")


def of_size(rgb: Picture, size_wh: Size) -> Picture:
    """Return a picture in this size, itself if it has it; its aspect ratio is not kept.

    So frames of another size, as where the resolution changes in the middle of a video, get the
    size of their video, in whose pixels boxes are.
    """
    return rgb if rgb.shape[1::-1] == size_wh else _resized(rgb, size_wh)


def reduced(rgb: Picture, fit_wh: Size | None) -> Picture:
    """Return a picture reduced into a size with its shape kept; never enlarged, None keeps it."""
    inner = rgb.shape[1::-1] if fit_wh is None else _shape_kept(rgb, fit_wh)
    return rgb if inner[0] >= rgb.shape[1] else _resized(rgb, inner)


def _shape_kept(rgb: Picture, size_wh: Size) -> Size:
    height, width = rgb.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _scale(rgb: Picture, size_wh: Size) -> tuple[float, float]:
    return size_wh[0] / rgb.shape[1], size_wh[1] / rgb.shape[0]


def _resized(rgb: Picture, size_wh: Size) -> Picture:
    """Average where it shrinks, so that nothing aliases; interpolate where it grows."""
    height, width = rgb.shape[:2]
    if (width, height) == size_wh:
        return rgb.copy()
    shrinks = size_wh[0] <= width and size_wh[1] <= height
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized: Picture = cv2.resize(rgb, size_wh, interpolation=how)
    return resized
