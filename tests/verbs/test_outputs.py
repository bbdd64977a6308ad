"""Outputs never become inputs, and share nothing with the workspace."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

import reelabel as api
from reelabel.engine.run import Options
from reelabel.errors import FormatError, UsageError
from reelabel.files import staged_folder
from reelabel.formats.registry import BOX_WRITERS
from reelabel.media.rendering import is_rendering
from reelabel.pipeline import read_config, run
from reelabel.verbs.init import init
from reelabel.workspace import Workspace

FORMATS = (*BOX_WRITERS, "detections-txt")


@pytest.fixture(scope="module")
def made(disc_clips, tmp_path_factory) -> Workspace:
    """Return a workspace with a data set, in a folder beside its footage."""
    home = tmp_path_factory.mktemp("home")
    for clip in disc_clips[:2]:
        shutil.copy(clip, home)
    settings = {
        "sample": {"every": 4},
        "detect": {"frames": "all"},
        "mine": {"smooth": {"enabled": True}},
        "engine": {"workers": 1},
    }
    workspace = init(
        home / "w", classes=["disc"], videos=[home], detector="fake:", settings=settings
    )
    run(workspace, read_config(workspace), Options(quiet=True), until="split")
    return workspace


def contents(folder: Path) -> dict[str, str]:
    """Return a hash of every file below a folder, but for indexes, which readers may write."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name[0] != "_")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("kind", FORMATS)
def test_changing_an_export_changes_nothing_in_the_workspace(made, tmp_path, kind):
    """Every file of an export is a copy: it may be written over in place."""
    before = contents(made.root)
    folder = api.export(made, tmp_path / "out", format=kind)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 2
    for path in files:
        with path.open("r+b") as file:
            file.write(b"changed")
    assert contents(made.root) == before


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_is_whole_or_not_there(made, tmp_path, kind, monkeypatch):
    """If it fails half-way, neither the folder nor a part of it stays."""

    def fail(*_, **__):
        raise FormatError("half-way")

    monkeypatch.setattr("reelabel.verbs.export.write_text", fail)
    (tmp_path / "empty").mkdir()
    for name in ("out", "empty"):
        with pytest.raises(FormatError, match="half-way"):
            api.export(made, tmp_path / name, format=kind)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]
    assert not list((tmp_path / "empty").iterdir())


def test_a_staged_folder_fills_an_empty_one_and_refuses_others(tmp_path):
    """An empty folder gets the content; one with files is refused before anything is made."""
    (tmp_path / "empty").mkdir()
    for name in ("empty", "deep/new"):
        with staged_folder(tmp_path / name) as folder:
            (folder / "a.txt").write_text("a")
            assert not list((tmp_path / name).glob("*"))
        assert (tmp_path / name / "a.txt").read_text() == "a"
    with pytest.raises(UsageError, match="empty"), staged_folder(tmp_path / "empty"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "empty"]


def test_nothing_that_was_written_is_ever_footage(made, tmp_path, reelabel):
    """Workspaces, exports, drawn films and pictures, mined frames: all are left out and named."""
    home = tmp_path / "home"
    shutil.copytree(made.root.parent, home)
    workspace = Workspace.open(home / "w")
    clip = home / "clip0.mp4"
    for kind in FORMATS:
        api.export(workspace, home / f"out-{kind}", format=kind)
    api.show(workspace, out=home / "drawn")
    api.show(workspace, out=home / "evidence.mp4", evidence=True, kind="smooth")
    api.predict("fake:", [clip], render=home / "predicted.mkv")
    code, out, err = reelabel(
        "init", home / "w2", "--classes", "disc", "--videos", home, "--detector", "fake:"
    )
    assert (code, err) == (0, "")
    assert "not taken as footage, workspaces (1)" in out
    assert f"not taken as footage, exports ({len(FORMATS)})" in out
    second = Workspace.open(home / "w2")
    result = run(second, read_config(second), Options(quiet=True), until="register")
    assert sorted(video.name for video in second.videos()) == ["clip0.mp4", "clip1.mp4"]
    drawn = result.results[0].notes["all"]["left_out"]["drawn by reelabel"]
    assert {Path(name).name for name in drawn} >= {"evidence.mp4", "predicted.mkv"}
    assert any(name.endswith(".jpg") for name in drawn)
    third = init(home / "w3", classes=["disc"], videos=[home, home / "predicted.mkv"])
    run(third, read_config(third), Options(quiet=True), until="register")
    assert len(third.videos()) == 2
    again = run(third, read_config(third), Options(quiet=True), until="register")
    assert [each.done for each in again.results] == [0]


def test_footage_is_no_rendering(disc_clips, tmp_path):
    """Neither a video, nor a file that cannot be read, nor one that is not there."""
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    assert not any(map(is_rendering, [disc_clips[0], tmp_path / "a.jpg", tmp_path / "b.mp4"]))
