"""Picture files as footage are read as they are or refused with a way out, never wrong in silence.

The oracle is Pillow, which wrote them.
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from reelabel.errors import DecodeError, UnreadableVideo
from reelabel.media.probe import probe
from reelabel.media.video import decode

WAYS_OUT = ("save it as", "leave it out")


@pytest.fixture
def picture():
    """Return a picture of coloured squares that no two kinds of file store alike."""
    squares = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(np.kron(squares, np.ones((16, 16, 1), np.uint8)))


def refusal(path):
    """Return why a file is refused, empty if it is not."""
    try:
        probe(path)
    except UnreadableVideo as exc:
        return str(exc)
    return ""


def read(path):
    """Return the pictures that decoding yields, whether each is damaged, and the errors."""
    errors: list[DecodeError] = []
    found = list(decode(path, on_error=errors.append))
    return [frame.rgb() for frame in found], [frame.damaged for frame in found], errors


TIFF = [
    *("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg", "lzma", "zstd"),
    *("webp", "group3", "group4", "tiff_ccitt"),
]


def tiff_files(image, folder):
    """Yield files of a picture in each compression that Pillow writes its pixels in."""
    for compression in TIFF:
        path = folder / f"{compression}.tif"
        with contextlib.suppress(OSError, ValueError, KeyError, RuntimeError, SystemError):
            image.save(path, compression=compression)
            yield path


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "LAB"])
def test_a_tiff_file_is_read_as_it_is_or_refused(picture, tmp_path, mode):
    """Whatever its pixels and their compression, no other picture comes out."""
    image = picture.convert(mode)
    expected = np.asarray(image.convert("RGB"), int)
    files = list(tiff_files(image, tmp_path))
    assert len(files) > 1
    for path in files:
        if why := refusal(path):
            assert any(way in why for way in WAYS_OUT)
        else:
            ((found,), _, _) = read(path)
            assert np.abs(found.astype(int) - expected).mean() < 12, path.name


def test_a_tiff_file_of_several_pages_is_refused(picture, tmp_path):
    """Only its first page would be read."""
    path = tmp_path / "pages.tif"
    picture.save(path, save_all=True, append_images=[picture.rotate(180)] * 2)
    with pytest.raises(UnreadableVideo, match=r"has 3 pages: .*of its own"):
        probe(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif"])
def test_a_truncated_picture_is_damaged_or_refused(picture, tmp_path, suffix, share):
    """Whole, it has no error; cut off, it is marked as damaged, with an error, or refused."""
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    picture.save(whole)
    assert read(whole)[1:] == ([False], [])
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    if why := refusal(cut):
        assert any(way in why for way in WAYS_OUT)
        return
    _, damaged, errors = read(cut)
    assert damaged == [True]
    assert "the file ends inside its picture" in str(errors[0])
    with pytest.raises(DecodeError):
        list(decode(cut, tolerant=False))


def test_a_preview_in_a_jpeg_file_is_not_taken_for_its_end(picture, tmp_path):
    """The end of the preview in the metadata does not hide that the picture itself is cut off."""
    small = io.BytesIO()
    picture.resize((32, 24)).save(small, "JPEG")
    whole = tmp_path / "preview.jpg"
    picture.save(whole, exif=b"Exif\0\0" + small.getvalue())
    assert read(whole)[1:] == ([False], [])
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(whole.read_bytes()[:-200])
    assert read(cut)[1] == [True]


def test_an_animated_gif_is_read_whole_and_what_cannot_be_read_has_a_way_out(picture, tmp_path):
    """Each picture of a GIF is a frame; animated WebP, which FFmpeg lacks, is refused."""
    more = [picture.rotate(90 * i) for i in (1, 2)]
    picture.save(tmp_path / "a.gif", save_all=True, append_images=more)
    assert read(tmp_path / "a.gif")[1:] == ([False] * 3, [])
    picture.save(tmp_path / "a.webp", save_all=True, append_images=more)
    why = refusal(tmp_path / "a.webp")
    assert not why or ("not one of" in why and "leave it out" in why)


READ_ALL = """
import sys
from reelabel.media.video import decode
for path in sys.argv[1:]:
    (frame,) = decode(path)
    print(frame.rgb().shape, frame.grey().shape, frame.bgr().shape)
"""


def test_a_picture_with_a_colour_profile_is_read_as_it_is_without(picture, tmp_path):
    """In every mode and kind; in a process of its own, which a fault in FFmpeg would end."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    paths = []
    for name in ("RGB.png", "RGBA.png", "L.png", "LA.png", "P.png", "1.png", "RGB.jpg", "RGB.webp"):
        paths.append(tmp_path / name)
        picture.convert(name.partition(".")[0]).save(paths[-1], icc_profile=profile)
    command = [sys.executable, "-c", READ_ALL, *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.count("(96, 128, 3) (96, 128)")) == (0, len(paths))
    assert np.array_equal(read(tmp_path / "RGB.png")[0][0], np.asarray(picture))
