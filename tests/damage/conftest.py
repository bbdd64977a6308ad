"""Small finished workspaces of every task, with all that commands leave in them."""

from __future__ import annotations

import functools
import http.server
import os
import random
import re
import shutil
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelabel.cli import main
from reelabel.tables import VIDEOS
from reelabel.verbs.init import init
from reelabel.workspace import Workspace

DAMAGES = (
    *("gone", "empty", "half", "random bytes", "another kind", "one bit"),
    *("a folder", "a link to itself", "a pipe"),
)
WAYS_OUT = re.compile(
    r"run again|reelabel\s\w+"
    r"|(delete|remove|correct|check|name|move|save) (it|them|another|(a|the) file)"
    r"|put it back|train again|run the stages|expected a workspace|replace it"
)
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40)}
FAKE = {"train": {"student": "fake"}, "engine": {"workers": 1}, "evaluate": {"resamples": 5}}
OF_CLASSES = FAKE | {
    "sample": {"per_video": 3},
    "clean": {"contradicts": {"enabled": False}, "stranger": {"enabled": False}},
}
LOCAL = {"allow": "127.0.0.1/32", "politeness": {"host_interval_s": 0}, "stall_timeout_s": 5}


@dataclass(frozen=True)
class Finished:
    """A workspace in which everything is done.

    Attributes:
        root: its folder; copy it before you change it.
        task: its task.
        footage: a video that a model can be applied to.
        labels: a file of people's labels that can be imported.
        unseen: a folder of videos of which nothing was trained on, with ``tags.csv``.
    """

    root: Path
    task: str
    footage: Path
    labels: Path
    unseen: Path


@contextmanager
def set_arguments(arguments):
    """Let the command line be these arguments."""
    before = sys.argv
    sys.argv = ["reelabel", *map(str, arguments)]
    try:
        yield
    finally:
        sys.argv = before


def command(*arguments) -> int:
    """Run a command of the command line here and return its exit code."""
    with set_arguments(arguments), pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def done(*arguments) -> None:
    """Run a command that is to end well."""
    assert command(*arguments) in {0, 1}, arguments


@contextmanager
def served(folder: Path):
    """Serve a folder on 127.0.0.1 and yield the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing is printed."""


@pytest.fixture(scope="module", autouse=True)
def quiet_place(tmp_path_factory):
    """Keep downloads and traces of faults of these tests in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REELABEL_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def boxes(disc_clips, tmp_path_factory) -> Finished:
    """Return a workspace of boxes: two rounds, truth and labels imported, one video forgotten."""
    home = tmp_path_factory.mktemp("boxes")
    (home / "footage").mkdir()
    for clip in disc_clips[:3]:
        shutil.copy(clip, home / "footage")
    (home / "footage" / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(90))
    root = home / "ws"
    settings = FAKE | {"advance": {"keep_going": True}}
    init(root, classes=["disc"], videos=[home / "footage"], detector="fake:", settings=settings)
    done("register", root, "-q")
    done("forget", root, "clip2.mp4", "--yes")
    done("run", root, "--rounds", "1", "-q")
    for what in ("truth", "labels"):
        done("export", root, home / what)
        done("import", root, home / what, "--as", what)
    done("run", root, "--rounds", "2", "-q")
    done("show", root, "-q")
    done("ablate", root, "--seeds", "1", "-q")
    done("export", root, root / "exports" / "own")
    (root / "weights.lock.json").write_text('{"other.onnx": "0123"}')
    done("report", root)
    return Finished(root, "detect", disc_clips[0], home / what, home)


def coloured(folder, make_textured_clip):
    """Write three red and three green clips, and yield the name and the colour of each."""
    for i, name in enumerate(["red"] * 3 + ["green"] * 3):
        make_textured_clip(folder / f"{name}{i}.mp4", COLOURS[name], seed=i)
        yield f"{name}{i}.mp4", name


@pytest.fixture(scope="module")
def frames(make_textured_clip, tmp_path_factory):
    """Yield a workspace of classes of frames whose videos were fetched from a server."""
    home = tmp_path_factory.mktemp("frames")
    (home / "served").mkdir()
    with served(home / "served") as address:
        lines = ["url,label,start,end,licence"]
        for clip, name in coloured(home / "served", make_textured_clip):
            lines.append(f"{address}/{clip},{name},0,0.9,CC0")
        (home / "list.csv").write_text("\n".join(lines) + "\n")
        root = home / "ws"
        settings, listed = OF_CLASSES | {"fetch": LOCAL}, home / "list.csv"
        init(root, task="classify-frames", manifest=("urls", listed), settings=settings)
        done("run", root, "--rounds", "1", "-q")
        labels = people_of(root, home / "people.csv")
        done("import", root, labels, "--as", "truth")
        done("run", root, "--rounds", "1", "-q")
        done("show", root, "-q")
        unseen = unseen_in(home / "unseen", make_textured_clip)
        yield Finished(root, "classify-frames", home / "served" / "red0.mp4", labels, unseen)


@pytest.fixture(scope="module")
def windows(make_textured_clip, tmp_path_factory) -> Finished:
    """Return a workspace of classes of windows, with tags and people's labels in files."""
    home = tmp_path_factory.mktemp("windows")
    rows = ["video,class"]
    for clip, name in coloured(home / "footage", make_textured_clip):
        rows.append(f"{clip},{name}")
    (home / "tags.csv").write_text("\n".join(rows) + "\n")
    root = home / "ws"
    given = {"classes": list(COLOURS), "videos": [home / "footage"], "tags": home / "tags.csv"}
    settings = OF_CLASSES | {"window": {"frames": 3, "step_s": 0.2}}
    init(root, task="classify-clips", settings=settings, **given)
    done("run", root, "--rounds", "1", "-q")
    labels = people_of(root, home / "people.csv")
    done("import", root, labels, "--as", "labels")
    done("import", root, labels, "--as", "truth")
    done("run", root, "--rounds", "1", "-q")
    unseen = unseen_in(home / "unseen", make_textured_clip)
    return Finished(root, "classify-clips", home / "footage" / "red0.mp4", labels, unseen)


def unseen_in(folder: Path, make_clip) -> Path:
    """Write videos that no workspace has, and their classes, and return the folder."""
    for i, (name, colour) in enumerate(COLOURS.items()):
        make_clip(folder / f"{name}.mp4", colour, seed=50 + i)
    (folder / "tags.csv").write_text("video,class\nred.mp4,red\ngreen.mp4,green\n")
    return folder


def people_of(root: Path, file: Path) -> Path:
    """Write people's classes of two videos of a workspace."""
    ws = Workspace.open(root)
    names = sorted(ws.read(VIDEOS, v).to_pylist()[0]["name"] for v in ws.shards(VIDEOS))
    chosen = [names[0], names[-1]]
    rows = [f"{name},{'red' if 'red' in name else 'green'}" for name in chosen]
    file.write_text("\n".join(["video,class", *rows]) + "\n")
    return file


def damage(path: Path, how: str) -> None:
    """Do to a file what a disk or a person may do to it."""
    raw = path.read_bytes()
    path.unlink()
    middle = len(raw) // 2
    if how == "a folder":
        path.mkdir()
    elif how == "a link to itself":
        path.symlink_to(path.name)
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "another kind":
        write_another_kind(path)
    elif how != "gone":
        flipped = raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :] if raw else b"x"
        noise = random.Random(len(raw)).randbytes(len(raw) or 1)
        contents = {"empty": b"", "half": raw[:middle], "random bytes": noise, "one bit": flipped}
        path.write_bytes(contents[how])


def write_another_kind(path: Path) -> None:
    """Write what has the syntax that a file's name promises, and another content."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"other": [1]}), path)
    elif path.suffix in {".jpg", ".mp4"}:
        path.write_bytes(b"%PDF-1.4\n")
    else:
        path.write_text(
            {".jsonl": '[1]\n{"a": []}\n', ".csv": "other\n1\n"}.get(path.suffix, "[1]")
        )


@dataclass(frozen=True)
class Tools:
    """What a walk over damages needs.

    Attributes:
        capture: what pytest captures output with.
        damages: what can be done to a file.
        ways_out: finds a way out in a message.
    """

    capture: object
    damages: tuple[str, ...] = DAMAGES
    ways_out: re.Pattern = WAYS_OUT

    def call(self, line: list) -> tuple[int, str]:
        """Run a command line and return its exit code and what it printed."""
        self.capture.readouterr()
        return command(*line), "".join(self.capture.readouterr())

    def damage(self, path: Path, how: str) -> None:
        """Damage a file."""
        damage(path, how)

    def refused_badly(self, code: int, text: str) -> str:
        """Return what is wrong with a command that failed: a trace, or no way out."""
        if code not in range(9) or "Traceback" in text:
            return f"exit code {code}: {text[-300:]}"
        return "" if self.ways_out.search(text) else f"no way out: {text[-300:]}"


@pytest.fixture
def tools(capfd) -> Tools:
    """Return what a walk over damages needs."""
    return Tools(capfd)
