"""The tutorial, run as it stands, and the page on few boxes, but for the length of its training."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from reelabel.cli import main

DOCS = Path(__file__).parents[2] / "docs"
END = "<!-- from here on nothing is run by the tests -->"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the content of every fenced block that is to be run."""
    runnable, found, _ = text.partition(END)
    assert found, f"the tutorial no longer says '{END}'"
    yield from ((m[1], m[2]) for m in BLOCK.finditer(runnable))


def commands(block: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output that is shown below it."""
    for part in re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?!\w)")
SLACK = 0.02
"""By how much a figure with a decimal point may differ: processors round differently."""


def pattern(shown: str) -> str:
    """Return the expression for an output: figures are groups, ``...`` stands for anything."""
    parts = re.split(r"^\.\.\.$", shown, flags=re.MULTILINE)
    words = [
        f"({NUMBER.pattern})".join(map(re.escape, NUMBER.split(" ".join(part.split()))))
        for part in parts
    ]
    return r"\s*" + r"\s*.*?\s*".join(words) + r"\s*"


def near(shown: str, came: str) -> bool:
    """Tell whether a figure is the one shown: counts exactly, decimals within `SLACK`."""
    if "." not in shown:
        return shown == came
    return abs(float(shown) - float(came)) <= SLACK


def agrees(shown: str, came: str) -> bool:
    """Tell whether an output is what the tutorial shows."""
    found = re.fullmatch(pattern(shown), " ".join(came.split()))
    return found is not None and all(map(near, NUMBER.findall(shown), found.groups()))


def called(command: str) -> str:
    """Run one command of ours, in this process, and return what it says."""
    words = shlex.split(command)
    assert words[0] == "reelabel", command
    out = io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(out),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert end.value.code == 0, f"{command}\n{out.getvalue()}"
    return out.getvalue()


@pytest.mark.parametrize(
    ("shown", "came", "alike"),
    [
        ("AP 0.21\n", "AP  0.22", True),
        ("AP 0.21\n", "AP  0.34", False),
        ("AP 0.21\n", "AR 0.21", False),
        ("...\nend 1\n", "much 7 else\nend 1\n", True),
        ("...\nend 1\n", "much else\nend 2\n", False),
        ("begin 3\n...\n", "begin 3\nand 4 more\n", True),
        ("begin\n...\n", "another begin\n", False),
    ],
)
def test_outputs_are_compared_with_their_figures(shown, came, alike):
    """Words and counts are equal, decimals nearly; spaces may differ."""
    assert agrees(shown, came) is alike


def run_page(page: Path, *, changed: Callable[[str], str] = str) -> tuple[set[str], list[str]]:
    """Run every block of a page in order; return the languages, and the commands that were called.

    `changed` returns the command that is called in place of the one that is shown.
    """
    names: dict[str, object] = {}
    said, seen, done = "", set(), []
    for language, content in blocks(page.read_text(encoding="utf-8")):
        seen.add(language)
        if language == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(content, page.name, "exec"), names)  # noqa: S102 -- our own page
            said = out.getvalue()
        elif language == "text":
            assert agrees(content, said), f"expected:\n{content}\ncame:\n{said}"
        elif language == "console":
            for command, shown in commands(content):
                done.append(command.split()[1])
                came = called(changed(command))
                assert agrees(shown, came), f"{command}\nexpected:\n{shown}\ncame:\n{came}"
    return seen, done


def test_the_tutorial_does_what_it_says(tmp_path, monkeypatch):
    """Every block of the tutorial runs, in order, and says what is printed below it."""
    monkeypatch.chdir(tmp_path)
    seen, _ = run_page(DOCS / "tutorial.md")
    assert seen == {"python", "text", "console"}


@pytest.mark.train
def test_the_page_on_few_boxes_does_what_it_says(tmp_path, monkeypatch):
    """Every block runs, in order, with a training of two steps."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    short = " --set train.max_steps=2 --set train.crop=64 --set sample.every=4"

    def shortened(command: str) -> str:
        return command + short if " init " in command else command

    _, done = run_page(DOCS / "how-to" / "few-boxes.md", changed=shortened)
    assert done == ["init", "run", "import", "run", "show", "predict"]
    assert list(Path("balls/rounds").glob("*/show/**/*.jpg"))
    assert Path("found.mp4").is_file()
