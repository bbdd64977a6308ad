"""An index tells what the files in a folder hold now, whatever happened to them or to it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.errors import ShardError
from reelabel.tables import CLIPS, VIDEOS
from reelabel.workspace import Workspace
from reelabel.workspace import index as indexes
from reelabel.workspace.branches import Branch
from reelabel.workspace.receipts import Receipts

KEYS = ("a", "b", "c")


@pytest.fixture
def workspace(tmp_path):
    """Return an empty workspace."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    return Workspace.open(tmp_path)


@pytest.fixture
def settled(monkeypatch):
    """Let shards count as settled at once, as if the test had waited."""
    monkeypatch.setattr(indexes, "SETTLED_NS", -(10**18))


@pytest.fixture
def reads(monkeypatch):
    """Return the list of the shards that are read one by one, as it grows."""
    seen: list[str] = []
    read = Receipts.read

    def noted(self, shard):
        seen.append(shard.stem)
        return read(self, shard)

    monkeypatch.setattr(Receipts, "read", noted)
    return seen


def write(workspace, key, fingerprint="f", table=CLIPS):
    """Write a shard without rows."""
    workspace.write(table, key, table.empty(), fingerprint=fingerprint)


def wait_for_the_clock(workspace):
    """Wait until the file system's clock has made a step."""
    folder = workspace.table_dir(CLIPS)
    before = indexes._clock_ns(folder)
    while indexes._clock_ns(folder) == before:
        pass


def made_by(workspace):
    """Return the fingerprint of each shard as the index has it."""
    return {key: receipt.fingerprint for key, receipt in workspace.receipts(CLIPS).items()}


def index_file(workspace):
    """Return where the index lies."""
    return workspace.table_dir(CLIPS) / "_receipts.jsonl"


@pytest.mark.usefixtures("settled")
def test_a_second_look_reads_no_shard(workspace, reads):
    """What the index describes is not read again, by this process or by the next one."""
    for key in KEYS:
        write(workspace, key)
    assert made_by(workspace) == dict.fromkeys(KEYS, "f")
    assert reads == list(KEYS)
    reads.clear()
    assert made_by(workspace) == dict.fromkeys(KEYS, "f")
    indexes._loaded.cache_clear()
    assert list(made_by(workspace)) == sorted(KEYS)
    assert reads == []


@pytest.mark.usefixtures("settled")
def test_only_what_changed_is_read(workspace, reads):
    """A shard that was written anew is read itself; the others are not."""
    for key in KEYS:
        write(workspace, key)
    made_by(workspace)
    reads.clear()
    write(workspace, "b", "g")
    assert made_by(workspace) == {"a": "f", "b": "g", "c": "f"}
    assert reads == ["b"]


def test_what_was_just_written_is_not_put_into_the_index(workspace, reads):
    """A file that may be replaced within the same step of the clock is read again."""
    write(workspace, "a")
    for _ in range(2):
        assert made_by(workspace) == {"a": "f"}
    assert reads == ["a", "a"]
    assert not index_file(workspace).exists()


def test_a_shard_that_was_replaced_within_one_step_of_the_clock_is_noticed(workspace, monkeypatch):
    """Same size, same inode, same time: the index does not pass the old one for the new one."""
    monkeypatch.setattr(indexes, "_stamp", lambda stat: (stat.st_size, 10**18, 1))
    monkeypatch.setattr(indexes, "_clock_ns", lambda _: 10**18 + 5)
    write(workspace, "a", "old")
    assert made_by(workspace) == {"a": "old"}
    write(workspace, "a", "new")
    assert made_by(workspace) == {"a": "new"}


def test_shards_of_the_past_are_settled(workspace, monkeypatch):
    """By the file system's own clock, a shard older than its coarsest step is in the index."""
    write(workspace, "a")
    changed_ns = workspace.shard_path(CLIPS, "a").stat().st_ctime_ns
    monkeypatch.setattr(indexes, "_clock_ns", lambda _: changed_ns + indexes.SETTLED_NS)
    made_by(workspace)
    assert index_file(workspace).exists()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda raw: raw[:-3],
        lambda raw: raw.replace(b'"f"', b'"g"'),
        lambda raw: b"\xff\xfe" + raw,
        lambda raw: raw.partition(b"\n")[2],
        lambda raw: raw.replace(b"receipts 2", b"receipts 0"),
        lambda raw: b"[]\n" + raw,
    ],
    ids=["empty", "cut", "changed", "binary", "headless", "of another layout", "no head"],
)
def test_a_damaged_index_is_ignored_and_repaired(workspace, reads, damage):
    """The shards are the truth: without a whole index they are read, and it is written again."""
    for key in KEYS:
        write(workspace, key)
    made_by(workspace)
    path = index_file(workspace)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    reads.clear()
    assert made_by(workspace) == dict.fromkeys(KEYS, "f")
    assert reads == list(KEYS)
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("settled")
def test_a_damaged_shard_is_in_no_index(workspace):
    """A shard that was cut short after it was indexed counts as missing."""
    for key in KEYS:
        write(workspace, key)
    made_by(workspace)
    path = workspace.shard_path(CLIPS, "b")
    path.write_bytes(path.read_bytes()[:40])
    for _ in range(2):
        assert made_by(workspace) == {"a": "f", "c": "f"}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", [shutil.copytree, os.rename], ids=["copied", "moved"])
def test_a_workspace_elsewhere_is_the_same(workspace, tmp_path_factory, how):
    """A copy has other inodes and times, so that its shards are read; what they hold counts."""
    for key in KEYS:
        write(workspace, key)
    made_by(workspace)
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "ws"
    how(workspace.root, elsewhere)
    other = Workspace.open(elsewhere)
    assert made_by(other) == dict.fromkeys(KEYS, "f")
    write(other, "a", "g")
    assert made_by(other) == {"a": "g", "b": "f", "c": "f"}


@pytest.mark.usefixtures("settled")
def test_a_file_copied_over_a_shard_with_its_times_is_noticed(workspace):
    """A program that sets the modification time cannot set the change time."""
    for key in KEYS:
        write(workspace, key, f"f{key}")
    made_by(workspace)
    wait_for_the_clock(workspace)
    a, b = (workspace.shard_path(CLIPS, key) for key in "ab")
    os.utime(b, ns=(a.stat().st_atime_ns, a.stat().st_mtime_ns))
    shutil.copy2(b, a)
    assert made_by(workspace) == {"a": "fb", "b": "fb", "c": "fc"}


@pytest.mark.usefixtures("settled")
def test_what_cannot_be_written_is_read_each_time(workspace, monkeypatch, reads):
    """In a folder that is read-only there is no index, and the receipts are the same."""
    write(workspace, "a")
    monkeypatch.setattr(indexes, "_clock_ns", lambda _: 0)
    monkeypatch.setattr(indexes, "SETTLED_NS", 0)
    for _ in range(2):
        assert made_by(workspace) == {"a": "f"}
    assert reads == ["a", "a"]


@pytest.mark.usefixtures("settled")
def test_an_index_is_plain_json_lines(workspace):
    """Any program can read it: a head, then one line per shard."""
    for key in KEYS:
        workspace.write(CLIPS, key, CLIPS.empty(), fingerprint="f", notes={"n": key})
    made_by(workspace)
    head, *lines = map(json.loads, index_file(workspace).read_text().splitlines())
    assert head["layout"] == "receipts 2"
    assert [(line[0], line[4][2]) for line in lines] == [(key, {"n": key}) for key in KEYS]


@pytest.mark.usefixtures("settled")
def test_a_folder_with_an_index_is_still_a_parquet_data_set(workspace):
    """Programs that read a whole folder of Parquet files leave the index out."""
    for key in KEYS:
        write(workspace, key)
    made_by(workspace)
    assert index_file(workspace).exists()
    assert pq.read_table(workspace.table_dir(CLIPS)).num_rows == 0


@pytest.mark.usefixtures("settled")
def test_a_branch_has_indexes_of_its_own(workspace):
    """What a branch makes is indexed with the branch, and what it reads with its base."""
    write(workspace, "a")
    branch = Branch.of(workspace, 0, "other", {"clips"})
    assert branch.receipts(CLIPS) == {}
    write(branch, "a", "g")
    assert made_by(branch) == {"a": "g"}
    assert made_by(workspace) == {"a": "f"}
    assert made_by(Branch.of(workspace, 0, "reads", set())) == {"a": "f"}


def video(key, **changes):
    """Return the row of a video."""
    row = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
    return row | {"video_id": key, "path": f"{key}.mp4", "duration_s": 0.1 + 0.2} | changes


@pytest.mark.usefixtures("settled")
def test_videos_are_those_of_the_rows_as_they_are(workspace):
    """Videos out of the index equal those out of the shards, to the last digit."""
    rows = {key: VIDEOS.from_rows([video(key)]) for key in KEYS}
    for key in KEYS:
        workspace.write(VIDEOS, key, rows[key], fingerprint="f")
    first = workspace.videos()
    indexes._loaded.cache_clear()
    assert workspace.videos() == first
    assert [v.duration_s for v in first] == [0.1 + 0.2] * 3
    assert [v.path for v in first] == [workspace.root / f"{key}.mp4" for key in KEYS]
    changed = VIDEOS.from_rows([video("b", width=5)])
    workspace.write(VIDEOS, "b", changed, fingerprint="f")
    assert [v.width for v in workspace.videos()] == [0, 5, 0]
    workspace.shard_path(VIDEOS, "b").write_bytes(b"rot")
    with pytest.raises(ShardError, match="run again"):
        workspace.videos()


STEP = st.tuples(
    st.sampled_from(["write", "remove", "cut", "look", "forget", "delete index"]),
    st.sampled_from(KEYS),
)


@given(st.lists(STEP, max_size=25))
@settings(max_examples=60)
def test_an_index_never_differs_from_the_shards(tmp_path_factory, steps):
    """After any changes, looks and losses the receipts are those in the shards themselves."""
    workspace = Workspace(Path(tmp_path_factory.mktemp("ws")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexes, "SETTLED_NS", 1)  # the step of the clock itself, not the coarsest
        for number, (what, key) in enumerate(steps):
            path = workspace.shard_path(CLIPS, key)
            if what == "write":
                write(workspace, key, f"{number:04}")
            elif what == "remove":
                workspace.remove(CLIPS, key)
            elif what == "cut" and path.exists():
                path.write_bytes(path.read_bytes()[:-4])
            elif what == "look":
                workspace.receipts(CLIPS)
            elif what == "forget":
                indexes._loaded.cache_clear()
            elif what == "delete index":
                index_file(workspace).unlink(missing_ok=True)
        alone = {key: workspace.receipt(CLIPS, key) for key in workspace.shards(CLIPS)}
        assert workspace.receipts(CLIPS) == {k: r for k, r in alone.items() if r is not None}
