"""However a camera was held, mirrored or not, pictures and videos come upright."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from reelabel.media.pictures import read_rgb
from reelabel.media.probe import probe
from reelabel.media.video import decode

ORIENTATION = 0x0112
EIGHT = range(1, 9)
# The counter-clockwise turn and the mirroring after it that each EXIF orientation asks for.
TURN = {
    1: (0, False, False),
    2: (0, True, False),
    3: (180, False, False),
    4: (0, False, True),
    5: (-90, True, False),
    6: (-90, False, False),
    7: (90, True, False),
    8: (90, False, False),
}


def stored() -> np.ndarray:
    """Return a wide picture with a different colour in each corner and one in the middle."""
    rgb = np.full((48, 80, 3), 60, np.uint8)
    rgb[:16, :24], rgb[:16, -24:] = (230, 20, 20), (20, 230, 20)
    rgb[-16:, :24], rgb[-16:, -24:] = (20, 20, 230), (240, 240, 240)
    return rgb


def by_pil(rgb: np.ndarray, orientation: int) -> np.ndarray:
    """Return the picture as PIL turns it."""
    image = Image.fromarray(rgb)
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    """Tell whether two pictures are the same but for what their codecs lose."""
    return found.shape == expected.shape and np.abs(found.astype(int) - expected).mean() < 6


@pytest.mark.parametrize("orientation", EIGHT)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
def test_pictures_come_as_their_exif_says(tmp_path: Path, kind: str, orientation: int) -> None:
    """All eight orientations are those that PIL shows, whole and reduced, in colour and grey."""
    path = tmp_path / f"x.{kind}"
    image = Image.fromarray(stored())
    exif = image.getexif()
    exif[ORIENTATION] = orientation
    image.save(path, exif=exif, quality=98)
    expected = by_pil(stored(), orientation)
    (frame,) = decode(path)
    assert near(frame.rgb(), expected)
    assert near(frame.bgr()[..., ::-1], expected)
    assert near(frame.grey(), cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY))
    small = frame.rgb((20, 20))
    assert near(small, cv2.resize(expected, small.shape[1::-1], interpolation=cv2.INTER_AREA))
    assert probe(path).display_wh == expected.shape[1::-1]
    assert near(read_rgb(path), expected)


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"),
    reason="this PyAV cannot write such files",
)
@pytest.mark.parametrize("orientation", EIGHT)
def test_videos_come_as_their_display_matrix_says(tmp_path: Path, orientation: int) -> None:
    """Turned and mirrored videos are shown as a picture with that orientation is."""
    path = tmp_path / "x.mov"
    degrees, mirror_x, mirror_y = TURN[orientation]
    with av.open(path, "w") as out:
        stream = out.add_stream("png", rate=5)
        stream.width, stream.height, stream.pix_fmt = 80, 48, "rgb24"
        stream.set_display_rotation(degrees, hflip=mirror_x, vflip=mirror_y)
        for _ in range(2):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(stored())))
        out.mux(stream.encode())
    expected = by_pil(stored(), orientation)
    frames = list(decode(path))
    assert len(frames) == 2
    for frame in frames:
        np.testing.assert_array_equal(frame.rgb(), expected)
    assert probe(path).display_wh == expected.shape[1::-1]
