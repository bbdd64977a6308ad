"""What a command writes is a file of its own: nothing else that stands there is replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reelabel.cli.commands import cli
from reelabel.errors import UsageError
from reelabel.output_files import prepare_outputs


def stood(path: Path, kind: str) -> Path:
    """Put what is no plain file at a path."""
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a link to a file":
        path.with_name("real").write_text("mine")
        path.symlink_to(path.with_name("real"))
    else:
        path.symlink_to({"a link to nothing": "none", "a link in a circle": path.name}[kind])
    return path


KINDS = ("a pipe", "a link to a file", "a link to nothing", "a link in a circle")
NAMED = {
    "predict --out": ["predict", "fake:", "{video}", "--out"],
    "predict --render": ["predict", "fake:", "{video}", "--render"],
    "show --out": ["show", "{ws}", "--evidence", "--out"],
    "compare --json": ["compare", "{ws}", "--on", "{ws}", "--json"],
    "origins --out": ["origins", "{ws}", "--out"],
    "export": ["export", "{ws}", "--format", "onnx"],
    "flicker --out": ["flicker", "{video}", "{ws}/reelabel.yaml", "--out"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_no_output(tmp_path, kind):
    """A pipe would lose its reader, a link what it leads to."""
    path = stood(tmp_path / "out.json", kind)
    with pytest.raises(UsageError, match="name a file"):
        prepare_outputs([], [path])
    assert os.path.lexists(path)
    assert not path.is_file() or path.read_text() == "mine"


def test_files_folders_and_links_to_folders_are_outputs(tmp_path):
    """They are written into or replaced, as their names promise."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    prepare_outputs([], [tmp_path / name for name in ("file", "folder", "link", "new")])


@pytest.mark.parametrize("label", NAMED)
def test_every_command_that_names_a_file_refuses_it(tmp_path, disc_clips, label, capfd):
    """Before anything else is done, so that no work is lost."""
    ws, out = tmp_path / "ws", stood(tmp_path / "out.onnx", "a pipe")
    video = str(disc_clips[0])
    flags = ["--classes", "ball", "--detector", "fake:", "--videos", video]
    assert cli.main(["init", str(ws), *flags], standalone_mode=False) in {0, None}
    line = [part.format(video=video, ws=ws) for part in NAMED[label]]
    with pytest.raises(UsageError, match=r"out\.onnx: expected the name of a file"):
        cli.main([*line, str(out)], standalone_mode=False)
    capfd.readouterr()
