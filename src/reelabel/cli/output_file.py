"""Files that commands write; ``-`` is the standard output, and messages then go elsewhere."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reelabel.cli.echo import ASIDE, echo

_FILE = "file for the standard output"
"""Key of the click context under which that file stands."""


@dataclass(frozen=True)
class _StandardOutput:
    """Stands for ``-``; the suffix decides the format."""

    suffix: str


class OutputFile(click.Path):
    """The name of a file to write, for a command that `prints_files` decorates.

    Args:
        suffix: of what ``-`` prints; it decides the format.
    """

    def __init__(self, suffix: str) -> None:
        super().__init__(path_type=Path)
        self._suffix = suffix

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path, or what stands for the standard output."""
        if isinstance(value, _StandardOutput) or str(value) == "-":
            return _StandardOutput(self._suffix)
        return super().convert(value, param, ctx)


def prints_files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command a temporary file in place of ``-``, and print what it holds at the end.

    Commands write whole files or none: where one fails, nothing is printed. ``--json`` prints too.
    """

    @wraps(command)
    def call(**given: Any) -> Any:
        asked = [name for name, value in given.items() if isinstance(value, _StandardOutput)]
        if not asked:
            return command(**given)
        if len(asked) > 1 or given.get("as_json"):
            raise click.UsageError(
                "only one file can be the standard output, and --json prints one: name the others"
            )
        with _printed(given[asked[0]].suffix) as path:
            return command(**given | {asked[0]: path})

    return call


@contextmanager
def _printed(suffix: str) -> Iterator[Path]:
    """Yield a file whose content is printed at the end; messages go to the standard error."""
    from reelabel.cli.console import OUT

    meta = click.get_current_context().meta
    with tempfile.TemporaryDirectory(prefix="reelabel-") as folder:
        path = Path(folder) / f"output{suffix}"
        meta[ASIDE], meta[_FILE] = True, path
        before, OUT.stderr = OUT.stderr, True
        try:
            yield path
        finally:
            OUT.stderr = before
        if path.is_file():
            with path.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.flush()


def echo_written(path: Path | None) -> None:
    """Print where something was written, unless nothing was, or to the standard output."""
    if path is not None and path != click.get_current_context().meta.get(_FILE):
        echo(f"written to {path}")
