"""Class names of models that do not carry them, or carry them as text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from reelabel.errors import ModelError, os_reason
from reelabel.file_kinds import special_kind
from reelabel.models.spec import Request


def given_names(request: Request, given: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of an option: the names themselves, or a text file of them; maybe none.

    Raises:
        ModelError: if the file cannot be read.
    """
    if not isinstance(given, str):
        return tuple(given or ())
    return read_names(request.rooted(given))


def read_names(path: Path) -> tuple[str, ...]:
    """Return class names from a text file, one per line; empty lines at the end are ignored.

    Raises:
        ModelError: if it cannot be read.
    """
    if kind := special_kind(path):
        raise ModelError(f"{path}: expected a file of class names, but it is {kind}: name a file")
    try:
        return tuple(line.strip() for line in path.read_text("utf-8").rstrip().split("\n"))
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"class names cannot be read from {path}: {os_reason(exc)}") from exc


def literal_names(text: str) -> tuple[str, ...]:
    """Return the names that a text lists, as ``{0: 'ball', ...}``, a list or JSON; maybe none."""
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(names, dict):
        try:
            names = [names[key] for key in sorted(names)]
        except TypeError:
            return ()
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()
