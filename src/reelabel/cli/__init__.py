"""The command line: parses, calls, prints. Every command is a function of the Python API."""

from __future__ import annotations

import sys

import click

from reelabel.errors import ReelabelError


def main() -> None:
    """Run the command line and end with a documented exit code."""
    from reelabel.cli.commands import cli

    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except click.Abort:
        click.echo("stopped; what was done so far is kept", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        click.echo("stopped; what was done so far is kept", err=True)
        sys.exit(130)
    except ReelabelError as exc:
        click.echo(f"reelabel: {exc}", err=True)
        sys.exit(exc.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
