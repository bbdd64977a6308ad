"""``-`` as a file to write: the standard output holds it and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reelabel.cli.commands import cli


def run(*line: object) -> object:
    """Run a command line."""
    return cli.main([str(part) for part in line], standalone_mode=False)


@pytest.fixture
def workspace(tmp_path: Path, disc_clips: list[Path], capfd) -> Path:
    """Return a new workspace."""
    ws = tmp_path / "ws"
    run("init", ws, "--classes", "ball", "--detector", "fake:", "--videos", disc_clips[0])
    capfd.readouterr()
    return ws


def test_predicted_boxes_are_printed(disc_clips, capfd):
    """As in a file; what else there is to state goes to the standard error."""
    run("predict", "fake:", disc_clips[0], "-q", "--out", "-")
    out, err = capfd.readouterr()
    assert set(json.loads(out)) >= {"boxes", "model"}
    assert "boxes in" in err
    assert "written to" not in err


def test_predicted_classes_are_printed(disc_clips, capfd):
    """The same for models that classify."""
    run("predict", "fake:", disc_clips[0], "-q", "--task", "classify-frames", "--out", "-")
    assert json.loads(capfd.readouterr().out)["videos"]


def test_origins_are_printed(workspace, capfd):
    """As CSV: the head stands there where nothing was fetched, the table elsewhere."""
    run("origins", workspace, "--out", "-")
    out, _ = capfd.readouterr()
    assert out.splitlines()[0].startswith("video_id,")


def test_only_one_file_is_the_standard_output(disc_clips, tmp_path, capfd):
    """Two would be mixed."""
    (tmp_path / "boxes.txt").touch()
    line = ["flicker", disc_clips[0], tmp_path / "boxes.txt", "--out", "-", "--coco-out", "-"]
    with pytest.raises(Exception, match="only one file"):
        run(*line)
    capfd.readouterr()


def test_what_is_printed_is_printed_once(disc_clips, capfd):
    """``--json`` prints the same: both would be two texts in one."""
    with pytest.raises(Exception, match="--json prints one"):
        run("predict", "fake:", disc_clips[0], "-q", "--json", "--out", "-")
    assert capfd.readouterr().out == ""


def test_nothing_is_printed_where_the_command_fails(tmp_path, capfd):
    """Half a file would pass for a whole one."""
    with pytest.raises(Exception, match=r"none\.mp4"):
        run("predict", "fake:", tmp_path / "none.mp4", "-q", "--out", "-")
    assert capfd.readouterr().out == ""


def test_the_next_command_prints_where_it_always_does(workspace, disc_clips, capfd):
    """Messages go aside for one command alone."""
    run("predict", "fake:", disc_clips[0], "-q", "--out", "-")
    capfd.readouterr()
    run("status", workspace)
    assert "register" in capfd.readouterr().out
