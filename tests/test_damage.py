"""Whatever is damaged in a finished workspace, the next run makes it right or states a way out."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av.error
import pyarrow.parquet as pq
import pytest

import reelabel
from reelabel.engine.run import Options
from reelabel.errors import ModelError, ReelabelError, WorkspaceError
from reelabel.files import staged_folder, write_atomic, write_bytes
from reelabel.media.encode import writing_explained
from reelabel.models.students.folder import Card, fingerprint, is_finished, write_card
from reelabel.output_files import prepare_outputs
from reelabel.pipeline import read_config, run
from reelabel.verbs.init import init
from reelabel.verbs.run import status
from reelabel.workspace import Workspace

SETTINGS = {
    "train": {"student": "fake"},
    "evaluate": {"resamples": 10},
    "advance": {"keep_going": True},
    "engine": {"workers": 1},
}
FREE = {".lock", "_receipts.jsonl", "_rows.jsonl", "origin"}
"""Caches and marks: what they hold is made from the rest."""
WAYS_OUT = re.compile(
    r"run again|reelabel \w+|delete it|put it back|correct it|train again|check it"
)


def damage(path, how):
    """Do to a file what a disk or a person may do to it."""
    raw = path.read_bytes()
    path.unlink()
    middle = len(raw) // 2
    flipped = raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :] if raw else b"x"
    content = {"half": raw[:middle], "random": os.urandom(len(raw) or 1), "one bit": flipped}
    if how in content:
        path.write_bytes(content[how])


def refusal_of(root) -> str:
    """Run what is to be done; return the message of the error that it ends with, or nothing."""
    try:
        go(root)
    except ReelabelError as exc:
        return str(exc)
    return ""


def kind_of(name: str) -> str:
    """Return what files of a workspace have in common: the name without ids and numbers."""
    return re.sub(r"[0-9a-f]{16}|\d+", "N", name)


def content_of(path):
    """Return what a file holds: the rows of a table, else its bytes."""
    return pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()


def contents(root, pattern="*"):
    """Return the files that hold results, by name."""
    return {
        str(path.relative_to(root)): content_of(path)
        for path in sorted(root.rglob(pattern) if pattern == "*" else root.glob(pattern))
        if path.is_file() and path.name not in FREE and not {"receipts", "logs"} & set(path.parts)
    }


def go(root):
    """Do what is to be done."""
    workspace = Workspace.open(root)
    return run(workspace, read_config(workspace), Options(quiet=True), rounds=1)


@pytest.fixture(scope="module")
def finished(disc_clips, tmp_path_factory):
    """Return a workspace in which one round was run."""
    footage, root = tmp_path_factory.mktemp("footage"), tmp_path_factory.mktemp("ws") / "ws"
    for clip in disc_clips[:2]:
        shutil.copy(clip, footage)
    init(root, classes=["disc"], videos=[footage], detector="fake:", settings=SETTINGS)
    go(root)
    return root


def one_of_each_kind(root) -> dict[str, str]:
    """Return one file of each kind: kind -> name."""
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    free = (".lock", "reelabel.yaml", ".log")
    return {kind_of(name): name for name in names if not name.endswith(free)}


@pytest.mark.parametrize("how", ["gone", "half", "random", "one bit"])
def test_damage_is_made_right_or_explained(finished, tmp_path, how):
    """After damage to any file the results are as before, or the message names a way out."""
    before = contents(finished)
    for kind, name in one_of_each_kind(finished).items():
        root = tmp_path / "ws"
        shutil.copytree(finished, root, symlinks=True)
        damage(root / name, how)
        refusal = refusal_of(root)
        wrong = {n for n, c in before.items() if contents(root, n).get(n) != c}
        if refusal:
            assert WAYS_OUT.search(refusal), kind
        elif wrong:  # it has the size that it had, and nobody has read it yet
            assert wrong == {name}, kind
            assert name in {n for one in status(root, verify=True) for n in one.altered}, kind
        shutil.rmtree(root)


def test_a_whole_workspace_is_verified(finished):
    """Nothing is reported of a workspace that nobody has changed."""
    assert not any(one.altered for one in reelabel.status(finished, verify=True))


def test_altered_weights_are_refused(tmp_path):
    """A student's file that the training did not write is named wherever the student is loaded."""
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, Card(kind="fake", classes=("disc",), image_size=32))
    assert is_finished(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"Weights")
    assert not is_finished(tmp_path)
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged.*reelabel train"):
        fingerprint(tmp_path)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """What cannot be written to its end leaves the content before, and nothing beside it."""
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def fill(scratch):
        scratch.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "no space")

    with pytest.raises(WorkspaceError, match="disk is full"):
        write_atomic(path, fill)
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"file": b"old"}


@pytest.mark.parametrize("kind", [OSError, av.error.OSError])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_while_video_is_written_ends_the_command(tmp_path, kind, number):
    """It is no fault of one video: the error is that of every other file, with its remedy."""
    with (
        pytest.raises(WorkspaceError, match="free some space and run again"),
        writing_explained(tmp_path / "a.mp4"),
    ):
        raise kind(number, "no space")


def killed(tmp_path, code):
    """Run code in a process that ends by a signal, and return what it left in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(Path(reelabel.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    return [each.name for each in tmp_path.iterdir()]


@pytest.mark.parametrize("writer", ["staged_folder", "scratch_file"])
def test_what_a_killed_command_left_is_gone_after_the_next(tmp_path, writer):
    """Also outside of workspaces; files of a process that runs, and of other names, stay."""
    code = (
        "import os, signal, sys; from pathlib import Path; from reelabel.files import *\n"
        f"with {writer}(Path(sys.argv[1]) / 'out') as path:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert len(killed(tmp_path, code)) == 1
    stays = {f".out.{os.getpid()}.00000000.tmp", ".other.999999999.00000000.tmp", ".out.tmp"}
    for name in stays:
        (tmp_path / name).touch()
    prepare_outputs([], [tmp_path / "out", None])
    assert {each.name for each in tmp_path.iterdir()} == stays
    killed(tmp_path, code)
    with staged_folder(tmp_path / "out") as folder:
        (folder / "x").touch()
    assert {each.name for each in tmp_path.iterdir()} == stays | {"out"}


def test_new_files_have_the_permissions_of_the_umask(tmp_path):
    """Also those of writers that make files only for their owner."""
    write_atomic(
        tmp_path / "file", lambda scratch: (scratch.write_bytes(b"x"), scratch.chmod(0o600))
    )
    (tmp_path / "plain").write_bytes(b"x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
