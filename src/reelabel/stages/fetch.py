"""fetch  wants -> downloads  1:N  the files of wanted videos, each with its outcome.

Politeness is about hosts, so all sources are fetched together. What may still succeed is tried
again by a later run, not before its time; what has ended is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reelabel.engine.inputs import notes_of
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MissingExtra
from reelabel.sources.fetch_tools import Tools, tools_for
from reelabel.sources.queue import Want
from reelabel.sources.web.headers import seconds_of
from reelabel.sources.web.settings import FetchSettings
from reelabel.tables import DOWNLOADS, WANTS


@dataclass(frozen=True)
class Ready:
    """What a run fetches with.

    Attributes:
        tools: what fetching uses.
        run: number of the run; another one once something may be tried again.
    """

    tools: Tools
    run: int


def ready(context: Context[FetchSettings], tools: Tools | None = None) -> Resource[Ready]:
    """Return what fetches; its fingerprint changes when something may be tried again."""
    tools = tools or tools_for(context.settings, context.root)
    notes = notes_of(context.inputs.receipt("fetch"))
    due = notes.get("next_try_at") and seconds_of(notes["next_try_at"]) <= tools.clock.now()
    run = int(notes.get("run", 0)) + bool(due)
    return Resource(Ready(tools, run), str(run))


def fetch(unit: Unit[FetchSettings, Ready]) -> Output:
    """Return a row for every wanted video, after fetching what is due."""
    wants = [
        Want.of(row)
        for _, rows in unit.shards(WANTS)
        for row in rows.select(list(Want.__slots__)).to_pylist()
    ]
    if not wants:
        return Output({DOWNLOADS.name: {}})
    done = _fetch_all()(
        wants,
        unit.settings,
        unit.files.path,
        tools=unit.resource.tools,
        tick=unit.tick,
        afresh=unit.afresh,
    )
    shards = {
        source: DOWNLOADS.from_rows([
            row | {"source": source, "want_id": want_id} for want_id, row in rows.items()
        ])
        for source, rows in done.rows.items()
    }
    return Output({DOWNLOADS.name: shards}, done.notes | {"run": unit.resource.run})


def _fetch_all() -> Callable[..., Any]:
    """Return what fetches.

    Raises:
        MissingExtra: if urllib3 is not installed.
    """
    try:
        from reelabel.sources.fetch_all import fetch_all  # noqa: PLC0415 -- needs an extra
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] != "urllib3":
            raise
        raise MissingExtra("fetching footage", "fetch") from exc
    return fetch_all


STAGE = Stage(
    name="fetch",
    arrow=(__doc__ or "").splitlines()[0],
    settings=FetchSettings,
    run=fetch,
    scope="all",
    reads=(WANTS,),
    writes=(DOWNLOADS,),
    only_with=(WANTS,),
    folder="downloads",
    resource=ready,
)
