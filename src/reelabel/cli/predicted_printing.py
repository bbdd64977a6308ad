"""Prints what predict has found, and the files that it could not use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reelabel.cli.echo import echo, print_json
from reelabel.cli.output_file import echo_written
from reelabel.errors import SOME_VIDEOS_FAILED


def print_predicted(found: Any, written: Iterable[Path | None], *, as_json: bool) -> int:
    """Print what was found and where it was written; failures go to the standard error.

    Args:
        found: what `reelabel.predict` returned, at its end if it is a stream.
        written: files and folders; None for those that were not asked for.
        as_json: print all of it, for programs.

    Returns:
        The exit code.
    """
    if as_json:
        print_json(found.to_json())
    else:
        echo(str(found))
        for path in written:
            echo_written(path)
    failures = getattr(found, "failures", {})  # other tasks return what they like
    for name, message in failures.items():
        echo(f"{name}: {message}", err=True)
    return SOME_VIDEOS_FAILED if failures else 0
