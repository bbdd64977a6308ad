"""Every file ends in a row that says what it is, and every video in a span."""

from __future__ import annotations

import shutil

import pytest

import reelabel.stages.register as home
from reelabel.errors import UsageError
from reelabel.stages.register import GONE
from reelabel.tables import CLIPS, VIDEOS


@pytest.fixture
def footage(bench, disc_clips):
    """Return a folder with two clips that the workspace names."""
    folder = bench.root.parent / "footage"
    folder.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, folder)
    bench.configure(videos=[str(folder)])
    return folder


def by_name(bench):
    """Return the rows of all videos by file name."""
    return {row["name"]: row for row in bench.rows(VIDEOS)}


def test_the_facts_of_a_file_stand_in_its_row(bench, footage):
    """Size, time base and length are those of the file."""
    bench.run("register")
    row = by_name(bench)["clip0.mp4"]
    assert (row["width"], row["height"], row["rotation"]) == (160, 96, 0)
    assert (row["state"], row["error"], row["role"]) == ("ok", "", "footage")
    assert row["duration_s"] == pytest.approx(0.8, abs=0.05)
    assert row["fps"] == pytest.approx(25, rel=0.1)
    assert row["size_bytes"] == (footage / "clip0.mp4").stat().st_size
    assert row["path"] == str(footage / "clip0.mp4")


def test_the_worst_files_all_end_in_a_row(bench, data_dir):
    """Each file of the awkward folder has a row: usable, or failed with the reason."""
    awkward = data_dir / "videos/awkward"
    bench.configure(videos=[str(awkward)])
    result = bench.run("register")
    rows = by_name(bench)
    files = {p.name for p in awkward.iterdir() if p.suffix != ".txt"}
    assert set(rows) == files
    failed = {name for name, row in rows.items() if row["state"] == "failed"}
    assert {"audio_only.mp4", "bad_video_20bytes.mp4", "empty_0_bytes.mp4"} <= failed
    assert {"counter_frames.mp4", "vfr_train_day.mp4", "rotate_90.mov"}.isdisjoint(failed)
    assert all(bool(row["error"]) == (row["state"] == "failed") for row in rows.values())
    assert result.notes["all"]["failed"] == sorted(failed)
    assert rows["rotate_90.mov"]["rotation"] in {90, 270}


def test_the_same_content_is_one_video(bench, footage):
    """A copy under another name adds no video, and survives the first one's end."""
    shutil.copy(footage / "clip0.mp4", footage / "zcopy.mp4")
    bench.run("register")
    before = by_name(bench)
    assert set(before) == {"clip0.mp4", "clip1.mp4"}
    (footage / "clip0.mp4").unlink()
    bench.run("register")
    after = by_name(bench)
    assert set(after) == {"zcopy.mp4", "clip1.mp4"}
    assert after["zcopy.mp4"]["video_id"] == before["clip0.mp4"]["video_id"]
    assert after["zcopy.mp4"]["state"] == "ok"


@pytest.fixture
def hashed(monkeypatch):
    """Return the names of the files that are hashed, as it goes."""
    names, real = [], home.content_id

    def counted(path):
        names.append(path.name)
        return real(path)

    monkeypatch.setattr(home, "content_id", counted)
    return names


def test_files_that_did_not_change_are_not_read_again(bench, footage, disc_clips, hashed):
    """Only a file that is new, or whose size or time changed, is hashed."""
    bench.run("register")
    assert hashed == ["clip0.mp4", "clip1.mp4"]
    shutil.copy(disc_clips[2], footage)
    bench.run("register")
    assert hashed[2:] == ["clip2.mp4"]
    shutil.copy(disc_clips[3], footage / "clip0.mp4")
    bench.run("register")
    assert hashed[3:] == ["clip0.mp4"]


def test_a_copy_that_did_not_change_is_not_read_again(bench, footage, disc_clips, hashed):
    """A second file of the same content is hashed once too, and may take the first one's place."""
    shutil.copy(footage / "clip0.mp4", footage / "zcopy.mp4")
    bench.run("register")
    first = by_name(bench)["clip0.mp4"]
    shutil.copy(disc_clips[2], footage)
    bench.run("register")
    assert hashed == ["clip0.mp4", "clip1.mp4", "zcopy.mp4", "clip2.mp4"]
    (footage / "clip0.mp4").unlink()
    bench.run("register")
    assert len(hashed) == 4
    place = {"name": "zcopy.mp4", "path": str(footage / "zcopy.mp4")}
    assert by_name(bench)["zcopy.mp4"] == first | place
    shutil.copy(disc_clips[3], footage / "zcopy.mp4")
    bench.run("register")
    assert hashed[4:] == ["zcopy.mp4"]
    assert by_name(bench)["zcopy.mp4"]["video_id"] != first["video_id"]


def test_a_file_that_is_gone_keeps_its_row(bench, footage):
    """The row says that the file is gone; when it is back all is as before."""
    bench.run("register", "cut")
    before, clip = by_name(bench)["clip0.mp4"], footage / "clip0.mp4"
    away = shutil.move(clip, footage.parent / "away.mp4")
    bench.run("register", "cut")
    row = by_name(bench)["clip0.mp4"]
    assert (row["state"], row["error"]) == ("failed", GONE)
    assert row["video_id"] == before["video_id"]
    assert len(bench.rows(CLIPS)) == 2
    shutil.move(away, clip)
    bench.run("register")
    assert by_name(bench)["clip0.mp4"] == before
    assert bench.run("cut").done == 0


def test_a_file_that_is_no_longer_named_is_forgotten(bench, footage):
    """Taking a path out of the settings takes its video out of the workspace."""
    bench.run("register", "cut")
    bench.configure(videos=[str(footage / "clip1.mp4")])
    bench.run("register", "cut")
    assert set(by_name(bench)) == {"clip1.mp4"}
    assert len(bench.rows(CLIPS)) == 1


def test_a_file_that_never_was_gets_a_row_too(bench, footage):
    """A path in the settings that leads nowhere fails alone."""
    bench.configure(videos=[str(footage), "nowhere.mp4"])
    bench.run("register")
    row = by_name(bench)["nowhere.mp4"]
    assert row["state"] == "failed"
    assert "nowhere.mp4" in row["error"]


def test_a_folder_without_videos_is_refused(bench):
    """An empty folder is more likely a mistake than a wish."""
    (bench.root / "empty").mkdir()
    bench.configure(videos=["empty"])
    with pytest.raises(UsageError, match="empty"):
        bench.run("register")


def test_test_videos_have_their_own_role(bench, footage, disc_clips):
    """A test video passes through no stage that makes training data; changing roles is noticed."""
    bench.configure(videos=[str(footage / "clip0.mp4")], test_videos=[str(footage / "clip1.mp4")])
    bench.run("register", "cut")
    assert {name: row["role"] for name, row in by_name(bench).items()} == {
        "clip0.mp4": "footage",
        "clip1.mp4": "test",
    }
    assert len(bench.rows(CLIPS)) == 1
    bench.configure(videos=[str(footage / "clip1.mp4")], test_videos=[str(footage / "clip0.mp4")])
    bench.run("register", "cut")
    assert by_name(bench)["clip0.mp4"]["role"] == "test"
    (row,) = bench.rows(CLIPS)
    assert row["video_id"] == by_name(bench)["clip1.mp4"]["video_id"]


@pytest.mark.parametrize("copied", [False, True])
def test_a_test_video_stays_one_wherever_else_it_is_named(bench, footage, tmp_path, copied):
    """In a folder of footage, or as a copy of a piece of it: it is never trained on."""
    test = footage / "clip0.mp4"
    if copied:
        test = tmp_path / "zzz.mp4"
        shutil.copy(footage / "clip0.mp4", test)
    bench.configure(videos=[str(footage)], test_videos=[str(test)])
    bench.run("register")
    roles = {row["name"]: row["role"] for row in bench.rows(VIDEOS)}
    assert roles.pop(test.name) == "test"
    assert set(roles.values()) == {"footage"}
    assert copied is False or "clip0.mp4" not in roles


def test_a_file_inside_the_workspace_has_a_relative_path(bench, disc_clips):
    """A workspace that holds its footage can be moved as a whole."""
    (bench.root / "videos").mkdir()
    shutil.copy(disc_clips[0], bench.root / "videos")
    bench.configure(videos=["videos"])
    bench.run("register")
    assert [row["path"] for row in bench.rows(VIDEOS)] == ["videos/clip0.mp4"]


@pytest.mark.parametrize(
    ("settings", "span", "origin"),
    [
        ({}, (0, 0.8), "whole"),
        ({"start_s": 0.2}, (0.2, 0.8), "user"),
        ({"start_s": 0.2, "duration_s": 0.4}, (0.2, 0.6), "user"),
        ({"end_s": 0.5}, (0, 0.5), "user"),
    ],
)
@pytest.mark.usefixtures("footage")
def test_the_span_is_what_was_asked_for(bench, settings, span, origin):
    """Start, end and duration cut one clip per video."""
    bench.run("register", "cut", **(settings or {"start_s": None}))
    for row in bench.rows(CLIPS):
        assert (row["start_s"], row["end_s"]) == pytest.approx(span, abs=0.02)
        assert (row["clip"], row["origin"]) == (0, origin)


def test_a_span_beyond_one_video_fails_that_video_alone(bench, footage, data_dir):
    """A start behind the end of a short video is its failure, not that of the longer one."""
    shutil.copy(data_dir / "videos/awkward/hevc_128.mp4", footage)
    bench.run("register")
    result = bench.run("cut", start_s=0.9)
    assert min(result.failed.values()).startswith("start 0.9 s is beyond")
    assert (len(result.failed), len(bench.rows(CLIPS))) == (2, 1)
