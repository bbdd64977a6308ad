"""The command that fetches footage; its flags are the settings of a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reelabel.cli.stage_commands import work_flags, workspace_argument

if TYPE_CHECKING:
    from reelabel.verbs.fetch import FetchResult

ABOUT = "Choose footage from a manifest and fetch it."
_CLASS_WIDTH = 24
"""Columns of the terminal that names of classes have at least; longer ones fold."""


def fetch_command() -> click.Command:
    """Return the command, with a flag for each setting of a manifest."""
    from reelabel.cli.flags import settings_flags
    from reelabel.sources.manifests.settings import Manifest
    from reelabel.sources.web.settings import FetchSettings

    call = settings_flags(Manifest, without=("kind", "file"))(settings_flags(FetchSettings)(_call))
    for flag in (
        click.option("--dry-run", is_flag=True, help="Print the plan and its size; write nothing."),
        click.option("--name", default="", help="Short name of the manifest; default: its kind."),
        click.option(
            "--from",
            "manifest",
            type=(str, str),
            help="KIND FILE: sports1m, kinetics, youtube8m or urls, and the list; default: all "
            "manifests of reelabel.yaml.",
        ),
    ):
        call = flag(call)
    example = "reelabel fetch W --from kinetics val.csv --label '*dancing*' --per-class 50"
    words = f"{ABOUT}\n\n\b\n{example}"
    return click.command("fetch", help=words)(workspace_argument(work_flags("Files")(call)))


def _call(workspace: Path, *, manifest: tuple[str, str] | None, **given: Any) -> int:
    from reelabel.cli.flags import given_settings
    from reelabel.sources.manifests.settings import Manifest
    from reelabel.sources.web.settings import FetchSettings
    from reelabel.verbs.fetch import fetch

    settings = given_settings(Manifest, given) | given_settings(FetchSettings, given)
    own = {key: given[key] for key in ("name", "dry_run", "workers", "force", "quiet")}
    own["quiet"] = own["quiet"] or None
    done = fetch(workspace, manifest, **own, **settings)
    print_fetch(done)
    return done.exit_code


def print_fetch(done: FetchResult) -> None:
    """Print the plan or what came, by class, and what comes next."""
    from rich.markup import escape

    from reelabel.cli.console import OUT

    root = escape(str(done.workspace))
    for name, plan in done.plans.items():
        _print_plan(name, plan)
    if done.run is None:
        OUT.print(f"Nothing was written. Without --dry-run:  reelabel fetch {root} ...")
        return
    for result in done.run.results:
        for source, failure in result.failed.items():
            OUT.print(f"[red]{result.stage}[/] {escape(f'{source}: {failure}')}")
        for notes in result.notes.values():
            for sentence in notes.get("left_out", ()):
                OUT.print(f"[dim]{result.stage} {escape(sentence)}[/]")
    _print_classes(done)
    OUT.print(f"Next:  reelabel run {root}")


def _print_plan(name: str, plan: Any) -> None:
    from rich.markup import escape

    from reelabel.cli.console import OUT
    from reelabel.sources.manifests.choosing import GB

    total = plan.total()
    rows = {**plan.by_class(), "in all": total} if len(plan.by_class()) > 1 else plan.by_class()
    cells = {
        label or "(no class)": [
            str(one.chosen),
            str(one.spare),
            f"{one.hours:.1f}",
            f"{one.size_bytes / GB:.2f}",
        ]
        for label, one in rows.items()
    }
    OUT.print(f"[bold]{escape(name)}[/]: {plan.tally.rows} rows; hours and GB are estimates")
    _print_table(["videos", "spare", "hours", "GB"], cells)
    for sentence in plan.sentences():
        OUT.print(f"[dim]{escape(sentence)}[/]")


def _print_classes(done: FetchResult) -> None:
    """Print how many wants of each class ended how; the outcomes share a column that folds."""
    cells = {
        label or "(no class)": [
            str(one.chosen),
            str(one.spare),
            ", ".join(f"{kind} {count}" for kind, count in sorted(one.outcomes.items())),
        ]
        for label, one in done.classes.items()
    }
    _print_table(["wanted", "spare", "outcomes"], cells)


def _print_table(columns: list[str], rows: Mapping[str, list[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from reelabel.cli.console import OUT

    table = Table(box=None, pad_edge=False)
    longest = max(map(len, rows), default=0)
    table.add_column("class", overflow="fold", min_width=min(longest, _CLASS_WIDTH))
    for column in columns:
        if column == "outcomes":
            table.add_column(column, overflow="fold")
        else:
            table.add_column(column, justify="right", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(escape(name), *cells)
    OUT.print(table)
