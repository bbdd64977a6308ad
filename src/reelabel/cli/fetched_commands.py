"""The commands about footage that was fetched: where it came from, and forgetting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from reelabel.cli.echo import echo
from reelabel.cli.output_file import OutputFile, echo_written, prints_files
from reelabel.cli.stage_commands import workspace_argument

if TYPE_CHECKING:
    from reelabel.verbs.forget import Forgetting


@click.command(short_help="List where fetched footage comes from, and its licence.")
@workspace_argument
@click.option("--out", type=OutputFile(".csv"), help="A .csv or .json file; - prints it.")
@prints_files
def origins(workspace: Path, out: Path | None) -> None:
    """List fetched footage: address, title, uploader, licence as stated, time, hash."""
    from reelabel.cli.fetched_printing import print_origins
    from reelabel.verbs.origins import origins as call

    print_origins(call(workspace, out=out))
    echo_written(out)


@click.command(short_help="Remove videos with all that was made of them, for good.")
@workspace_argument
@click.argument("videos", nargs=-1)
@click.option("--source", multiple=True, help="All videos of a manifest; repeatable.")
@click.option("--models", is_flag=True, help="Remove the rounds whose student was trained on it.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def forget(
    workspace: Path,
    videos: tuple[str, ...],
    source: tuple[str, ...],
    *,
    models: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove videos with all that was made of them, and never fetch or use them again.

    VIDEOS are names, paths, ids, addresses, or names of wants. Your own footage is not deleted.
    """
    from reelabel.cli.fetched_printing import print_forgetting
    from reelabel.verbs.forget import forget as call

    def agreed(plan: Forgetting) -> bool:
        print_forgetting(plan)
        return not dry_run and (yes or click.confirm("Forget this?"))

    done = call(workspace, videos, source=source, models=models, confirm=agreed)
    if done.removed is not None:
        echo(f"forgotten: {done.removed.sentence()}")
        echo(f"now:\n  reelabel run {workspace}")
    elif not dry_run:
        echo("nothing was changed")
