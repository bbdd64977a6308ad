"""Where commands print to."""

from __future__ import annotations

import sys

import click

from reelabel.terminal import PlainConsole, plain

OUT = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else 120)


def echo(text: object, *, err: bool = False) -> None:
    """Print a line as it is, but for control characters: names of files may hold some."""
    click.echo(plain(str(text)), err=err)
