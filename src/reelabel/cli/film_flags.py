"""The flags of `show` for how evidence is shown."""

from __future__ import annotations

import click

from reelabel.cli.completion import completes, evidence
from reelabel.cli.stage_commands import Function, number_flag
from reelabel.views.film_settings import Film


def film_flags(command: Function) -> Function:
    """Add the flags, with the defaults of `Film`."""
    kinds = "flicker, unsupported, gap, static or smooth; all is all but smooth."
    flags = (
        click.option(
            "--evidence", is_flag=True, help="Show temporal evidence, around each finding."
        ),
        click.option(
            "--kind",
            default=Film.kind,
            show_default=True,
            help=kinds,
            shell_complete=completes(evidence),
        ),
        number_flag(
            "--before-s", "--before", default=Film.before_s, about="Seconds before a finding."
        ),
        number_flag("--after-s", "--after", default=Film.after_s, about="Seconds after it."),
        number_flag("--slow", default=Film.slow, about="Times slower near it."),
        number_flag("--pause-s", "--pause", default=Film.pause_s, about="Seconds on its frame."),
        number_flag("--hits", default=Film.hits, about="Findings per kind and video, at most."),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command
