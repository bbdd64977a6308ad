"""From wants to downloads: reads what is known, fetches what is due, makes rows of all of it."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.files import remove_leftovers
from reelabel.sources.fetching.attempts import Attempts, name_files, remove_spans
from reelabel.sources.fetching.fetch_tools import Tools
from reelabel.sources.fetching.journal import Journal
from reelabel.sources.fetching.mirror_clips import MirrorClips, mixed_versions
from reelabel.sources.fetching.queue import FETCHED, Key, Want, WantQueue
from reelabel.sources.fetching.scheduler import BLANK, Fetching, Shop, Tick, blank_row, is_final
from reelabel.sources.web.client import Client
from reelabel.sources.web.headers import iso_time
from reelabel.sources.web.limits import Limits, day_of
from reelabel.sources.web.settings import FetchSettings
from reelabel.tables import Row

_FAILED = frozenset({"gone", "refused", "failed"})


@dataclass(frozen=True)
class Downloads:
    """What became of all wants.

    Attributes:
        rows: of the table `downloads` by source, without the columns that name the want.
        notes: counts of outcomes, videos that failed, hosts that were stopped, the earliest
            time (ISO 8601, UTC) at which a later run may try something again, and sentences on
            what a mirror did not bring.
    """

    rows: dict[str, dict[str, Row]]
    notes: dict[str, Any] = field(default_factory=dict)


def fetch_all(
    wants: Sequence[Want],
    settings: FetchSettings,
    home: Path,
    *,
    tools: Tools,
    tick: Tick,
    afresh: bool = False,
) -> Downloads:
    """Fetch what is due of all wants.

    Args:
        wants: chosen ones and those that may replace them.
        settings: of fetching.
        home: the folder of all downloads; nothing outside of it is touched.
        tools: what fetching uses.
        tick: called with the share that is done and a few words; what it raises stops the run.
        afresh: try also what an earlier run has given up; what was fetched stays.

    Raises:
        WorkspaceError: if a journal cannot be read or written.
        FormatError: if the settings name a mirror that is none.
    """
    with contextlib.ExitStack() as opened:
        journals = {
            source: opened.enter_context(Journal(home / source))
            for source in sorted({want.source for want in wants})
        }
        known = _known(journals, home, settings, afresh=afresh)
        limits = Limits(settings.politeness, tools.clock, _used_today(journals, tools))
        client = Client(settings, tools.clock, limits)
        opened.callback(client.close)
        attempts = Attempts(client, tools, home, journals)
        shop = Shop(settings, tools, limits, attempts, journals, home)
        mirror = MirrorClips(shop, client, known, tick)
        mirror.take(wants, afresh=afresh)
        queue = WantQueue(wants, known, connections=settings.politeness.host_connections)
        if not afresh:
            _pause_hosts(queue, journals)
        fetching = Fetching(shop, queue, known, tick)
        fetching.run()
    done = _downloads(queue, fetching, tools.clock.now())
    mixed = mixed_versions(queue.played.values(), fetching.rows)
    if sentences := [*mirror.problems, *filter(None, [mixed])]:
        done.notes["left_out"] = sentences
    return done


def _known(
    journals: Mapping[str, Journal], home: Path, settings: FetchSettings, *, afresh: bool
) -> dict[Key, Row]:
    """Return what earlier runs left, as it counts under the settings of today."""
    known: dict[Key, Row] = {}
    for source, journal in journals.items():
        remove_leftovers(home / source)
        remove_spans(home / source)
        rows = journal.history.rows
        lost = name_files(home / source, rows)
        for want_id, row in rows.items():
            if want_id not in lost and (row.get("state") == FETCHED or not afresh):
                known[source, want_id] = {**BLANK, **row, "final": is_final(row, settings)}
    return known


def _used_today(journals: Mapping[str, Journal], tools: Tools) -> int:
    """Return the bytes that were fetched today already."""
    today = day_of(tools.clock.now())
    return sum(journal.history.day_bytes[today] for journal in journals.values())


def _pause_hosts(queue: WantQueue, journals: Mapping[str, Journal]) -> None:
    """Leave hosts alone that an earlier run had to stop."""
    for journal in journals.values():
        for name, (until, _) in journal.history.hosts.items():
            queue.pause(name, until)


def _downloads(queue: WantQueue, fetching: Fetching, now: float) -> Downloads:
    """Return the row of every video that came into play."""
    rows: dict[str, dict[str, Row]] = defaultdict(dict)
    for key, want in sorted(queue.played.items()):
        row = dict(fetching.rows.get(key) or _untried(want, queue, fetching, now))
        row.pop("limit", None)
        if key in queue.replaced:
            row["state"] = "replaced"
        if row["file"]:
            row["file"] = f"downloads/{want.source}/{row['file']}"
        rows[want.source][want.want_id] = row
    notes = {
        "outcomes": dict(Counter(row["outcome"] for row in _each(rows))),
        "failed": [
            f"{source}/{want_id}: {row['outcome']}"
            for source, found in rows.items()
            for want_id, row in found.items()
            if row["state"] in _FAILED
        ],
        "hosts": fetching.stopped,
        "full": fetching.full,
        "next_try_at": _next_try_at(rows),
    }
    return Downloads(dict(rows), notes)


def _untried(want: Want, queue: WantQueue, fetching: Fetching, now: float) -> Row:
    """Return the row of a video that was not tried, with the reason."""
    host = queue.hosts[want.host]
    message = f"{host.name}: {host.stopped}" if host.stopped else fetching.full
    until = max(host.not_before, fetching.full_until, now)
    return blank_row(want) | {"message": message, "next_try_at": iso_time(until)}


def _next_try_at(rows: Mapping[str, Mapping[str, Row]]) -> str:
    """Return the earliest time at which something may be tried again, empty if nothing may."""
    return min((row["next_try_at"] for row in _each(rows) if row["next_try_at"]), default="")


def _each(rows: Mapping[str, Mapping[str, Row]]) -> Iterator[Row]:
    for found in rows.values():
        yield from found.values()
