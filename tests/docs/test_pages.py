"""The hand-written pages: what they name exists."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import sys
import tomllib
import types
from pathlib import Path
from typing import get_args, get_origin

import click
import pytest
from pydantic import BaseModel

import reelabel
from reelabel.cli.commands import cli
from reelabel.models.detectors.callable import as_boxes
from reelabel.pipeline import CLASSIFY_CLIPS, CLASSIFY_FRAMES, DETECT

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md"), *DOCS.glob("decisions/*.md")])
PAGES.append(ROOT / "README.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(rf"\b({'|'.join(DETECT.sections)})\.([a-z0-9_.]*[a-z0-9_])")
TASKS = (DETECT, CLASSIFY_FRAMES, CLASSIFY_CLIPS)
FILES = {"csv", "json", "yaml", "parquet", "md", "py", "jpg", "xml"}


def ids(path: Path) -> str:
    """Return a page's name in the repository."""
    return str(path.relative_to(ROOT))


def named(kind: type[BaseModel], above: str = "") -> set[str]:
    """Return the names of all settings of a type, those inside settings with a dot."""
    found = set()
    for name, info in kind.model_fields.items():
        found.add(above + name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found |= named(info.annotation, f"{above}{name}.")
        elif inner := settings_by_name(info.annotation):
            found |= named(inner, f"{above}{name}.*.")
    return found


def settings_by_name(annotation: object) -> type[BaseModel] | None:
    """Return the settings type that a mapping from names holds, None if it holds none."""
    kind = get_args(annotation)[1] if get_origin(annotation) is dict else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def is_setting(key: str, known: set[str]) -> bool:
    """Return whether a setting is known; a name of a user's own stands where one has a star."""
    return any(re.fullmatch(re.escape(name).replace(r"\*", r"[\w-]+"), key) for name in known)


def our_commands(text: str) -> list[list[str]]:
    """Return the words of every call of ours in the console blocks of a page."""
    found = []
    for language, content in BLOCK.findall(text):
        if language == "console":
            lines = content.replace("\\\n", " ").splitlines()
            found += [
                shlex.split(x[2:], comments=True) for x in lines if x.startswith("$ reelabel")
            ]
    return found


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_commands_and_flags_exist(path):
    """Every command in a console block is one of ours, with flags that it has."""
    above = click.Context(cli)
    for words in our_commands(path.read_text(encoding="utf-8")):
        command = cli.get_command(above, words[1])
        assert command is not None, " ".join(words)
        known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        given = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
        assert given <= known, " ".join(words)


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_settings_exist(path):
    """Every setting that a page names as stage.key is a setting of that stage."""
    for stage, key in SETTING.findall(path.read_text(encoding="utf-8")):
        if key not in FILES:
            assert is_setting(key, named(DETECT.sections[stage])), f"{stage}.{key}"


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=ids)
def test_benchmarks_use_commands_and_settings_that_exist(path):
    """The commands that a benchmark calls exist, as do the settings that it gives them."""
    text = path.read_text(encoding="utf-8")
    for name in re.findall(r"""\bcommand\(["'](\w+)["']""", text):
        assert cli.get_command(click.Context(cli), name) is not None, name
    sections = {name for task in TASKS for name in task.sections}
    for section, key in re.findall(r"""(?:["']|--set )(\w+)\.([a-z0-9_.]+)(?:=|["']: )""", text):
        if section in sections:
            kinds = (t.sections[section] for t in TASKS if section in t.sections)
            assert any(is_setting(key, named(kind)) for kind in kinds), f"{section}.{key}"


def our_calls(text: str) -> list[ast.Call]:
    """Return every call of a function of ours in the python blocks and the lines of a page."""
    blocks = [content for language, content in BLOCK.findall(text) if language == "python"]
    inline = re.findall(r"`(reelabel\.\w+\([^`]*\))`", text)
    calls = [node for code in (*blocks, *inline) for node in ast.walk(ast.parse(code))]
    return [
        node
        for node in calls
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("reelabel.")
    ]


@pytest.mark.parametrize("path", PAGES, ids=ids)
def test_functions_and_arguments_exist(path):
    """Every call of ours in Python is of a public function, with arguments that it takes."""
    for call in our_calls(path.read_text(encoding="utf-8")):
        name, code = ast.unparse(call.func).removeprefix("reelabel."), ast.unparse(call)
        assert name in reelabel.__all__, code
        known = inspect.signature(getattr(reelabel, name)).parameters
        assert {given.arg for given in call.keywords} - {None} <= known.keys(), code


def test_inline_commands_exist():
    """Commands in the lines of the README and the pages are ours too, with flags that they have."""
    for path in PAGES:
        for line in re.findall(r"`reelabel ([a-z][^`]*)`", path.read_text(encoding="utf-8")):
            name, *rest = shlex.split(line)
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, f"{path.name}: {line}"
            flags = {x for p in command.params for x in (*p.opts, *p.secondary_opts)} | {"--help"}
            given = {word.partition("=")[0] for word in rest if word.startswith("--")}
            assert given <= flags, f"{path.name}: {line}"


def test_the_plug_in_example_keeps_its_promises(monkeypatch):
    """The detector of the how-to runs as printed and passes the contract; the student loads."""
    page = (DOCS / "how-to" / "use-another-detector.md").read_text(encoding="utf-8")
    blocks = [content for language, content in BLOCK.findall(page) if language == "python"]
    module = types.ModuleType("red_plug_in")  # pickling looks classes up in their module
    monkeypatch.setitem(sys.modules, "red_plug_in", module)
    assert len(blocks) == 4, "an object, a detector, its check, and a family of students"
    for content in blocks:
        exec(compile(content, "how-to", "exec"), vars(module))  # noqa: S102 -- our own page
    assert len(as_boxes(module.Mine().predict(None), "Mine", len(module.Mine.classes))) == 1


def test_every_dependency_has_a_row():
    """The page on dependencies has a row for each that the package asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["train"], *extras["wandb"], *extras["mlflow"]]
    page = (DOCS / "decisions" / "0003-dependencies.md").read_text(encoding="utf-8")
    for requirement in asked:
        name = re.split(r"[<>=!\[ ]", requirement)[0]
        assert re.search(rf"^\| {re.escape(name)}\b", page, re.MULTILINE), name


def test_concepts_name_every_stage():
    """The table of stages has a row for each stage of the flow, in its order."""
    page = (DOCS / "concepts.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert [name for name in rows if name in DETECT.flow] == list(DETECT.flow)


PROMISES = re.findall(r"`(tests/[^`]+)`", (DOCS / "promises.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("named", PROMISES)
def test_each_promise_names_a_test_that_exists(named):
    """The page on crashes and damage names files and functions of the tests."""
    path, _, function = named.partition(":")
    text = (DOCS.parent / path).read_text(encoding="utf-8")
    assert f"def {function}(" in text
