"""Where the resolution changes inside a video, films keep its size and boxes their place."""

from __future__ import annotations

import shutil
from fractions import Fraction

import av
import numpy as np
import pytest

import reelabel as api
from reelabel.cli.commands import cli
from reelabel.engine.run import Options
from reelabel.errors import SOME_VIDEOS_FAILED, UnreadableVideo
from reelabel.media.spans import cut_span
from reelabel.media.stream import scan_packets
from reelabel.media.video import decode
from reelabel.pipeline import read_config, run

COUNT, SIZES_WH = 12, ((160, 96), (96, 64))
SHARE_XYXY = (0.25, 0.25, 0.5, 0.75)
"""Place of a bright square, as shares of the sides."""


def part(path, size_wh):
    """Write a video of one size with a bright square at the same share of each side."""
    w, h = size_wh
    rgb = np.full((h, w, 3), 40, np.uint8)
    left, top, right, bottom = (
        round(s * side) for s, side in zip(SHARE_XYXY, (w, h) * 2, strict=True)
    )
    rgb[top:bottom, left:right] = 240
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"g": "4", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = w, h, "yuv420p"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.fixture(scope="module")
def changing(tmp_path_factory):
    """Return a video whose second half is smaller and of another shape."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg has no libx264")
    folder = tmp_path_factory.mktemp("parts")
    parts = [part(folder / f"{i}.ts", size) for i, size in enumerate(SIZES_WH)]
    path = tmp_path_factory.mktemp("changing") / "changing.ts"
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture(scope="module")
def workspace(changing, disc_clips, tmp_path_factory):
    """Return a workspace on that video and another with labels."""
    home = tmp_path_factory.mktemp("home")
    (home / "footage").mkdir()
    for path in (changing, disc_clips[0]):
        shutil.copy(path, home / "footage")
    settings = {"engine": {"workers": 1}}
    made = api.init(
        home / "w", classes=["blob"], videos=[home / "footage"], detector="fake:", settings=settings
    )
    run(made, read_config(made), Options(quiet=True), until="merge")
    return made


def outline_xyxy(picture, plain):
    """Return where a drawn picture differs from what it is drawn on."""
    changed = np.abs(picture.astype(int) - plain).max(axis=2) > 60
    ys, xs = np.nonzero(changed)
    return xs.min(), ys.min(), xs.max(), ys.max()


def check_film(film):
    """Check that a film has all frames in the first size, with boxes around the square."""
    pictures = [frame.rgb() for frame in decode(film)]
    assert len(pictures) == 2 * COUNT
    w, h = SIZES_WH[0]
    assert {picture.shape for picture in pictures} == {(h, w, 3)}
    plain = np.full((h, w, 3), 40, int)
    left, top, right, bottom = (
        round(s * side) for s, side in zip(SHARE_XYXY, (w, h) * 2, strict=True)
    )
    plain[top:bottom, left:right] = 240
    for picture in (pictures[3], pictures[COUNT + 6]):
        found = outline_xyxy(picture[: bottom + 6, : right + 8], plain[: bottom + 6, : right + 8])
        assert found[0] == pytest.approx(left, abs=5)
        assert found[2:] == pytest.approx((right, bottom), abs=5)


def test_predict_draws_every_frame(changing, disc_clips, tmp_path):
    """The film has the size of the first frame, and the videos behind it are drawn too."""
    found = api.predict("fake:", [changing, disc_clips[0]], render=tmp_path / "drawn")
    boxes = [frame.boxes.xyxy for frame in found if frame.source.name == str(changing)]
    assert len(boxes) == 2 * COUNT
    np.testing.assert_allclose(boxes[COUNT + 6], boxes[3], atol=3)
    check_film(tmp_path / "drawn" / "changing.mp4")
    assert (tmp_path / "drawn" / f"{disc_clips[0].stem}.mp4").is_file()


def test_show_draws_every_frame(workspace, tmp_path):
    """So do films of labels."""
    shown = {one.video: one for one in api.show(workspace, out=tmp_path / "s", pictures=2)}
    assert len(shown) == 2
    check_film(shown["changing.ts"].movie)


def test_an_exact_clip_holds_every_frame(changing, tmp_path):
    """So do clips that are encoded."""
    timeline, target = scan_packets(changing), tmp_path / "clip.mp4"
    cut_span(changing, 0, 60, target, exact=True, timeline=timeline)
    shapes = [frame.rgb().shape[1::-1] for frame in decode(target)]
    assert shapes == [SIZES_WH[0]] * (2 * COUNT)


def test_one_video_that_cannot_be_drawn_does_not_stop_the_others(
    workspace, tmp_path, capsys, monkeypatch
):
    """Its failure is stated, and the command ends with 1; without any other it is an error."""
    gone = {"changing.ts"}

    def decode_or_fail(path, **how):
        if path.name in gone:
            raise UnreadableVideo(f"{path}: there is no such file")
        return decode(path, **how)

    monkeypatch.setattr("reelabel.verbs.show_video.decode", decode_or_fail)
    command = ["show", str(workspace.root), "--out", str(tmp_path / "s"), "--quiet"]
    assert cli.main(command, standalone_mode=False) == SOME_VIDEOS_FAILED
    assert "not drawn: changing.ts: " in capsys.readouterr().err
    shown = api.show(workspace, out=tmp_path / "s", pictures=0)
    assert {one.video for one in shown if one.failure} == gone
    assert [one.movie.is_file() for one in shown] == [not one.failure for one in shown]
    gone.add("clip0.mp4")
    with pytest.raises(UnreadableVideo):
        api.show(workspace, out=tmp_path / "s", pictures=0)
