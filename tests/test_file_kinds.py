"""What is no file is told without opening it, as a pipe would be waited for without end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reelabel.file_kinds import plain_file, special_kind


def made(path: Path, kind: str) -> Path:
    """Make what is no plain file at a path."""
    makers = {
        "a pipe or device": os.mkfifo,
        "a link that leads in a circle": lambda p: p.symlink_to(p),
        "a link to nothing": lambda p: p.symlink_to(p.with_name("none")),
        "a folder": Path.mkdir,
    }
    makers[kind](path)
    return path


@pytest.mark.parametrize(
    "kind", ["a pipe or device", "a link that leads in a circle", "a link to nothing", "a folder"]
)
def test_what_is_no_file_is_named(tmp_path, kind):
    """In words; what cannot be waited for is refused before it is opened or by opening it."""
    path = made(tmp_path / "a", kind)
    assert special_kind(path) == kind
    with pytest.raises(OSError, match="a"):
        plain_file(path).read_bytes()


def test_a_file_and_nothing_are_nothing_special(tmp_path):
    """A file is returned as it is; a path where nothing stands raises where it is opened."""
    file = tmp_path / "a"
    file.write_bytes(b"x")
    assert special_kind(file) == special_kind(tmp_path / "b") == ""
    assert plain_file(str(file)).read_bytes() == b"x"
    assert plain_file(tmp_path / "b") == tmp_path / "b"
