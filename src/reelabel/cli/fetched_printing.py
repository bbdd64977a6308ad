"""What the commands about fetched footage print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from reelabel.cli.console import OUT
from reelabel.errors import counted, few
from reelabel.formats.attribution import Origin
from reelabel.verbs.forget import Forgetting


def print_origins(found: Sequence[Origin]) -> None:
    """Print where fetched files came from, a line for each."""
    if not found:
        OUT.print("nothing was fetched: all footage is your own")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("source", "want", "licence", "uploader", "title", "address", "fetched"):
        table.add_column(column, overflow="fold")
    for one in found:
        stated = (one.licence or "not stated", one.uploader, one.title)
        cells = (one.source, one.want_id, *stated, one.address, one.fetched_at[:10])
        table.add_row(*map(escape, cells))
    OUT.print(table)


def print_forgetting(plan: Forgetting) -> None:
    """Print what would be removed, what stays, and what cannot be taken back."""
    for sentence in sentences_of(plan):
        OUT.print(escape(sentence))


def sentences_of(plan: Forgetting) -> Iterator[str]:
    """Yield what a user should know before videos are forgotten."""
    if plan.videos:
        names = few(plan.videos.values(), most=20)
        yield f"{counted(len(plan.videos), 'video')} with all frames, labels and pictures: {names}"
    if plan.files:
        yield f"fetched files that are deleted ({len(plan.files)}): {few(plan.files)}"
    if plan.own:
        yield (
            f"your own footage, which is left out from now on, but not deleted ({len(plan.own)}): "
            f"{few(plan.own)}"
        )
    if plan.wants or plan.sources:
        whole = f", and all of {', '.join(plan.sources)}" if plan.sources else ""
        yield f"never fetched again: {counted(len(plan.wants), 'want')}{whole}"
    yield from _models(plan)
    if plan.exports:
        yield f"exports elsewhere that hold it, which you have to delete: {few(plan.exports, 20)}"
    if plan.label_files:
        yield f"your own files that name it, which are not changed: {few(plan.label_files)}"
    for name in plan.already:
        yield f"{name} is forgotten already"


def _models(plan: Forgetting) -> Iterator[str]:
    """Yield which models were trained on the videos, and what becomes of them."""
    if not plan.trained:
        return
    trained = ", ".join(f"round {n}" for n in plan.trained)
    later = ", ".join(f"round {n}" for n in plan.rest_on)
    rest = f"; later labels rest on them: {later}" if later else ""
    yield f"models that were trained on it: those of {trained}{rest}"
    if plan.removes_rounds:
        yield "these rounds are removed with their models"
    else:
        yield (
            "these models are not changed: --models removes these rounds, and the next run trains "
            "them again without it"
        )
