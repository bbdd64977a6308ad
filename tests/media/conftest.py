"""Small clips made on the spot, one per kind of stream that seeking could stumble over."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

os.environ.setdefault("SVT_LOG", "1")  # its AV1 encoder tells its life otherwise

KINDS = {
    "h264_b_frames.mp4": ("libx264", {"bf": "3", "g": "12"}),
    "h264_open_gop.mkv": ("libx264", {"x264-params": "keyint=12:bframes=3:open-gop=1"}),
    "h264_no_key_frames.mp4": ("libx264", {"x264-params": "keyint=12:intra-refresh=1"}),
    "hevc_open_gop.mp4": ("libx265", {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=0"}),
    "vp9.webm": ("libvpx-vp9", {"g": "12", "cpu-used": "8", "deadline": "realtime"}),
    "av1.mkv": ("libsvtav1", {"g": "12", "preset": "12"}),
    "mjpeg.avi": ("mjpeg", {}),
    "mpeg4_b_frames.avi": ("mpeg4", {"bf": "2", "g": "12"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2", "g": "12"}),
}
"""File name -> encoder and its options. Each has about 60 frames and, mostly, 5 key frames."""


def picture(number: int, size_wh: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Return a picture that no other number has: a gradient that turns, and a moving square."""
    w, h = size_wh
    y, x = np.mgrid[:h, :w]
    rgb = np.stack([x * 2 + number * 3, y * 3 + number, x + y - number * 2], 2) % 256
    left = number * 5 % (w - 12)
    rgb[10:30, left : left + 12] = (255, number * 4 % 256, 0)
    return cv2.GaussianBlur(rgb.astype(np.uint8), (5, 5), 0)


def write_clip(path: Path, encoder: str, options: dict[str, str], times: list[int]) -> Path:
    """Encode one numbered picture per time stamp, in units of 1/600 s (1/25 s: AVI, raw H.264)."""
    base = Fraction(1, 25) if path.suffix in {".avi", ".h264"} else Fraction(1, 600)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        context = stream.codec_context
        context.width, context.height = 96, 64
        context.pix_fmt = {"mjpeg": "yuvj420p", "gif": "rgb8"}.get(encoder, "yuv420p")
        context.time_base = Fraction(1, 25) if encoder.startswith("mpeg") else base
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = time, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the clips that the installed FFmpeg can make; gaps in time where it allows them."""
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for name, (encoder, options) in KINDS.items():
        if encoder not in av.codecs_available:
            continue
        even = name.endswith(".avi") or encoder.startswith("mpeg")
        step = 1 if name.endswith(".avi") else 24
        times = [i * step if even else i * step + i * i % 13 for i in range(60)]
        made[name] = write_clip(folder / name, encoder, options, times)
    return made


@pytest.fixture(scope="session")
def make_clip():
    """Return the function that writes a clip: path, encoder, its options, time stamps."""
    return write_clip
