"""The pages for developers speak of files and names that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "reelabel"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PICTURE, _, TEXT = PAGE.partition("```text")[2].partition("```")
RULES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"`([^`\s]+)`", TEXT + RULES)) - {"src/reelabel/"})
PATHS = [word for word in QUOTED if "/" in word or word.partition(":")[0].endswith(".py")]
ROOMS = set(re.findall(r"([a-z]+/|[a-z_]+\.py)", PICTURE))


def names_in(path: Path) -> set[str]:
    """Return the names that a module defines at its top."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            found |= {target.id} if isinstance(target, ast.Name) else set()
    return found


@pytest.mark.parametrize("word", PATHS)
def test_paths_and_names_exist(word):
    """Each path is a file or folder of the source or of the tests, each name stands in its file."""
    place, _, name = word.partition(":")
    path = ROOT / place if place.startswith(("tests/", "docs/", "src/")) else SOURCE / place
    assert path.exists(), f"no such path: {place}"
    if name:
        assert name in names_in(path), f"no {name} in {place}"


def test_the_picture_shows_every_room():
    """Each folder and file at the top of the source stands in the picture, and nothing else."""
    named = {f"{path.name}/" if path.is_dir() else path.name for path in SOURCE.iterdir()}
    rooms = {name for name in named if name[0] != "_" and name != "py.typed"}
    assert rooms == ROOMS
