"""The verb predict: what is drawn, and where."""

from __future__ import annotations

import shutil

import pytest

import reelabel as api
from reelabel.errors import UsageError
from reelabel.media.pictures import encode_jpeg, read_rgb
from reelabel.media.probe import probe
from reelabel.media.video import decode


@pytest.fixture
def files(disc_clips, tmp_path):
    """Return two clips of one name in two folders, and a picture."""
    paths = [tmp_path / "a" / "disc.mp4", tmp_path / "b" / "disc.mp4"]
    for clip, path in zip(disc_clips, paths, strict=False):
        path.parent.mkdir()
        shutil.copy(clip, path)
    picture = tmp_path / "disc.jpg"
    picture.write_bytes(encode_jpeg(next(decode(disc_clips[2])).rgb()))
    return [*paths, picture]


def test_several_files_are_drawn_into_a_folder(files, tmp_path):
    """A picture becomes a JPEG, a video a video, and nothing is written twice."""
    found = api.predict("fake:", files, render=tmp_path / "drawn")
    drawn = tmp_path / "drawn"
    assert sorted(path.name for path in drawn.iterdir()) == ["2-disc.mp4", "disc.jpg", "disc.mp4"]
    assert [len(list(decode(drawn / name))) for name in ("disc.mp4", "2-disc.mp4")] == [20, 20]
    before, after = read_rgb(files[2]), read_rgb(drawn / "disc.jpg")
    assert before.shape == after.shape
    assert (before != after).any()
    assert {source.name for source in found.sources} == set(map(str, files))


def test_one_file_is_drawn_where_it_is_said(files, tmp_path):
    """A name is a file, a folder that is there holds it."""
    api.predict("fake:", files[:1], render=tmp_path / "x.mkv")
    assert probe(tmp_path / "x.mkv").num_packets == 20
    (tmp_path / "there").mkdir()
    api.predict("fake:", files[2:], render=tmp_path / "there")
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["disc.jpg"]


def test_ones_own_files_are_never_drawn_over(files):
    """The footage stays, whatever folder is named."""
    before = [path.read_bytes() for path in files]
    for some, where in ((files[:1], files[0].parent), (files[2:], files[2]), (files, files[1])):
        with pytest.raises(UsageError, match="would be overwritten"):
            api.predict("fake:", some, render=where if where.is_dir() else where.parent)
    with pytest.raises(UsageError, match="would be overwritten"):
        api.predict("fake:", files[:1], out=files[0])
    assert [path.read_bytes() for path in files] == before
