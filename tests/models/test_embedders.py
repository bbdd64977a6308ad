"""Embedders: copies are near, other scenes are far."""

from __future__ import annotations

import itertools

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from reelabel.errors import ModelError, UsageError
from reelabel.models.embedders.unit import unit_rows
from reelabel.models.registry import load_embedder

SCENES = (
    "sports/soccer_juggle.mp4", "dogs/dog_fetch.mp4", "trains/train_day.mp4",
    "trains/train_night.mp4", "traffic/highway.mp4", "people/bottles.mp4",
    "scenes/great_wall_still_move.mp4", "gestures/asl_book.mkv",
)  # fmt: skip


@pytest.fixture(scope="module")
def scenes(data_dir):
    """Return one early picture of each scene, RGB."""
    pictures = []
    for name in SCENES:
        with av.open(str(data_dir / "videos" / name)) as video:
            frames = itertools.islice(video.decode(video=0), 11)
            pictures.append([f.to_ndarray(format="rgb24") for f in frames][-1])
    return pictures


def jpeg(picture, quality):
    """Return a picture as it comes out of a JPEG."""
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


COPIES = {
    "jpeg": lambda p: jpeg(p, 50),
    "third": lambda p: cv2.resize(p, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA),
    "half as large again": lambda p: cv2.resize(p, None, fx=1.5, fy=1.5),
    "brighter": lambda p: np.clip(p * 1.1 + 5, 0, 255).astype(np.uint8),
    "darker": lambda p: np.clip(p * 0.9 - 5, 0, 255).astype(np.uint8),
}


@pytest.mark.parametrize("kind", list(COPIES))
def test_tiny_knows_copies(scenes, kind):
    """A copy of a picture has a cosine of at least 0.98 to it."""
    embed = load_embedder("tiny").open()
    copies = embed([COPIES[kind](picture) for picture in scenes])
    assert (embed(scenes) * copies).sum(axis=1).min() > 0.98


def test_tiny_tells_scenes_apart(scenes):
    """Pictures of different scenes have a cosine below 0.8, far from that of copies."""
    rows = load_embedder("tiny").open()(scenes)
    assert (rows @ rows.T - np.eye(len(rows))).max() < 0.8


def test_tiny_does_not_depend_on_the_reduction(scenes):
    """The whole picture and one reduced into `fit_wh` are the same to it."""
    embedder = load_embedder("tiny")
    width = embedder.fit_wh[0]
    small = [
        cv2.resize(p, (width, p.shape[0] * width // p.shape[1]), interpolation=cv2.INTER_AREA)
        for p in scenes
    ]
    embed = embedder.open()
    assert (embed(scenes) * embed(small)).sum(axis=1).min() > 0.99


def test_plain_pictures_have_a_place():
    """Plain pictures, black or white, are near each other and defined."""
    embed = load_embedder("tiny").open()
    rows = embed([np.full((50, 50, 3), v, np.uint8) for v in (0, 128, 255)])
    assert (rows @ rows.T).min() > 0.99


def test_tiny_takes_no_options():
    """An option or a name after the colon is an error."""
    with pytest.raises(UsageError, match="no option"):
        load_embedder("tiny", options={"side": 3})
    with pytest.raises(ModelError, match="nothing after the colon"):
        load_embedder("tiny:x")


@pytest.mark.parametrize("file", ["yolox_nano.onnx", "vballnetv1_seq9_gray_330_h288_w512.onnx"])
def test_detectors_are_no_embedders(data_dir, file):
    """A network that does not turn one picture into one vector is refused."""
    with pytest.raises(ModelError, match="one picture"):
        load_embedder(f"onnx:{data_dir}/weights/{file}")


def test_onnx_embedder_options_matter(data_dir, scenes):
    """Channel order and scaling reach the network and the fingerprint."""
    spec = f"onnx:{data_dir}/weights/osnet_x0_25_msmt17.onnx"
    plain = load_embedder(spec)
    swapped = load_embedder(spec, options={"order": "bgr"})
    assert plain.fingerprint != swapped.fingerprint
    rows = [e.open()(scenes[:2]) for e in (plain, swapped)]
    assert not np.allclose(*rows, atol=1e-3)


@given(arrays.arrays(np.float32, (3, 5), elements=st.floats(width=32, allow_nan=True)))
def test_rows_have_length_one(rows):
    """Whatever a network says, rows come out finite and of length 1, or by overflow shorter."""
    with np.errstate(over="ignore", under="ignore"):
        out = unit_rows(np.clip(rows, -1e15, 1e15))
    assert np.isfinite(out).all()
    assert (np.linalg.norm(out, axis=1) < 1.01).all()
