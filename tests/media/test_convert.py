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

from reelabel.media.convert import fit_size, pixel_aspect, to_grey, to_rgb
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
