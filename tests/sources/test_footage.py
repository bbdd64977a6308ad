"""What is footage and what is not, and that nothing goes unnoticed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from reelabel.config import Project
from reelabel.errors import UsageError
from reelabel.formats.pictures import EXPORT_MARK, frame_picture
from reelabel.media.probe import probe
from reelabel.sources.footage import (
    EXPORT,
    EXPORTED,
    HIDDEN,
    KIND,
    LINK,
    NAME,
    NO_FILE,
    NO_PATH,
    OWN,
    WORKSPACE,
    find_footage,
    left_out_sentences,
)


def touched(home: Path, *names: str) -> None:
    """Make empty files and their folders."""
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()


def listed(home: Path, *named: str, root: str = "w") -> tuple[list[str], dict[str, list[str]]]:
    """Return what of the named paths is footage, and what was left out, relative to `home`."""
    project = Project(classes=("a",), videos=tuple(str(home / name) for name in named))
    found = find_footage(project, home / root)
    left_out = {
        reason: [Path(path).relative_to(home).as_posix() for path in paths]
        for reason, paths in found.left_out.items()
    }
    return [path.relative_to(home).as_posix() for path, _ in found.files], left_out


def test_folders_are_searched_in_a_fixed_order(tmp_path: Path):
    """Every file with a suffix of video or picture, each once, also in folders below."""
    touched(tmp_path, "b.mp4", "a.MOV", "c/d.jpg", "c/notes.txt", "e.json")
    assert listed(tmp_path, ".", "b.mp4") == (["a.MOV", "b.mp4", "c/d.jpg"], {})


KINDS = {
    "h264": "libx264", "264": "libx264", "hevc": "libx265", "m2v": "mpeg2video", "nut": "mpeg4",
    "mxf": "mpeg2video", "m1v": "mpeg1video", "mjpeg": "mjpeg", "ogv": "libtheora", "mk3d": "mpeg4",
    "mpv": "mpeg2video", "asf": "mpeg4", "y4m": "wrapped_avframe",
}  # fmt: skip
"""Suffix of a video -> an encoder for it."""
FORMATS = {"mk3d": "matroska", "mpv": "mpeg2video"}


def video_of(path: Path, encoder: str) -> bool:
    """Write two frames; return whether this FFmpeg can."""
    if encoder not in av.codecs_available:
        return False
    with av.open(str(path), "w", format=FORMATS.get(path.suffix[1:])) as container:
        stream = container.add_stream(encoder, rate=25)
        pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for _ in range(2):
            container.mux(stream.encode(av.VideoFrame(64, 48, pix_fmt)))
        container.mux(stream.encode(None))
    return True


def test_whatever_can_be_read_when_it_is_named_is_taken_from_a_folder(tmp_path: Path):
    """Videos of all kinds that FFmpeg writes, and pictures of those that Pillow writes."""
    footage = tmp_path / "f"
    footage.mkdir()
    made = {f"a.{kind}" for kind, codec in KINDS.items() if video_of(footage / f"a.{kind}", codec)}
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    for kind in ("jfif", "jpe", "jp2", "j2k", "apng", "avif", "mpo", "webp", "bmp", "gif"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            picture.save(footage / f"b.{kind}")
            made.add(f"b.{kind}")
    readable = {name for name in made if probe(footage / name).num_packets}
    assert readable == made > {"b.jfif", "a.nut"}
    found, left_out = listed(tmp_path, "f")
    assert ({Path(name).name for name in found}, left_out) == (made, {})


def test_media_of_other_kinds_are_noted(tmp_path: Path):
    """What is video or picture and not taken is listed, what is neither is not."""
    touched(tmp_path, "a.mp4", "b.HEIC", "c/d.jxl", "c/e.psd", "c/notes.txt", "f.json")
    assert listed(tmp_path, ".") == (["a.mp4"], {KIND: ["b.HEIC", "c/d.jxl", "c/e.psd"]})
    with pytest.raises(UsageError, match="convert the others"):
        listed(tmp_path, "c")


def test_outputs_that_are_met_are_no_footage(tmp_path: Path):
    """Workspaces and exports are left out whole, exported pictures by their names."""
    picture = frame_picture("0123456789abcdef", -40)
    touched(tmp_path, "a.mp4", "w/reelabel.yaml", "w/videos/b.mp4", "w/frames/0/1.jpg")
    touched(tmp_path, f"out/{EXPORT_MARK}", "out/images/c.jpg", f"old/images/{picture}")
    assert listed(tmp_path, ".") == (
        ["a.mp4"],
        {WORKSPACE: ["w"], EXPORT: ["out"], EXPORTED: [f"old/images/{picture}"]},
    )


def test_outputs_that_are_named_are_no_footage(tmp_path: Path):
    """A folder or file of outputs is left out, by whatever path it is named."""
    touched(tmp_path, "a.mp4", "v/reelabel.yaml", "v/frames/0/1.jpg", "v/videos/b.mp4")
    touched(tmp_path, f"out/{EXPORT_MARK}", "out/images/c.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "v/frames")
    files, left_out = listed(
        tmp_path, "a.mp4", "v", "v/frames", "v/frames/0/1.jpg", "out", "out/images", "link"
    )
    assert files == ["a.mp4"]
    assert left_out == {
        WORKSPACE: ["v"],
        OWN: ["v/frames", "v/frames/0/1.jpg", "link"],
        EXPORT: ["out", "out/images"],
    }
    assert listed(tmp_path, "v/videos") == (["v/videos/b.mp4"], {})
    with pytest.raises(UsageError, match=r"expected footage.*outputs of a workspace \(1\)"):
        listed(tmp_path, "v/frames")


def test_a_workspace_may_lie_in_its_footage_or_be_its_folder(tmp_path: Path):
    """The workspace's own folders are left out, what lies beside them is taken."""
    touched(tmp_path, "a.mp4", "reelabel.yaml", "frames/0/1.jpg", "rounds/0/show/a.mp4")
    assert listed(tmp_path, ".", root=".") == (["a.mp4"], {OWN: ["frames", "rounds"]})


def test_hidden_files_and_links_to_folders_are_left_out(tmp_path: Path):
    """Those of macOS begin with a dot; a link could lead in circles."""
    touched(tmp_path, "a.mp4", "._a.mp4", ".trash/b.mp4", ".notes", "c/d.mp4")
    (tmp_path / "c/up").symlink_to(tmp_path)
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    (tmp_path / "e.mp4").symlink_to(tmp_path / "c/d.mp4")
    assert listed(tmp_path, ".") == (
        ["a.mp4", "c/d.mp4", "e.mp4"],
        {HIDDEN: ["._a.mp4"], LINK: ["c/up"], NO_PATH: ["loop.mp4"]},
    )


def test_what_was_left_out_is_told_by_its_reason():
    """One sentence for each reason, with the number and the first few paths."""
    left_out = {HIDDEN: [f"._{i}.mp4" for i in range(9)]}
    assert list(left_out_sentences(left_out)) == [
        "not taken as footage, hidden files (9): ._0.mp4, ._1.mp4, ._2.mp4, ._3.mp4, ._4.mp4, ..."
    ]


def test_an_empty_folder_is_refused(tmp_path: Path):
    """It is more likely a mistake than a wish."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: expected a folder with videos"):
        listed(tmp_path, "empty")


def test_what_cannot_be_footage_is_left_out(tmp_path):
    """Pipes, and names that are no UTF-8, are left out with the reason; the others are taken."""
    touched(tmp_path, "clips/good.mp4")
    os.mkfifo(tmp_path / "clips" / "pipe.mp4")
    (tmp_path / "clips" / os.fsdecode(b"bad\xff.mp4")).touch()
    files, left_out = listed(tmp_path, "clips")
    assert files == ["clips/good.mp4"]
    assert left_out == {NO_FILE: ["clips/pipe.mp4"], NAME: ["clips/bad\\udcff.mp4"]}


def test_an_entry_that_no_file_can_have_costs_itself_alone(tmp_path: Path):
    """Too long a name and a circle of links are left out with the reason, the others go on."""
    touched(tmp_path, "a.mp4")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    long = "v" * 300
    assert listed(tmp_path, "a.mp4", long, "loop") == (["a.mp4"], {NO_PATH: [long, "loop"]})
