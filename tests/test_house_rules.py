"""The rules of the house, held by the machine: where imports point, how large things are."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import get_args

import pytest

from reelabel.data.states import EVIDENCE_KINDS, STATES
from reelabel.models.students.registry import built_in
from reelabel.models.students.settings import Output

SOURCE = Path(__file__).parent.parent / "src" / "reelabel"
FILES = sorted(SOURCE.rglob("*.py"))

# Each room may import rooms of a lower level, and its own.
LEVEL = {
    "_version": 0,
    "errors": 0,
    "files": 2,
    "checksums": 2,
    "output_files": 3,
    "json_text": 0,
    "terminal": 0,
    "short_names": 0,
    "data": 3,
    "tables": 4,
    "config": 3,
    "file_kinds": 1,
    "yaml_text": 2,
    "config_edit": 4,
    "config_template": 4,
    "media": 4,
    "evaluation": 4,
    "workspace": 5,
    "labels": 5,
    "temporal": 5,
    "formats": 5,
    "models": 7,
    "synthetic": 6,
    "training": 8,
    "sources": 8,
    "views": 8,
    "engine": 9,
    "stages": 10,
    "pipeline": 11,
    "verbs": 13,
    "cli": 14,
    "__main__": 15,
    "__init__": 15,
}

MAX_FILE_LINES = 400
MAX_BODY_LINES = 40


def room_of(path: Path) -> str:
    """Return the room of a file: its folder, or its name at the top."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full names of our own modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("reelabel"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reelabel"):
            if (
                node.module == "reelabel"
                or (SOURCE.parent / node.module.replace(".", "/")).is_dir()
            ):
                yield from (f"{node.module}.{a.name}" for a in node.names)
            else:
                yield str(node.module)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function's body has without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    """A room imports only rooms below it, and a stage never imports a stage."""
    room = room_of(path)
    assert room in LEVEL, f"{room} is no room of the house: give it a level, or another home"
    for name in imports_of(path):
        if name == "reelabel":
            continue
        other = name.split(".")[1]
        assert other in LEVEL, f"{path.name} imports {name}, which is in no room"
        below = LEVEL[other] < LEVEL[room] or other == room
        assert below, f"{room} (level {LEVEL[room]}) imports {name} (level {LEVEL[other]})"
        if room == "stages" and path.name != "__init__.py":
            assert other != "stages", f"{path.name} imports the stage {name}: they meet in tables"


def modules_in(room: str) -> dict[str, set[str]]:
    """Return the modules of a room by name, each with those of the same room that it imports."""
    files = {module_of(path): path for path in FILES if room_of(path) == room}
    return {
        name: {known for full in imports_of(path) if (known := nearest_module(full, files))}
        for name, path in files.items()
    }


def module_of(path: Path) -> str:
    """Return the full name of a file's module; a package has that of its folder."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def nearest_module(full: str, known: Collection[str]) -> str | None:
    """Return the known module that a full name is, or is a name of; None if there is none."""
    return next((name for name in (full, full.rpartition(".")[0]) if name in known), None)


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle, or none."""
    left = {name: set(imported) - {name} for name, imported in graph.items()}
    while free := {name for name, imported in left.items() if not imported & left.keys()}:
        for name in free:
            del left[name]
    if not left:
        return []
    way = [min(left)]
    while way.count(way[-1]) == 1:
        way.append(min(left[way[-1]] & left.keys()))
    return way[way.index(way[-1]) :]


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES}))
def test_no_circles_inside_a_room(room):
    """Modules of one room import each other one way only, also inside functions."""
    circle = circle_in(modules_in(room))
    assert not circle, " -> ".join(circle)


def test_a_circle_is_found():
    """The search names the modules of a circle, and none where there is none."""
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == ["b", "c", "b"]


def test_families_of_students_are_named_in_their_registry_alone():
    """Outside `models/students` no code asks for a family by its name."""
    names = {repr(name) for output in get_args(Output) for name in built_in(output)}
    for path in FILES:
        if path.is_relative_to(SOURCE / "models" / "students"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                used = {repr(n.value) for n in ast.walk(node) if isinstance(n, ast.Constant)}
                assert not used & names, f"{path.name}:{node.lineno} names a family of students"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_sizes_stay_small(path):
    """Files stay under 400 lines and function bodies under 40."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert body_lines(node) < MAX_BODY_LINES, f"{path.name}:{node.lineno} {node.name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_exceptions_to_lint_have_reasons(path):
    """Every noqa and type: ignore names its rule and says why."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type != tokenize.COMMENT:
            continue
        if re.search(r"#\s*noqa", token.string):
            assert re.search(r"noqa: [A-Z0-9, ]+ (--|#) \S+", token.string), token.string
        if "type: ignore" in token.string:
            assert re.search(r"type: ignore\[[\w-]+\]\s+# \S+", token.string), token.string


def test_no_file_in_the_source_is_empty_of_meaning():
    """Every module that holds code begins with a docstring."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not text.strip() or ast.get_docstring(ast.parse(text)), path


@pytest.mark.parametrize(
    "path", sorted((SOURCE / "stages").rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE))
)
def test_stages_touch_no_workspace(path):
    """A stage is a pure function: rows and files come in and go out by way of the engine."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names}
    assert not names & {"workspace", "Workspace"}


NAMED_ONCE = {*EVIDENCE_KINDS, *STATES}
"""Words that are spelled in data/states.py alone."""
OTHER_MEANINGS = {
    "media/opening.py",  # what becomes of warnings
    "media/pictures.py",  # the same
    "__init__.py",  # names of commands
    "cli/commands.py",  # the same
    "verbs/flicker.py",  # the title of a command
    "verbs/demo.py",  # settings as a user writes them
    "labels/merging.py",  # a policy of merging
    "labels/rounds.py",  # the same
    "models/students/folder.py",  # pydantic's word for unknown keys
    "models/students/torchvision/network.py",  # names of torchvision's loss terms
    "models/students/torch_onnx.py",  # a filter of warnings
    "training/fit.py",  # the same
    "views/plot_style.py",  # the same
}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_states_and_kinds_of_evidence_are_spelled_once(path):
    """Comparing with or storing a state or a kind goes by its name, so that none is mistyped."""
    name = str(path.relative_to(SOURCE))
    if name == "data/states.py" or name in OTHER_MEANINGS:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    renamed = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "renamed"
    ]
    skipped = {id(child) for node in renamed if node for child in ast.walk(node)}
    found = [
        (node.lineno, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in NAMED_ONCE and id(node) not in skipped
    ]
    assert not found, f"use the names of data/states.py: {found}"


IOU_ELSEWHERE = {
    "models/students/yolox/loss.py",  # on torch tensors
    "temporal/published.py",  # the published rule counts borders in
}


def test_only_data_defines_an_iou():
    """Intersection over union is computed in one place, so that all rooms mean the same."""
    for path in FILES:
        name = str(path.relative_to(SOURCE))
        defined = {
            node.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        if name != "data/boxes.py" and name not in IOU_ELSEWHERE:
            assert not {n for n in defined if re.fullmatch(r"_?(\w+_)?iou", n)}, name


def test_the_flow_stays_readable():
    """pipeline.py, which is read first, stays under 100 lines."""
    assert (SOURCE / "pipeline.py").read_text(encoding="utf-8").count("\n") < 100


ARRAYS = re.compile(r"\bNDArray|\b(Floats|Ints|Bools|Strings|Singles|Tensor)\b")
SHAPE = re.compile(r"``\([a-z0-9. ]+[,.)]")
WITHOUT_SHAPE = {"save_weights", "load_matching", "load_all", "is_quantised", "dequantised"}
"""Functions of state dicts, whose tensors have any shape."""


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_functions_of_arrays_state_shapes(path):
    """A public function that takes arrays states their shapes, such as ``(n, 4)``."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef) or node.name[0] == "_":
            continue
        given = [*node.args.args, *node.args.kwonlyargs]
        types = " ".join(ast.unparse(a.annotation) for a in given if a.annotation)
        if ARRAYS.search(types) and node.name not in WITHOUT_SHAPE:
            assert SHAPE.search(ast.get_docstring(node) or ""), f"{path.name}: {node.name}"


OTHER_LINES = {
    "formats/kinetics_csv.py",  # refuses names that any reader may break
    "formats/mined_txt.py",  # the same
    "sources/web/robots.py",  # a text of the web, for the standard library's reader
}


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if room_of(path) in {"formats", "sources", "workspace", "verbs"}],
    ids=lambda p: str(p.relative_to(SOURCE)),
)
def test_lines_of_files_end_with_a_line_feed(path):
    """`str.splitlines` ends lines at marks that stand inside JSON and cells, such as U+2028."""
    if str(path.relative_to(SOURCE)) not in OTHER_LINES:
        assert ".splitlines(" not in path.read_text(encoding="utf-8")


def functions_in_texts(source: str) -> list[str]:
    """Return the functions of a module that its f-strings print instead of what they return."""
    tree = ast.parse(source)
    known = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reelabel"):
            known |= {a.asname or a.name for a in node.names if (a.asname or a.name)[0].islower()}
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        inner = list(ast.walk(function))
        own = {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        own |= {n.arg for n in inner if isinstance(n, ast.arg)}
        printed = (n.value for n in inner if isinstance(n, ast.FormattedValue))
        names = {n.id for n in printed if isinstance(n, ast.Name)}
        found += sorted(names & known - own)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_message_prints_a_function(path):
    """A message holds what `shown` and its like return, and not the function."""
    assert not functions_in_texts(path.read_text(encoding="utf-8"))


def test_a_printed_function_is_found():
    """The search names it, and not a variable of the same name."""
    head = "from reelabel.errors import shown\n"
    assert functions_in_texts(head + "def f(): return f'got {shown}'") == ["shown"]
    assert functions_in_texts(head + "def f(shown): return f'{shown} {shown(1)}'") == []


def test_signed_figures_have_no_minus_zero():
    """A difference that rounds to zero is +0.000 wherever it is printed, on either side of zero."""
    signed = re.compile(r":\+[\d,]*\.\d")
    found = [p.name for p in FILES if signed.search(p.read_text(encoding="utf-8"))]
    assert not found, f"{found}: write :+z.3f"
    assert signed.search('f"{value:+.3f}"')
    assert f"{-0.0001:+z.3f}" == "+0.000"
