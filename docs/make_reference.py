"""Writes the reference pages from the code, so that they cannot differ from it.

python docs/make_reference.py           write the pages
python docs/make_reference.py --check   write nothing; fail if a page is not up to date
"""  # noqa: INP001 -- a script beside the pages that it writes

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import reelabel
from reelabel import errors, tables
from reelabel.cli.commands import cli
from reelabel.config import Engine, Project
from reelabel.models.detectors.fake import FakeOptions
from reelabel.models.detectors.fused import FusedOptions
from reelabel.models.detectors.motion import MotionOptions
from reelabel.models.detectors.onnx import OnnxOptions
from reelabel.models.detectors.torchvision import TorchvisionOptions
from reelabel.models.detectors.transformers import TransformersOptions
from reelabel.models.detectors.zero_shot import ZeroShotOptions
from reelabel.pipeline import DETECT
from reelabel.verbs.stages import StageFunction

HOME = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/make_reference.py: change the code, then run `make docs`. -->\n\n"
WIDTH = 96

DETECTORS: dict[str, type[BaseModel]] = {
    "onnx": OnnxOptions,
    "torchvision": TorchvisionOptions,
    "hf": TransformersOptions,
    "hf-zero-shot": ZeroShotOptions,
    "motion": MotionOptions,
    "fused": FusedOptions,
    "fake": FakeOptions,
}
"""The options of each kind of detector."""


def pages() -> dict[str, str]:
    """Return every generated page: file name -> text."""
    made = {
        "tables.md": tables_page(),
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "api.md": api_page(),
    }
    return {name: MADE + text.rstrip() + "\n" for name, text in made.items()}


def stale(home: Path) -> list[str]:
    """Return the names of the pages in a folder that are missing or not up to date."""
    return [
        name
        for name, text in pages().items()
        if not (home / name).is_file() or (home / name).read_text(encoding="utf-8") != text
    ]


# -- tables ---------------------------------------------------------------------------------------


def tables_page() -> str:
    """Return the page of all tables."""
    head = """# Tables

Every table is a folder of Parquet files, one per video: `tables/<name>/<video_id>.parquet` for what
holds for all rounds, `rounds/<number>/<name>/<video_id>.parquet` for what each round makes. A table
is written by one stage and not changed afterwards. [Query tables](../how-to/query-tables.md) shows
how to read them.

Boxes are `x1 y1 x2 y2` in pixels of the upright video picture with square pixels; right and bottom
are exclusive, so that the width is `x2 - x1`.

"""
    return head + "\n".join(_table(table) for table in tables.ALL)


def _table(table: tables.Table) -> str:
    writer = [s.name for s in DETECT.flow.values() if table.name in {t.name for t in s.writes}]
    where = "tables" if table.where == "tables" else "rounds/&lt;n&gt;"
    by = f"Written by `{writer[0]}`." if writer else "Written by no stage of the flow."
    rows = [(f"`{c.name}`", f"`{c.type}`", c.unit, c.meaning) for c in table.columns]
    return (
        f"## {table.name}\n\n{_sentence(table.meaning)} {by} Lies in `{where}/{table.name}/`.\n\n"
        f"{_grid(('column', 'type', 'unit', 'meaning'), rows)}\n"
    ).replace("`rounds/&lt;n&gt;", "`rounds/<n>")


# -- settings -------------------------------------------------------------------------------------


def settings_page() -> str:
    """Return the page of everything that can be set."""
    head = """# Settings

All of these stand in `reelabel.yaml`. Every one has a default, except `classes`. An unknown key
is an error that names the nearest known one. A stage's settings are also flags of its command
(`reelabel sample balls --every 5`) and can be given to `init` (`--set sample.every=5`); `--set` of
`run`, `ablate` and the stages' commands holds for that call alone. Changing one makes stale what
depends on it, and nothing else.

"""
    project = _settings("The project", "Keys at the top of the file.", Project, above="")
    engine = _settings("engine", _doc(Engine), Engine, above="engine.")
    stages = [
        _settings(n, _arrow(n, kind), kind, above=f"{n}.") for n, kind in DETECT.sections.items()
    ]
    return head + "\n".join([project, engine, *stages, *_detector_options()])


def _detector_options() -> Iterator[str]:
    """Yield the options of the detectors."""
    yield "## Options of detectors\n\nThey stand under `detector_options`.\n"
    for kind, options in DETECTORS.items():
        yield _settings(kind, "", options, above="", level=3)


def _arrow(name: str, kind: type[BaseModel]) -> str:
    return f"`{DETECT.flow[name].arrow}`\n\n{_doc(kind)}"


def _doc(kind: type[BaseModel]) -> str:
    return inspect.getdoc(kind) or ""


def _settings(title: str, about: str, kind: type[BaseModel], *, above: str, level: int = 2) -> str:
    rows = list(_leaves(kind, above))
    heads = ("setting", "type", "default", "range", "meaning")
    words = f"{about}\n\n" if about else ""
    return f"{'#' * level} {title}\n\n{words}{_grid(heads, rows)}\n"


def _leaves(kind: type[BaseModel], above: str) -> Iterator[tuple[str, ...]]:
    """Yield one row for every field that holds a value, also of settings inside settings."""
    told = _told(kind)
    for name, info in kind.model_fields.items():
        inner = info.annotation
        if _is_settings(inner):
            yield from _leaves(inner, f"{above}{name}.")
            continue
        if get_origin(inner) is dict and _is_settings(get_args(inner)[1]):
            yield from _leaves(get_args(inner)[1], f"{above}{name}.NAME.")
            continue
        about = " ".join((info.description or told.get(name, "")).split())
        default = "required" if info.is_required() else f"`{_default(info)}`"
        kind_of = f"`{_type(info.annotation)}`"
        yield f"`{above}{name}`", kind_of, default, _range(info), _sentence(about)


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _told(kind: type[BaseModel]) -> dict[str, str]:
    """Return what stands under each field of a class and of those it rests on."""
    told: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if not issubclass(one, BaseModel) or one is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        told |= dict(_told_in(body)) if isinstance(body, ast.ClassDef) else {}
    return told


def _told_in(body: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            yield field.target.id, str(after.value.value)


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value) if value != "" else "''"


def _type(annotation: Any) -> str:
    """Return a type as users write values of it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None:
        names = {"str": "text", "bool": "true or false", "int": "whole number", "float": "number"}
        plain = "null" if annotation is type(None) else getattr(annotation, "__name__", "")
        return names.get(plain, plain.lower() or str(annotation))
    if origin in (tuple, list):
        return f"list of {_type(args[0])}"
    if origin is dict:
        return f"{_type(args[0])}: {_type(args[1])}"
    if origin is Annotated:
        return _type(args[0])
    kinds = [_type(a) if isinstance(a, type) or get_origin(a) else str(a) for a in args]
    return " or ".join(dict.fromkeys(kinds))


def _range(info: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<", "min_length": "length ≥"}
    found = [
        f"{sign} {getattr(rule, name)}"
        for rule in info.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(found)


# -- commands and errors --------------------------------------------------------------------------


def cli_page() -> str:
    """Return the page of all commands, as their own help tells it."""
    head = """# Commands

What `reelabel --help` and `reelabel COMMAND --help` print. Every command that is no stage is also a
function of the package with the same name, such as `reelabel.init`.

"""
    whole = _context(cli, None, "reelabel")
    parts = [f"## reelabel\n\n```text\n{_help(cli, whole)}\n```\n"]
    for name in cli.list_commands(whole):
        command = cli.get_command(whole, name)
        if command is not None:
            inside = _context(command, whole, name)
            parts.append(f"## {name}\n\n```text\n{_help(command, inside)}\n```\n")
    return head + "\n".join(parts)


def _context(command: click.Command, above: click.Context | None, name: str) -> click.Context:
    # As the command itself would make it; the width must not depend on the terminal.
    return click.Context(
        command, above, info_name=name, terminal_width=WIDTH, **command.context_settings
    )


def _help(command: click.Command, context: click.Context) -> str:
    """Return a command's help without spaces at the ends of lines."""
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def api_page() -> str:
    """Return the page of the Python package: every public name with its signature and meaning."""
    head = """# Python

Every command and every stage is a function of the package with the command's name; `import` is a
word of Python, so its function is `import_labels`. A workspace may be given as its folder
everywhere. A stage takes its settings as keywords: `reelabel.clean("balls", score=0.4)`; nested
settings are mappings.

"""
    verbs = [name for name in reelabel.__all__ if name not in DETECT.flow and name[0] != "_"]
    parts = [_public(name) for name in verbs]
    parts.append("## Stages\n\nIn the order of the flow.\n")
    parts += [_public(name, level=3) for name in DETECT.flow]
    return head + "\n".join(parts)


def _public(name: str, *, level: int = 2) -> str:
    """Return the section of one public name."""
    value = getattr(reelabel, name)
    about = inspect.getdoc(value) or ""
    if isinstance(value, StageFunction):
        about = value.arrow
    elif inspect.isclass(value):
        about = f"{about}\n\n{_methods(value)}".strip()
    code = f"{name}{_parameters(value)}"
    return f"{'#' * level} {name}\n\n```text\n{code}\n\n{about}\n```\n"


def _methods(kind: type) -> str:
    """Return one line for each public method of a class."""
    rows = [
        f"{name}: {(inspect.getdoc(value) or '').splitlines()[0]}"
        for name, value in vars(kind).items()
        if name[0] != "_" and inspect.getdoc(value) and (callable(value) or _is_property(value))
    ]
    return "Methods and properties:\n" + "\n".join(f"    {row}" for row in rows) if rows else ""


def _is_property(value: object) -> bool:
    return isinstance(value, property | classmethod | staticmethod)


def _parameters(value: Any) -> str:
    """Return a signature with its defaults and without its types, wrapped to the page."""
    if inspect.isclass(value) and issubclass(value, Exception):
        return ""
    parts: list[str] = []
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        has_default = parameter.default is not parameter.empty
        default = getattr(parameter.default, "__name__", None) or repr(parameter.default)
        parts.append(f"{parameter.name}={default}" if has_default else parameter.name)
    text = f"({', '.join(parts)})"
    return text if len(text) < WIDTH - 12 else "(\n    " + ",\n    ".join(parts) + ",\n)"


def errors_page() -> str:
    """Return the page of errors and exit codes."""
    head = """# Errors and exit codes

Everything that reelabel raises on purpose is a `ReelabelError`; catch that to catch all. The
command line prints the message and ends with the exit code. An error in one video does not end a
run: it is written down under `failures/` and shown by `reelabel status`.

"""
    codes = [
        ("0", "all went well"),
        (str(errors.SOME_VIDEOS_FAILED), "finished, but some videos failed"),
        ("130", "stopped by Ctrl-C; what was done is kept"),
    ]
    rows = [(f"`{_path(e)}`", str(e.exit_code), inspect.getdoc(e) or "") for e in _tree()]
    drawn = textwrap.dedent((errors.__doc__ or "").split("\n", 2)[2])
    return (
        f"{head}```text\n{_drawing(drawn)}\n```\n\n"
        f"## Exit codes without an error\n\n{_grid(('code', 'meaning'), codes)}\n"
        f"## The errors\n\n{_grid(('error', 'exit code', 'meaning'), rows)}"
    )


def _drawing(text: str) -> str:
    """Return the tree that stands, indented, in the docstring of the errors."""
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    return textwrap.dedent("\n".join(lines))


def _tree(root: type[errors.ReelabelError] = errors.ReelabelError) -> Iterator[Any]:
    """Yield the errors, each before those that are kinds of it."""
    yield root
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield from _tree(kind)


def _path(error: type[errors.ReelabelError]) -> str:
    return f"reelabel.errors.{error.__name__}"


# -- Markdown -------------------------------------------------------------------------------------


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(c.replace('|', '&#124;') for c in row)} |\n" for row in lines)


def _sentence(text: str) -> str:
    """Return a text that begins with a capital and ends with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".") if text else ""


def main(arguments: list[str]) -> int:
    """Write the pages, or only check them; return the exit code."""
    if arguments not in ([], ["--check"]):
        click.echo(__doc__, err=True)
        return 2
    if arguments:
        old = stale(HOME)
        for name in old:
            click.echo(f"docs/reference/{name} is not up to date: run  make docs", err=True)
        return 1 if old else 0
    HOME.mkdir(exist_ok=True)
    for name, text in pages().items():
        (HOME / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
