"""fetch  wants -> downloads  1:N  the files of wanted videos, each with its outcome.

Politeness is about hosts, so all sources are fetched together. What may still succeed is tried
again by a later run, not before its time; what has ended is left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from reelabel.engine.inputs import notes_of
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.sources.extra import needs_fetch
from reelabel.sources.fetching.fetch_tools import Tools, tools_for
from reelabel.sources.fetching.fetched import forgotten_rows
from reelabel.sources.fetching.queue import Want
from reelabel.sources.manifests.lookups import FOLDER
from reelabel.sources.web.headers import seconds_of
from reelabel.sources.web.settings import FetchSettings
from reelabel.tables import DOWNLOADS, WANTS, Row
from reelabel.workspace import fingerprint
from reelabel.workspace.forgotten import Forgotten


@dataclass(frozen=True)
class Ready:
    """What a run fetches with.

    Attributes:
        tools: what fetching uses.
        run: number of the run; another one once something may be tried again.
        forgotten: what must not be fetched again.
    """

    tools: Tools
    run: int
    forgotten: Forgotten


def ready(context: Context[FetchSettings], tools: Tools | None = None) -> Resource[Ready]:
    """Return what fetches; its fingerprint changes when something may be tried again."""
    tools = tools or tools_for(context.settings, context.root)
    notes = notes_of(context.inputs.receipt("fetch"))
    due = notes.get("next_try_at") and seconds_of(notes["next_try_at"]) <= tools.clock.now()
    run = int(notes.get("run", 0)) + bool(due)
    forgotten = context.inputs.forgotten()
    told = [sorted(forgotten.sources), {n: sorted(w) for n, w in forgotten.wants.items()}]
    parts = told if any(told) else []
    return Resource(Ready(tools, run, forgotten), fingerprint(run, *parts))


def fetch(unit: Unit[FetchSettings, Ready]) -> Output:
    """Return a row for every wanted video, after fetching what is due."""
    wants: list[Want] = []
    left_out: dict[str, set[str]] = defaultdict(set)
    for source, rows in unit.shards(WANTS):
        for row in rows.select(list(Want.__slots__)).to_pylist():
            if not unit.resource.forgotten.has_want(source, row["want_id"]):
                wants.append(Want.of(row))
            elif row["chosen"]:
                left_out[source].add(row["want_id"])
    done = _fetch_all()(
        wants,
        unit.settings,
        unit.files.path,
        tools=unit.resource.tools,
        tick=unit.tick,
        afresh=unit.afresh,
    )
    shards = {
        source: _shard(source, done.rows.get(source, {}), left_out[source])
        for source in sorted({*done.rows, *left_out})
    }
    return Output({DOWNLOADS.name: shards}, done.notes | {"run": unit.resource.run})


def _shard(source: str, rows: Mapping[str, Row], forgotten: Collection[str]) -> pa.Table:
    """Return the rows of a source; those of forgotten wants state only that."""
    known = {**rows, **dict.fromkeys(forgotten, Row())}
    named = [row | {"source": source, "want_id": name} for name, row in sorted(known.items())]
    return forgotten_rows(DOWNLOADS.from_rows(named), forgotten)


def _fetch_all() -> Callable[..., Any]:
    """Return what fetches.

    Raises:
        MissingExtra: if urllib3 is not installed.
    """
    with needs_fetch("fetching footage"):
        from reelabel.sources.fetching.fetch_all import fetch_all  # noqa: PLC0415 -- needs an extra
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
    aside=(FOLDER,),
    resource=ready,
)
