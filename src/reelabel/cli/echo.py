"""Prints plain lines and JSON, without rich, which ``--help`` does not need."""

from __future__ import annotations

import json
from typing import Any

import click

from reelabel.terminal.text import plain


def echo(text: object, *, err: bool = False) -> None:
    """Print a line as it is, but for control characters: names of files may hold some."""
    click.echo(plain(str(text)), err=err)


def print_json(value: Any) -> None:
    """Print a value for programs; characters other than ASCII are escaped."""
    click.echo(json.dumps(value, indent=2))
