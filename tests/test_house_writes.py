"""Files are written in few places, so that every write is atomic and its errors are explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "reelabel"
FILES = sorted(SOURCE.rglob("*.py"))

WRITERS = ("files.py", "workspace/", "media/")
"""Where files may be written by hand; everybody else goes through these."""

EXCEPTIONS = {
    "verbs/predict_boxes.py": "into a file without a name, which no other process can open",
    "cli/output_file.py": "the standard output is no file; what it gets was written whole before",
    "cli/__init__.py": "the stream that goes nowhere stands for a closed one",
    "training/": "a model folder belongs to its training, which torch and its trainer write",
    "sources/web/part_file.py": "a file that is fetched grows, to be continued",
    "models/students/": "a family writes its own weights into the model folder",
}
"""Other places that write by hand, each with its reason."""

METHODS = frozenset({
    *("write_text", "write_bytes", "touch", "unlink", "rename", "symlink_to", "hardlink_to"),
    *("save_pretrained", "imwrite", "savez", "savez_compressed", "savetxt", "write_table"),
})
"""Names of methods and functions that write, whatever they belong to."""
FUNCTIONS = {
    "json": {"dump"},
    "yaml": {"dump", "safe_dump"},
    "pickle": {"dump"},
    "shutil": {"copy", "copy2", "copyfile", "copytree", "move", "rmtree", "copyfileobj"},
    "np": {"save"},
    "torch": {"save"},
    "os": {"replace", "rename", "remove", "link", "symlink", "truncate"},
}
"""Functions that write, by module; yaml's only with a stream."""
STAGES_USE = {"write_text", "write_bytes", "write_json", "write_atomic", "copy_file"}


def writes_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every call that writes, replaces or removes a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := written_by(node)):
            yield node.lineno, name


def written_by(call: ast.Call) -> str:
    """Return the name of a call that writes, empty if it does not."""
    function = call.func
    if isinstance(function, ast.Name):
        return "open" if function.id == "open" and writes(call.args[1:2], call.keywords) else ""
    if not isinstance(function, ast.Attribute):
        return ""
    name, owner = function.attr, function.value
    module = owner.id if isinstance(owner, ast.Name) else ""
    if name in FUNCTIONS.get(module, ()):
        return "" if module == "yaml" and len(call.args) < 2 else f"{module}.{name}"
    if name in METHODS:
        return name
    if name == "open" and writes(call.args[:1], call.keywords):
        return name
    # Path.replace takes one argument, str.replace two.
    return name if name == "replace" and len(call.args) == 1 and not call.keywords else ""


def writes(mode: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    """Return whether the mode of an open file is one that writes."""
    given = [*mode, *(k.value for k in keywords if k.arg == "mode")]
    texts = [str(node.value) for node in given if isinstance(node, ast.Constant)]
    return any(set(text) & set("wax+") for text in texts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_are_written_in_few_places(path):
    """Outside the writers and the listed exceptions no call writes a file by hand."""
    place = path.relative_to(SOURCE).as_posix()
    if place.startswith((*WRITERS, *EXCEPTIONS)):
        return
    found = list(writes_in(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, f"{place} writes by hand {found}: use reelabel.files or unit.files"


@pytest.mark.parametrize("place", sorted(EXCEPTIONS))
def test_each_exception_is_needed(place):
    """A place stands in the list only as long as it writes by hand."""
    files = [p for p in FILES if p.relative_to(SOURCE).as_posix().startswith(place)]
    assert any(list(writes_in(ast.parse(p.read_text(encoding="utf-8")))) for p in files)


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "stages").rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_stages_write_through_the_engine(path):
    """A stage returns rows, results and digests; its files go through `unit.files`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert not names & STAGES_USE


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("open(path, 'w')", "open"),
        ("path.open('ab')", "open"),
        ("path.open(mode='r+')", "open"),
        ("path.write_text('x')", "write_text"),
        ("json.dump(x, file)", "json.dump"),
        ("shutil.copyfile(a, b)", "shutil.copyfile"),
        ("cv2.imwrite(name, x)", "imwrite"),
        ("np.save(path, x)", "np.save"),
        ("scratch.replace(path)", "replace"),
        ("yaml.safe_dump(x, file)", "yaml.safe_dump"),
    ],
)
def test_writing_calls_are_recognised(code, name):
    """The rule sees every way of writing that it names."""
    assert list(writes_in(ast.parse(code))) == [(1, name)]


@pytest.mark.parametrize(
    "code",
    [
        "open(path)",
        "path.open('rb')",
        "text.replace('a', 'b')",
        "yaml.safe_dump(x)",
        "json.dumps(x)",
    ],
)
def test_reading_calls_are_left_alone(code):
    """Reading, and changing texts, is no writing."""
    assert list(writes_in(ast.parse(code))) == []
