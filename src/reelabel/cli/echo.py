"""Prints plain lines and JSON, without rich, which ``--help`` does not need."""

from __future__ import annotations

import json
from typing import Any

import click

from reelabel.terminal.text import plain

ASIDE = "messages go to the standard error"
"""Key of the click context that holds so, as where the standard output is a file to write."""


def echo(text: object, *, err: bool = False) -> None:
    """Print a line as it is, but for control characters: names of files may hold some."""
    context = click.get_current_context(silent=True)
    click.echo(plain(str(text)), err=err or (context is not None and ASIDE in context.meta))


def print_json(value: Any) -> None:
    """Print a value for programs; characters other than ASCII are escaped."""
    click.echo(json.dumps(value, indent=2))
