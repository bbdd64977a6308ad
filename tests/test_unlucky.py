"""Kills and full disks at random moments of a loop with a real training: the same bytes in the end.

`benchmarks/unlucky.py` does the same a hundred times, with a classifier too.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reelabel.errors import WorkspaceError
from reelabel.files import is_scratch
from reelabel.verbs.init import init

pytest.importorskip("torch")
pytestmark = [pytest.mark.real, pytest.mark.train]

SETTINGS = {
    "train": {"student": "centernet", "max_steps": 12, "check_every": 3, "image_size": 96},
    "evaluate": {"resamples": 5},
    "split": {"held_out": 0.2},
    "engine": {"workers": 1},
}
KILLS, FULL_DISKS = 2, 1
TIMES = {".lock", "_receipts.jsonl", "_rows.jsonl", "curve.csv", "model.json", "report.html"}
"""Files that hold times, or what is made from the rest."""


@pytest.fixture(scope="module")
def footage(disc_clips, tmp_path_factory) -> Path:
    """Return a folder with three clips."""
    folder = tmp_path_factory.mktemp("footage")
    for clip in disc_clips[:3]:
        shutil.copy(clip, folder)
    return folder


def begin(root: Path, footage: Path) -> list[str]:
    """Make a workspace; return the command that runs it."""
    init(root, classes=["disc"], videos=[footage], detector="fake:", settings=SETTINGS)
    return [sys.executable, "-m", "reelabel", "run", str(root), "--rounds", "1", "-q"]


def contents(root: Path) -> dict[str, bytes]:
    """Return what a run leaves: labels, data sets, weights, decisions."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.name not in TIMES
        and not {"receipts", "checkpoints"} & set(path.parts)
    }


def weights_and_labels(root: Path) -> dict[str, bytes]:
    """Return `contents` without scores, which rest on the seconds in `model.json`."""
    return {n: c for n, c in contents(root).items() if "labels" in n or n.endswith(".safetensors")}


@pytest.fixture(scope="module")
def whole(footage, tmp_path_factory) -> dict[str, bytes]:
    """Return what a run that nothing disturbs leaves."""
    root = tmp_path_factory.mktemp("whole") / "ws"
    subprocess.run(begin(root, footage), check=True, capture_output=True)
    return weights_and_labels(root)


def test_kills_at_random_moments_change_nothing(whole, footage, tmp_path):
    """However often a run is killed, the weights and labels become the same bytes."""
    root, moments = tmp_path / "ws", random.Random(0)
    command, kills = begin(root, footage), 0
    while kills < KILLS:
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                process.wait(moments.uniform(0.5, 12))
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
        kills += 1
        if process.returncode == 0:  # finished: from the start again
            assert weights_and_labels(root) == whole
            shutil.rmtree(root)
            begin(root, footage)
    subprocess.run(command, check=True, capture_output=True)
    assert weights_and_labels(root) == whole
    assert not [path for path in root.rglob("*") if is_scratch(path.name)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_full_disks_of_random_sizes_change_nothing(whole, footage, tmp_path):
    """A disk that fills at any moment: one line, and after making space the same bytes."""
    sizes, disk, codes = random.Random(1), tmp_path / "disk", []
    disk.mkdir()
    for _ in range(FULL_DISKS):
        size = f"size={sizes.randint(60, 9000)}k"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", disk], check=True)
        try:
            root = disk / "ws"
            command = [sys.executable, "-m", "reelabel", "run", str(root), "--rounds", "1", "-q"]
            begin(root, footage)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "Traceback" not in done.stderr
            codes.append(done.returncode)
            subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
            subprocess.run(command, check=True, capture_output=True)
            assert weights_and_labels(root) == whole
        finally:
            subprocess.run(["umount", disk], check=True)
    assert WorkspaceError.exit_code in codes, "no disk was full: take smaller ones"
