"""The workspace keeps what was written, notices what is damaged, and lets one writer in."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import MissingInput, ShardError, WorkspaceBusy, WorkspaceError
from reelabel.files import read_json, write_atomic, write_json
from reelabel.tables import ALL, CLIPS, TRUTH, VIDEOS, xyxy_columns, xyxy_of
from reelabel.verbs.init import init
from reelabel.workspace import Receipt, Workspace, digest_of, fingerprint


@pytest.fixture
def workspace(tmp_path):
    """Return an empty workspace."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    return Workspace.open(tmp_path)


def clip(video_id="v1", end_s=1.0):
    """Return one clip's rows."""
    row = {"video_id": video_id, "clip": 0, "start_s": 0.0, "end_s": end_s, "origin": "whole"}
    return CLIPS.from_rows([row])


def test_open_says_what_to_do_where_there_is_no_workspace(tmp_path):
    """A folder without reelabel.yaml is refused with the command that makes one."""
    with pytest.raises(WorkspaceError, match="reelabel init"):
        Workspace.open(tmp_path)


def test_shards_come_back_as_they_were_written(workspace):
    """What was written is read back, with its receipt."""
    receipt = workspace.write(CLIPS, "v1", clip(), fingerprint="f", notes={"n": 1})
    assert workspace.read(CLIPS, "v1").equals(clip())
    assert workspace.receipt(CLIPS, "v1") == receipt == Receipt("f", digest_of(clip()), {"n": 1})
    assert workspace.shards(CLIPS) == ["v1"]


def test_digest_depends_on_content_alone():
    """The digest ignores chunks and metadata and changes with any value."""
    rows = clip()
    chunked = type(rows).from_batches(rows.to_batches(max_chunksize=1))
    assert digest_of(rows) == digest_of(chunked.replace_schema_metadata({"a": "b"}))
    assert digest_of(rows) != digest_of(clip(end_s=2.0))


def test_same_rows_give_the_same_bytes(workspace):
    """Writing the same shard twice gives the same file, byte for byte."""
    path = workspace.shard_path(CLIPS, "v1")
    workspace.write(CLIPS, "v1", clip(), fingerprint="f")
    first = path.read_bytes()
    workspace.write(CLIPS, "v1", clip(), fingerprint="f")
    assert path.read_bytes() == first


def test_a_missing_shard_is_not_an_accident(workspace):
    """Reading what was never made names the file and what to do."""
    with pytest.raises(MissingInput, match="not there yet"):
        workspace.read(CLIPS, "v1")
    assert workspace.receipt(CLIPS, "v1") is None


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_damaged_shard_counts_as_not_made_and_is_set_aside(workspace, keep):
    """A truncated shard has no receipt; reading it says so and moves it out of the way."""
    workspace.write(CLIPS, "v1", clip(), fingerprint="f")
    path = workspace.shard_path(CLIPS, "v1")
    path.write_bytes(path.read_bytes()[:keep])
    assert workspace.receipt(CLIPS, "v1") is None
    with pytest.raises(ShardError, match="run again"):
        workspace.read(CLIPS, "v1")
    assert not path.exists()


def test_rows_of_another_kind_are_refused(workspace):
    """A table with other columns than declared is not written."""
    with pytest.raises(ShardError, match="clips"):
        workspace.write(CLIPS, "v1", clip().drop_columns(["origin"]), fingerprint="f")


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    """If writing fails half way, neither the file nor its scratch stay."""

    def fail(scratch: Path) -> None:
        scratch.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(WorkspaceError, match="disk is full"):
        write_atomic(tmp_path / "file", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EDQUOT, "quota"),
        (errno.EIO, "rror"),
    ],
)
def test_the_file_system_is_quoted_in_words(tmp_path, number, words):
    """Each refusal of the file system says what to do."""

    def fail(scratch: Path) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.raises(WorkspaceError, match=words):
        write_atomic(tmp_path / "file", fail)


def test_a_full_disk_keeps_what_was_there(tmp_path):
    """An old file survives a failed attempt to replace it."""
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(WorkspaceError):
        write_atomic(
            tmp_path / "a.json", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, ""))
        )
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_damaged_json_says_what_to_do(tmp_path):
    """A JSON file that is none names itself and the way out."""
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ShardError, match="run again"):
        read_json(tmp_path / "a.json")


def test_a_second_writer_is_turned_away(workspace):
    """While one process holds the workspace another one gets a clear refusal."""
    script = (
        "import sys; from pathlib import Path; from reelabel.workspace import Workspace\n"
        "with Workspace(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(workspace.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline().strip() == b"held"
        with pytest.raises(WorkspaceBusy, match="another process"), workspace.locked():
            pass
        other.communicate(b"")
    with workspace.locked():
        pass


def test_only_taking_the_lock_is_explained(workspace, tmp_path):
    """What goes wrong while the workspace is held comes out as it is."""
    with pytest.raises(FileNotFoundError, match="footage"), workspace.locked():
        (tmp_path / "footage").stat()
    with workspace.locked():
        pass
    with pytest.raises(WorkspaceError), Workspace(tmp_path / "nowhere").locked():
        pass


def test_what_is_known_of_a_shard_is_that_of_the_file_as_it_is(workspace):
    """Rows and receipts are read again as soon as a shard was written, changed or removed."""
    for video_id in ("v1", "v2"):
        row = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
        rows = VIDEOS.from_rows([row | {"video_id": video_id}])
        workspace.write(VIDEOS, video_id, rows, fingerprint="f1")
    workspace.videos().clear()
    assert [row.name for row in workspace.videos()] == ["", ""]
    for number in range(2, 20):
        workspace.write(VIDEOS, "v1", rows, fingerprint=f"f{number}")
        assert workspace.receipt(VIDEOS, "v1").fingerprint == f"f{number}"
    assert [row.video_id for row in workspace.videos()] == ["v2", "v2"]
    workspace.remove(VIDEOS, "v1")
    assert workspace.receipt(VIDEOS, "v1") is None
    assert [row.video_id for row in workspace.videos()] == ["v2"]
    workspace.shard_path(VIDEOS, "v2").write_bytes(b"rot")
    assert workspace.receipt(VIDEOS, "v2") is None
    with pytest.raises(ShardError, match="run again"):
        workspace.videos()


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 4), max_size=5))
def test_boxes_survive_the_table(boxes):
    """Boxes go into the four columns and come back the same."""
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    columns = {
        "video_id": ["v"] * len(xyxy),
        "pts": list(range(len(xyxy))),
        "category": ["ball"] * len(xyxy),
        "crowd": [False] * len(xyxy),
        **xyxy_columns(xyxy),
    }
    assert np.array_equal(xyxy_of(TRUTH.build(columns)), xyxy)


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_every_column_says_what_it_means(table):
    """Every table and column has a meaning, and names are not used twice."""
    assert table.meaning
    assert all(column.meaning for column in table.columns)
    names = [column.name for column in table.columns]
    assert len(names) == len(set(names))
    table.check(table.empty().schema)


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=5))
def test_fingerprints_do_not_depend_on_the_order_of_keys(values):
    """Two mappings with the same content have the same fingerprint."""
    backwards = dict(reversed(values.items()))
    assert fingerprint(values) == fingerprint(backwards)
    assert fingerprint(values) != fingerprint({**values, "another": 1})
    assert len(fingerprint(json.dumps(values))) == 16


@pytest.mark.parametrize("name", [b"w\xff", b"p\xff/w"])
def test_a_path_that_is_no_utf8_is_refused_before_anything_is_made(tmp_path, name):
    """Of the workspace or a folder above it: tables, exports and networks hold UTF-8 alone."""
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    for call in (Workspace.open, lambda root: init(root, classes=["a"], videos=[tmp_path])):
        with pytest.raises(WorkspaceError, match="UTF-8") as refused:
            call(root)
        assert str(refused.value).isascii()
    assert not root.exists()


@pytest.mark.parametrize(("make", "words"), [(os.mkfifo, "a pipe"), (os.mkdir, "a folder")])
def test_what_stands_in_place_of_the_lock_is_named(workspace, make, words):
    """A pipe or a folder is named with its path and the way out, and nothing waits for it."""
    lock = workspace.root / ".lock"
    make(lock)
    expected = f"{lock}: expected a file, but there is {words}.*move it away"
    with pytest.raises(WorkspaceError, match=expected), workspace.locked():
        pass


def test_a_file_is_no_folder_of_a_workspace(tmp_path):
    """Whoever names the settings of a workspace learns to name its folder."""
    (tmp_path / "reelabel.yaml").write_text("classes: [dog]\n")
    with pytest.raises(WorkspaceError, match=r"is a file: name the folder"):
        Workspace.open(tmp_path / "reelabel.yaml")
