"""Picture files in and out, and fitting to a size."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from reelabel.data.boxes import Placement
from reelabel.errors import DecodeError, UnreadableVideo, UsageError, WorkspaceError
from reelabel.media.pictures import encode_jpeg, encode_png, fit, read_rgb, read_size_wh, write_jpeg

SIDE = st.integers(1, 300)


def scene(width: int = 64, height: int = 48) -> np.ndarray:
    """Return a smooth picture whose four corners differ."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([x * 255 // width, y * 255 // height, (x + y) % 128], 2)
    return rgb.astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    """However the camera was held, the picture comes upright."""
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: lambda a: np.rot90(a, 3),
    }
    stored = Image.fromarray(np.ascontiguousarray(undo[orientation](scene())))
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "x.jpg", exif=exif, quality=98)
    found = read_rgb(tmp_path / "x.jpg")
    assert found.shape == (48, 64, 3)
    assert np.abs(found.astype(int) - scene()).mean() < 8


@pytest.mark.parametrize(
    ("mode", "kind"), [("L", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("P", "GIF"), ("1", "PNG")]
)
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str, kind: str) -> None:
    """Grey, transparent, CMYK and palette pictures are read as the RGB that they show."""
    image = Image.fromarray(scene()).convert(mode)
    path = tmp_path / f"x.{kind.lower()}"
    image.save(path, kind)
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(read_rgb(path) - expected).mean() < 4


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 7])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".bmp"])
def test_the_size_is_that_of_the_picture_that_is_read(
    tmp_path: Path, suffix: str, orientation: int | None
) -> None:
    """The header alone gives the size of the upright picture."""
    path = tmp_path / f"x{suffix}"
    image = Image.fromarray(scene())
    exif = image.getexif()
    if orientation is not None and suffix != ".bmp":
        exif[0x0112] = orientation
    image.save(path, exif=exif)
    assert read_size_wh(path) == read_rgb(path).shape[1::-1]


def test_the_size_of_other_kinds_comes_from_decoding(tmp_path: Path) -> None:
    """A kind whose header is not read has its size too; what is no picture is an error."""
    Image.fromarray(scene()).save(tmp_path / "x.ppm")
    assert read_size_wh(tmp_path / "x.ppm") == (64, 48)
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    for name in ("x.jpg", "none.jpg"):
        with pytest.raises(DecodeError, match=name):
            read_size_wh(tmp_path / name)


def test_a_png_is_read_again_as_it_was(tmp_path: Path) -> None:
    """PNG keeps every pixel."""
    (tmp_path / "x.png").write_bytes(encode_png(scene()))
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png"), scene())


def test_damaged_pictures_are_errors(tmp_path: Path) -> None:
    """A missing, empty, cut-off or non-picture file is said to be so, never half a picture."""
    whole = encode_jpeg(scene(640, 480))
    png = io.BytesIO()
    Image.fromarray(scene()).save(png, "PNG")
    path = tmp_path / "x.jpg"
    for data in (b"", b"hello", whole[: len(whole) // 2], png.getvalue()[:-40]):
        path.write_bytes(data)
        with pytest.raises(DecodeError, match=r"x\.jpg"):
            read_rgb(path)
    for missing in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(DecodeError, match="cannot be read"):
            read_rgb(missing)


def test_jpeg_round_trip_is_near_and_leaves_no_rest(tmp_path: Path) -> None:
    """What is written is read again, and only the file itself remains."""
    write_jpeg(tmp_path / "x.jpg", scene(), quality=95)
    assert np.abs(read_rgb(tmp_path / "x.jpg").astype(int) - scene()).mean() < 8
    assert [file.name for file in tmp_path.iterdir()] == ["x.jpg"]
    assert len(encode_jpeg(scene(), 30)) < len(encode_jpeg(scene(), 95))


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the disk fails in the middle, the picture that was there is still whole."""
    path = tmp_path / "x.jpg"
    write_jpeg(path, scene())
    before = path.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WorkspaceError, match="disk is full"):
        write_jpeg(path, scene(20, 20))
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: encode_jpeg(scene(), 0),
        lambda: encode_jpeg(scene()[..., 0]),
        lambda: encode_jpeg(scene().astype(float)),
        lambda: encode_jpeg(np.zeros((2, 70_000, 3), np.uint8)),
        lambda: fit(scene(), "stretch", 5),
        lambda: fit(scene(), "exact", (0, 5)),
    ],
)
def test_impossible_requests_are_usage_errors(call) -> None:
    """What cannot be an answer is refused before anything is written."""
    with pytest.raises(UsageError):
        call()


@given(w=SIDE, h=SIDE, to_w=SIDE, to_h=SIDE, how=st.sampled_from(["longest", "letterbox", "exact"]))
def test_fit_says_where_everything_went(*, w: int, h: int, to_w: int, to_h: int, how: str) -> None:
    """Corners of the old picture land on corners of the new one, by the scale and offset given."""
    rgb = np.full((h, w, 3), 200, np.uint8)
    out, placed = fit(rgb, how, (to_w, to_h))
    (scale_x, scale_y), (left, top) = placed.scale_xy, placed.offset_xy
    right, bottom = w * scale_x + left, h * scale_y + top
    if how != "longest":
        assert out.shape == (to_h, to_w, 3)
    if how != "letterbox":
        assert (right, bottom) == pytest.approx(out.shape[1::-1])
    if how != "exact":
        box = (to_w, to_h) if how == "letterbox" else (max(to_w, to_h),) * 2
        scale = min(box[0] / w, box[1] / h)
        assert abs(w * scale_x - max(w * scale, 1)) <= 0.5 + 1e-9
        assert abs(h * scale_y - max(h * scale, 1)) <= 0.5 + 1e-9
    inside = out[int(top) : round(bottom), int(left) : round(right)]
    assert (inside == 200).all()
    assert (out == 200).all(axis=2).sum() == inside.shape[0] * inside.shape[1]
    assert not np.shares_memory(out, rgb)


def test_letterbox_is_centred_and_keeps_the_shape() -> None:
    """A wide picture in a square has equal bars above and below."""
    out, placed = fit(np.zeros((100, 200, 3), np.uint8), "letterbox", 64)
    assert placed == Placement((0.32, 0.32), (0.0, 16.0))
    assert (out[:16] == 114).all()
    assert (out[16:48] == 0).all()
    assert (out[48:] == 114).all()


def test_fit_matches_the_picture_it_scales() -> None:
    """A coloured square lies where scale and offset say."""
    rgb = np.zeros((120, 90, 3), np.uint8)
    cv2.rectangle(rgb, (30, 60), (59, 89), (255, 255, 255), cv2.FILLED)
    out, placed = fit(rgb, "letterbox", (200, 100))
    ys, xs = np.nonzero(out[..., 0] > 127 + 60)
    x1, _, _, y2 = placed.to_picture(np.array([[30, 60, 60, 90]]))[0]
    assert xs.min() == pytest.approx(x1, abs=1.5)
    assert ys.max() + 1 == pytest.approx(y2, abs=1.5)


@pytest.mark.parametrize("side", [12_000, 16_000, 40_000])
def test_a_huge_picture_is_refused_by_its_header(tmp_path, side):
    """A small file that states very many pixels is refused before memory is taken for them."""
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + head
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    path = tmp_path / "huge.png"
    path.write_bytes(data + struct.pack(">I", zlib.crc32(chunk)) + struct.pack(">I", 0) + b"IDAT")
    with pytest.raises(UnreadableVideo, match="at most"):
        read_rgb(path)
