"""Fetched files are footage that states where it came from, and that they are as they came."""

from __future__ import annotations

import shutil

import pytest
import yaml

import reelabel
from reelabel.tables import VIDEOS
from reelabel.workspace import Workspace


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    """Return a workspace without footage of its own."""
    root = tmp_path / "w"
    root.mkdir()
    (root / "reelabel.yaml").write_text("classes: [disc]\n")
    return Workspace.open(root)


@pytest.fixture
def fetched(workspace, fetched_footage):
    """Return what puts fetched files into the workspace."""
    return fetched_footage(workspace.root)


def registered(workspace):
    """Register, and return the rows of all videos by path."""
    result = reelabel.register(workspace, quiet=True)
    rows = [r for v in workspace.shards(VIDEOS) for r in workspace.read(VIDEOS, v).to_pylist()]
    return {row["path"]: row for row in rows}, result.notes["all"]


def test_fetched_files_are_footage_with_an_origin(workspace, fetched, disc_clips, tmp_path):
    """A fetched file has address and licence; the user's own footage has neither."""
    (tmp_path / "own").mkdir()
    own = shutil.copy(disc_clips[1], tmp_path / "own")
    (workspace.root / "reelabel.yaml").write_text(
        yaml.safe_dump({"classes": ["disc"], "videos": [str(tmp_path / "own")]})
    )
    fetched.add("k400", "one", disc_clips[0])
    fetched.add("k400", "lost", None)
    fetched.write()
    rows, notes = registered(workspace)
    assert set(rows) == {str(own), "downloads/k400/one.mp4"}
    row = rows["downloads/k400/one.mp4"]
    assert (row["role"], row["state"]) == ("footage", "ok")
    assert (row["origin"], row["licence"]) == ("https://example.org/one", "CC-BY")
    assert (rows[str(own)]["origin"], rows[str(own)]["licence"]) == ("", "")
    assert notes["failed"] == []


def test_the_downloads_of_a_workspace_are_no_ordinary_footage(workspace, fetched, disc_clips):
    """A folder that holds the workspace is searched without its downloads."""
    (workspace.root / "reelabel.yaml").write_text("classes: [disc]\nvideos: [.]\n")
    shutil.copy(disc_clips[0], workspace.root)
    fetched.add("k400", "one", disc_clips[1])
    rows, notes = registered(workspace)
    assert set(rows) == {"clip0.mp4"}
    assert [name for names in notes["left_out"].values() for name in names if "downloads" in name]


def test_two_spans_have_the_origin_of_their_video(workspace, fetched, disc_clips):
    """The address is that of the whole video, whatever was cut out of it."""
    for i, (start, end) in enumerate([(0.0, 5.0), (9.0, 12.0)]):
        url = "https://example.org/whole"
        fetched.add("k400", f"span{i}", disc_clips[i], url=url, start_s=start, end_s=end)
    fetched.write()
    rows, _ = registered(workspace)
    assert {row["origin"] for row in rows.values()} == {"https://example.org/whole"}
    assert len(rows) == 2


def test_equal_content_of_two_wants_is_one_video(workspace, fetched, disc_clips):
    """The second file is a copy; it takes over when the first one is gone."""
    fetched.add("a", "one", disc_clips[0])
    second = fetched.add("b", "two", disc_clips[0])
    fetched.write()
    rows, notes = registered(workspace)
    assert set(rows) == {"downloads/a/one.mp4"}
    assert notes["copies"] == {"downloads/b/two.mp4": rows["downloads/a/one.mp4"]["video_id"]}
    (workspace.root / "downloads/a/one.mp4").unlink()
    again, _ = registered(workspace)
    assert again["downloads/b/two.mp4"]["state"] == "ok"
    assert again["downloads/b/two.mp4"]["origin"] == "https://example.org/two"
    assert second.is_file()


def test_own_footage_that_was_fetched_too_states_the_origin(workspace, fetched, disc_clips):
    """The user's file is the video's, and where else it is found is not lost."""
    (workspace.root / "reelabel.yaml").write_text(
        yaml.safe_dump({"classes": ["disc"], "videos": [str(disc_clips[0])]})
    )
    fetched.add("a", "one", disc_clips[0])
    fetched.write()
    rows, _ = registered(workspace)
    assert {path: row["origin"] for path, row in rows.items()} == {
        str(disc_clips[0]): "https://example.org/one"
    }


@pytest.mark.parametrize("known", [True, False], ids=["registered", "new"])
@pytest.mark.parametrize("what", ["altered", "deleted"])
def test_a_fetched_file_that_changed_is_failed(workspace, fetched, disc_clips, *, what, known):
    """It keeps its row with the reason, and is used again when it is whole again."""
    path = fetched.add("a", "one", disc_clips[0])
    fetched.add("a", "two", disc_clips[1])
    fetched.write()
    before = registered(workspace)[0] if known else None
    if what == "altered":
        shutil.copy(disc_clips[2], path)
    else:
        path.unlink()
    rows, notes = registered(workspace)
    row = rows["downloads/a/one.mp4"]
    assert row["state"] == "failed"
    assert "fetched" in row["error"]
    assert notes["failed"] == ["one.mp4"]
    assert rows["downloads/a/two.mp4"]["state"] == "ok"
    shutil.copy(disc_clips[0], path)
    after, _ = registered(workspace)
    assert after["downloads/a/one.mp4"]["state"] == "ok"
    assert before in (None, after)


def test_an_altered_file_leaves_its_copy_usable(workspace, fetched, disc_clips):
    """The video goes on under the other file of its content."""
    path = fetched.add("a", "one", disc_clips[0])
    fetched.add("b", "two", disc_clips[0])
    fetched.write()
    (row,) = registered(workspace)[0].values()
    path.write_bytes(b"nothing")
    rows, _ = registered(workspace)
    assert {r["video_id"]: r["path"] for r in rows.values() if r["state"] == "ok"} == {
        row["video_id"]: "downloads/b/two.mp4"
    }


def test_nothing_is_read_again_where_nothing_changed(workspace, fetched, disc_clips):
    """A second register does nothing, and one with a further file hashes that one alone."""
    fetched.add("a", "one", disc_clips[0])
    fetched.write()
    first, _ = registered(workspace)
    assert reelabel.register(workspace, quiet=True).done == 0
    fetched.add("a", "two", disc_clips[1])
    fetched.write()
    rows, _ = registered(workspace)
    assert rows["downloads/a/one.mp4"] == first["downloads/a/one.mp4"]
    assert len(rows) == 2
