"""Pixels: right colours, right shape, nothing invented."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import DecodeError
from reelabel.media.convert import fit_size, pixel_aspect, to_grey, to_rgb
from reelabel.media.frame import Frame
from reelabel.media.video import decode

SIDE = st.integers(1, 5000)
BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2


@given(w=SIDE, h=SIDE, fit_w=SIDE, fit_h=SIDE)
def test_fit_size_keeps_shape_and_never_enlarges(w: int, h: int, fit_w: int, fit_h: int) -> None:
    """The result is within both sizes, touches one, and has the same shape to half a pixel."""
    new_w, new_h = fit_size((w, h), (fit_w, fit_h))
    assert 1 <= new_w <= min(w, fit_w)
    assert 1 <= new_h <= min(h, fit_h)
    assert new_w in {w, fit_w} or new_h in {h, fit_h}
    scale = min(1, fit_w / w, fit_h / h)
    assert abs(new_w - max(w * scale, 1)) <= 0.5
    assert abs(new_h - max(h * scale, 1)) <= 0.5


def flat(
    pix_fmt: str, colorspace: int, color_range: int, yuv: tuple[int, int, int]
) -> av.VideoFrame:
    """Return a picture of one colour."""
    frame = av.VideoFrame(64, 48, pix_fmt)
    for plane, value in zip(frame.planes, yuv, strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    frame.colorspace, frame.color_range = colorspace, color_range
    return frame


@pytest.mark.parametrize(
    ("colorspace", "color_range", "yuv", "rgb"),
    [
        # Pure red, as the defining standards encode it.
        (BT601, LIMITED, (81, 90, 240), (255, 0, 0)),
        (BT709, LIMITED, (63, 102, 240), (255, 0, 0)),
        (BT2020, LIMITED, (74, 97, 240), (255, 0, 0)),
        (BT601, FULL, (76, 85, 255), (255, 0, 0)),
        (BT709, FULL, (182, 30, 12), (0, 255, 0)),
        (BT709, LIMITED, (235, 128, 128), (255, 255, 255)),
        (BT709, LIMITED, (16, 128, 128), (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("fit_wh", [None, (30, 30), (7, 7)])
def test_colours_follow_matrix_and_range(
    *,
    colorspace: int,
    color_range: int,
    yuv: tuple[int, int, int],
    rgb: tuple[int, int, int],
    fit_wh: tuple[int, int] | None,
) -> None:
    """A colour is the same at every size, by the matrix and range that the stream declares."""
    frame = flat("yuv420p", colorspace, color_range, yuv)
    picture = to_rgb(frame, Fraction(1), fit_wh)
    assert np.abs(picture.astype(int) - rgb).max() <= 3


def test_own_size_is_what_opencv_gives(data_dir: Path) -> None:
    """At its own size, a frame equals what `cv2.VideoCapture` returns, bit for bit."""
    path = data_dir / "videos/awkward/counter_frames.mp4"
    capture = cv2.VideoCapture(str(path))
    for frame, _ in zip(decode(path), range(5), strict=False):
        _, bgr = capture.read()
        np.testing.assert_array_equal(frame.rgb()[..., ::-1], bgr)
    capture.release()


@pytest.mark.parametrize(
    "name",
    [
        "sports/soccer_juggle.mp4",
        "scenes/cockatoo_yuv444.mp4",
        "awkward/hevc_10bit.mp4",
        "awkward/mjpeg_train_night.avi",
        "awkward/newtonscradle.gif",
        "awkward/odd_size_321x181.webm",
        "awkward/rotated_90_phone_style.mp4",
        "awkward/sar_16_15_720x576.mp4",
    ],
)
def test_a_reduced_picture_looks_like_the_whole_one(data_dir: Path, name: str) -> None:
    """Reducing while converting gives what averaging the converted picture gives, nearly."""
    frame = next(decode(data_dir / "videos" / name))
    whole, small = frame.rgb(), frame.rgb((100, 100))
    assert max(small.shape) == 100
    expected = cv2.resize(whole, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 5
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    assert np.abs(frame.grey((100, 100)).astype(int) - grey).mean() < 4


def test_interlaced_pictures_have_no_comb(data_dir: Path) -> None:
    """Of an interlaced picture only the lines of one moment are shown, at full size and reduced."""
    frame = next(f for f in decode(data_dir / "videos/awkward/interlaced_576i.mpg") if f.index == 9)
    luma = frame._picture.to_ndarray(format="gray").astype(int)
    grey = frame.grey().astype(int)
    assert grey.shape == luma.shape

    def comb(picture: np.ndarray) -> float:
        """Return how much lines differ from both neighbours in the same direction."""
        up, down = picture[1:-1] - picture[:-2], picture[1:-1] - picture[2:]
        return float(np.where(up * down > 0, np.minimum(abs(up), abs(down)), 0).mean())

    assert comb(grey) < comb(luma) / 2
    assert frame.rgb().shape == (576, 720, 3)
    assert frame.rgb((360, 288)).shape == (288, 360, 3)


@pytest.mark.parametrize("sar", [None, Fraction(0), Fraction(1, 1000), Fraction(999)])
def test_absurd_pixel_shapes_are_square(sar: Fraction | None) -> None:
    """A broken header does not stretch a picture to a line."""
    assert pixel_aspect(stream("mov,mp4", sar)) == 1


@pytest.mark.parametrize(
    ("container", "expected"),
    [("mov,mp4", Fraction(2)), ("avi", Fraction(2)), ("png_pipe", 1), ("image2", 1)],
)
def test_the_density_of_a_picture_file_does_not_stretch_it(container: str, expected: Fraction):
    """It is meant for print; a video's is the shape of its pixels."""
    assert pixel_aspect(stream(container, Fraction(2))) == expected


def stream(container: str, sar: Fraction | None) -> Any:
    """Return what stands for a stream of a file in this format."""
    file = SimpleNamespace(format=SimpleNamespace(name=container))
    return SimpleNamespace(container=file, sample_aspect_ratio=sar)


@pytest.mark.parametrize("pix_fmt", ["gray", "rgb24", "yuv422p", "yuv420p10le", "pal8", "nv12"])
def test_every_pixel_format_becomes_rgb_and_grey(pix_fmt: str) -> None:
    """Whatever a decoder gives out can be converted, also one pixel of it."""
    frame = av.VideoFrame(16, 10, pix_fmt)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    assert to_rgb(frame, Fraction(1), None).shape == (10, 16, 3)
    assert to_rgb(frame, Fraction(1), (1, 1)).shape == (1, 1, 3)
    assert to_grey(frame, Fraction(2), (8, 8)).shape == (2, 8)


MATRICES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""Luma weights of red and blue by AVColorSpace: ITU-T H.273, table 4."""


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv420p10le"])
@pytest.mark.parametrize("matrix", range(19))
def test_every_colour_matrix_is_converted(matrix, pix_fmt):
    """Each gives the colour that H.273 states, or that of the nearest matrix that is supported."""
    y, cb, cr = 120, 100, 170
    shift = 2 if pix_fmt.endswith("10le") else 0
    picture = av.VideoFrame(64, 48, pix_fmt)
    kind = np.uint16 if shift else np.uint8
    for plane, value in zip(picture.planes, (y, cb, cr), strict=True):
        plane.update(np.full(plane.buffer_size // kind().itemsize, value << shift, kind).tobytes())
    picture.colorspace, picture.color_range = matrix, 1
    nearest = 9 if matrix == 10 else 1 if matrix in {8, *range(11, 19)} else matrix
    kr, kb = MATRICES.get(nearest, (0.299, 0.114))
    luma, blue, red = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    expected = 255 * np.array([r, (luma - kr * r - kb * b) / (1 - kr - kb), b])
    frame = Frame(picture, pts=0, index=0, time_s=0.0, sar=Fraction(1))
    for rgb in (frame.rgb(), frame.rgb((32, 24)), frame.bgr()[..., ::-1]):
        np.testing.assert_allclose(rgb.mean(axis=(0, 1)), expected, atol=3)
    assert frame.grey().mean() == pytest.approx(255 * luma, abs=12)


def test_pictures_that_cannot_be_converted_have_an_error_of_their_own(monkeypatch):
    """What swscale refuses is an error of the video with a way out, not one of a written file."""

    def refuse(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("av.video.reformatter.VideoReformatter.reformat", refuse, raising=True)
    frame = Frame(av.VideoFrame(64, 48, "yuv420p"), pts=0, index=0, time_s=0.0, sar=Fraction(1))
    with pytest.raises(DecodeError, match="convert the video first"):
        frame.rgb()
