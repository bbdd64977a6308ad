"""How a command ends when something outside it goes wrong."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reelabel import cli
from reelabel.verbs.init import init

RUN = (sys.executable, "-m", "reelabel")


@pytest.fixture
def workspace(disc_clips, tmp_path) -> Path:
    """Return a workspace on two clips, and on a file that is none, whose name steers terminals."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, footage)
    (footage / "e\x1b]0;owned\x07\x1b[2J.mp4").write_bytes(b"no video")
    settings = {"train": {"student": "fake"}}
    init(tmp_path / "ws", classes=["disc"], videos=[footage], detector="fake:", settings=settings)
    return tmp_path / "ws"


def test_names_cannot_steer_the_terminal(workspace):
    """Control characters of a file's name are printed as escapes, by all commands."""
    for command in ("run", "status"):
        done = subprocess.run([*RUN, command, workspace], capture_output=True, check=False)
        assert b"\\x1b]0;owned" in done.stdout + done.stderr
        assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_end_the_work_like_ctrl_c(workspace, name):
    """The command stops with one line, nothing half-written, and the exit code of shells."""
    code = (
        "import os, sys, signal\nfrom reelabel.cli import main\nimport reelabel.engine.run as run\n"
        # Tests that are started by nohup would pass on that the signal is ignored.
        f"settle = run._settle\nsignal.signal(signal.{name}, signal.SIG_DFL)\n"
        f"run._settle = lambda *a: (os.kill(os.getpid(), signal.{name}), settle(*a))[1]\nmain()"
    )
    command = [sys.executable, "-c", code, "run", str(workspace), "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.Signals[name], done.stderr
    assert done.stderr.strip().startswith("stopped; what was done so far is kept")
    assert not list(workspace.rglob("*.tmp"))


@pytest.mark.parametrize("out", ["closed", "/dev/full"])
def test_output_that_cannot_be_written_is_one_line(workspace, out):
    """A closed or full standard output costs the output alone, without a traceback."""
    shell = f'"$@" {">&-" if out == "closed" else f"> {out}"}'
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *RUN, "status", workspace],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1
    if out == "/dev/full":
        assert "the disk is full: free some space" in done.stderr
        assert done.returncode == 6


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENAMETOOLONG, "x", "v" * 300), f"{'v' * 200}...: a name is longer than"),
        (OSError(errno.ELOOP, "x", b"a"), "a: symbolic links lead in a circle: remove them"),
        (OSError(errno.EFBIG, "x", "a", None, "b"), "b: the file would be larger than"),
        (OSError(errno.ENOSPC, "x"), "a file or the output: the disk is full: free some space"),
        (OSError("host is down"), "host is down"),
        ("\udcff.mp4", "a name holds bytes that are no UTF-8: rename it (\\udcff.mp4)"),
    ],
)
def test_errors_of_the_system_name_path_reason_and_way_out(monkeypatch, capsys, error, line):
    """Whichever command they end, in one line and without a number of the system."""

    def fail() -> int:
        if isinstance(error, str):
            error.encode()
        raise error

    monkeypatch.setattr(cli, "_command", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert said.startswith(f"reelabel: {line}")
    assert "Errno" not in said
    assert ended.value.code == (2 if isinstance(error, str) else 6)


def test_an_unforeseen_error_is_one_line_and_a_file(workspace, tmp_path):
    """A fault of the program names the file with its trace and has an exit code of its own."""
    code = (
        "from reelabel.cli import main\nimport reelabel.verbs.status as verbs\n"
        "verbs.status = None\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "status", str(workspace)],
        env=os.environ | {"REELABEL_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    (log,) = (tmp_path / "cache" / "faults").iterdir()
    assert done.returncode == 9
    assert done.stderr.startswith("reelabel: unexpected TypeError")
    assert str(log) in done.stderr
    assert "Traceback" in log.read_text()


def test_without_a_command_the_help_is_printed_once(monkeypatch, capsys):
    """`reelabel` alone prints its help as it stands and ends with the code of wrong usage."""
    monkeypatch.setattr(sys, "argv", ["reelabel"])
    with pytest.raises(SystemExit, match="2"):
        cli.main()
    err = capsys.readouterr().err
    assert err.count("Usage:") == 1
    assert "Error" not in err
    assert "Stages, each alone:" in err
