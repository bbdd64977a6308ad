"""The flags of `show` for how evidence is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from reelabel.cli.completion import completes, evidence

if TYPE_CHECKING:
    from reelabel.views.film import Film

Function = Callable[..., Any]
_OF_FILMS = ("kind", "before_s", "after_s", "slow", "pause_s", "hits")


def film_flags(command: Function) -> Function:
    """Add the flags, for `asked_film` to read."""
    kinds = "flicker, unsupported, gap, static or smooth; all is all but smooth."
    flags = (
        click.option(
            "--evidence", is_flag=True, help="Show temporal evidence, around each finding."
        ),
        click.option(
            "--kind",
            default="all",
            show_default=True,
            help=kinds,
            shell_complete=completes(evidence),
        ),
        click.option(
            "--before", "before_s", default=1.0, show_default=True, help="Seconds before a finding."
        ),
        click.option(
            "--after", "after_s", default=1.0, show_default=True, help="Seconds after it."
        ),
        click.option("--slow", default=4.0, show_default=True, help="Times slower near it."),
        click.option(
            "--pause", "pause_s", default=2.0, show_default=True, help="Seconds on its frame."
        ),
        click.option(
            "--hits", default=24, show_default=True, help="Findings per kind and video, at most."
        ),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


def asked_film(given: dict[str, Any]) -> Film | None:
    """Take these flags out of those given; return how evidence is shown, None for labels.

    Raises:
        click.UsageError: if one is given without ``--evidence``.
        UsageError: for an unknown kind or a number out of range.
    """
    from reelabel.views.film import Film

    evidence, how = given.pop("evidence"), {name: given.pop(name) for name in _OF_FILMS}
    context = click.get_current_context()
    alone = [k for k in how if context.get_parameter_source(k) is not ParameterSource.DEFAULT]
    if alone and not evidence:
        raise click.UsageError(f"--{alone[0].removesuffix('_s')} is for --evidence: add that")
    return Film(**how) if evidence else None
