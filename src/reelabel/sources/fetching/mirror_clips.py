"""Takes wanted clips of Kinetics out of a mirror's archives, before anything is asked of a site.

What the mirror does not have is left to the sites. Progress is in the journals: each clip as any
other file, and each archive that holds nothing more of what is wanted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from reelabel.errors import FormatError, counted, few
from reelabel.sources.fetching.attempts import SPAN_MARK, Came, stem_of
from reelabel.sources.fetching.journal import Journal
from reelabel.sources.fetching.queue import FETCHED, Key, Want
from reelabel.sources.fetching.scheduler import BLANK, Shop, Tick, blank_row, brief
from reelabel.sources.mirrors.archives import ArchiveLimits, Taken
from reelabel.sources.mirrors.kinetics import (
    ArchiveRead,
    MirrorWant,
    fetch_members,
    has_split,
    list_url,
    overlap_warning,
    plan_archives,
    read_list,
    replacement_urls,
    wants_key,
)
from reelabel.sources.mirrors.settings import version_of
from reelabel.sources.web.addresses import host_of
from reelabel.sources.web.archive_stream import ArchiveStream
from reelabel.sources.web.asking import patiently, read_small
from reelabel.sources.web.client import Client
from reelabel.sources.web.headers import iso_time
from reelabel.sources.web.limits import day_of
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.part_file import SUFFIX, finish
from reelabel.tables import Row

T = TypeVar("T")

EXTRACTOR = "mirror"
"""In the table `downloads`: what found such a file."""
MOST_FAILED = 3
"""Archives in a row that their host fails to send, after which no other is asked for."""
_LIST_BYTES = 4 << 20
_NOTED_BYTES = 64 << 20
"""Bytes of archives after which their number is written into the journal."""
_SLICE_S = 1.0
_NATIVE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_VERSION = re.compile(r"(?:^|[^a-z])k(?:inetics)?[-_]?(400|600|700)(?!\d)", re.IGNORECASE)


@dataclass(frozen=True)
class _Split:
    """The wanted clips of one source and split.

    Attributes:
        source: the manifest, by its short name.
        list_url: of the mirror's list of archives.
        split: as the manifest names it.
        wants: by their names in the archives.
        folder: that the clips are written into.
    """

    source: str
    list_url: str
    split: str
    wants: Mapping[str, Want]
    folder: Path

    @cached_property
    def clips(self) -> tuple[MirrorWant, ...]:
        """Return what is looked for."""
        return tuple(_clip(want, self.folder) for want in self.wants.values())

    @cached_property
    def key(self) -> str:
        """Return what stays the same while the same clips are wanted."""
        return wants_key(self.clips)


class MirrorClips:
    """One pass over the archives of a mirror.

    Args:
        shop: what fetching works with.
        client: what fetches.
        rows: what is known of the wants; clips that are taken are added.
        tick: called with the share that is done and a few words; what it raises stops the run.

    Attributes:
        problems: sentences on what could not be taken.
    """

    def __init__(self, shop: Shop, client: Client, rows: dict[Key, Row], tick: Tick) -> None:
        self._shop, self._client, self._rows, self._tick = shop, client, rows, tick
        self._clock, self._settings = shop.tools.clock, shop.settings.mirror
        self.problems: list[str] = []
        self._stream: ArchiveStream | None = None
        self._url = self._words = ""
        self._number = self._taken = self._bytes = 0

    def take(self, wants: Iterable[Want], *, afresh: bool = False) -> None:
        """Take the chosen clips that are not there yet, as far as the mirror has them.

        Args:
            wants: of all sources.
            afresh: read archives again that were read for the same clips.

        Raises:
            FormatError: if there is no list of archives where the settings name it.
            WorkspaceError: if a journal cannot be written.
        """
        for split in self._splits(wants):
            try:
                self._take_split(split, afresh=afresh)
            except FetchFailure as failure:
                self._give_up(split, str(failure), failure.retry_after_s or 0.0)
            finally:
                self._note_bytes(split)

    def _splits(self, wants: Iterable[Want]) -> list[_Split]:
        """Return the wanted clips by source and split; none without a mirror."""
        dataset, home = self._settings.dataset, self._shop.home
        found: dict[tuple[str, str], dict[str, Want]] = defaultdict(dict)
        for want in wants if dataset else ():
            if want.chosen and is_clip(want):
                url = list_url(dataset, want.split, self._settings)
                member = _clip(want, home).member
                found[want.source, url].setdefault(member, want)
        return [
            _Split(source, url, next(iter(clips.values())).split, clips, home / source)
            for (source, url), clips in sorted(found.items())
        ]

    def _take_split(self, split: _Split, *, afresh: bool) -> None:
        there = {m for m, w in split.wants.items() if self._is_there(w)}
        read = frozenset() if afresh else self._read_before(split)
        if len(there) == len(split.wants) or split.list_url in read:
            return
        if not afresh and (until := self._left_alone_until(split)):
            self.problems.append(f"the mirror is left alone until {iso_time(until)}")
            return
        plan = plan_archives(split.clips, self._urls(split), there=there, read=read)
        self._number, self._words = 0, f"of {len(plan)} of the mirror"
        unread = in_a_row = 0
        bad: list[str] = []
        with closing(fetch_members(plan, self._open, self._limits())) as events:
            for event in events:
                if isinstance(event, Taken):
                    bad += self._keep(split, event)
                    continue
                done = self._end(split, event)
                unread, in_a_row = unread + (not done), 0 if done else in_a_row + 1
                if in_a_row == MOST_FAILED or self._refused(event):
                    self._give_up(split, str(event.failure), 0.0)
                    break
        if bad:
            self.problems.append(
                f"{counted(len(bad), 'clip')} of the mirror cannot be used: {few(bad, 3)}"
            )
        if not unread:
            self._journal(split).archive(split.list_url, split.key)

    # -- what is known ------------------------------------------------------------------------

    def _is_there(self, want: Want) -> bool:
        row = self._rows.get(want.key)
        return row is not None and row["state"] == FETCHED

    def _read_before(self, split: _Split) -> frozenset[str]:
        """Return what need not be read again: archives, and the list if all of them were."""
        history = self._journal(split).history
        unknown = (w.want_id for w in split.wants.values() if w.key not in self._rows)
        rows = (history.rows.get(want_id, {}) for want_id in unknown)
        lost = {row["format"] for row in rows if row.get("extractor") == EXTRACTOR}
        read = {url for url, key in history.archives.items() if key == split.key}
        if lost:  # files that were deleted since
            read -= {split.list_url, *(url for url in read if self._format(url) in lost)}
        return frozenset(read)

    def _left_alone_until(self, split: _Split) -> float:
        """Return until when the mirror's host must be left alone, 0 if it need not be."""
        hosts = self._journal(split).history.hosts
        until, _ = hosts.get(host_of(split.list_url), (0.0, ""))
        return until if until > self._clock.now() else 0.0

    def _journal(self, split: _Split) -> Journal:
        return self._shop.journals[split.source]

    # -- what is asked for --------------------------------------------------------------------

    def _urls(self, split: _Split) -> tuple[str, ...]:
        """Return the archives that may hold clips, those of replacements first.

        Raises:
            FormatError: if there is no list at this address.
            FetchFailure: if the host does not answer today.
        """
        url = split.list_url
        try:
            body = self._patiently(lambda: read_small(self._client, url, self._clock, _LIST_BYTES))
        except FetchFailure as failure:
            if not failure.outcome.final and failure.outcome.name != "forbidden":
                raise
            raise FormatError(
                f"{url}: expected the list of a mirror's archives, but got {failure}: correct "
                "fetch.mirror, or set its dataset to ''"
            ) from failure
        try:
            urls = read_list(body.decode("utf-8", "replace"), self._settings)
        except FormatError as exc:
            raise FormatError(f"{url}: {exc}") from exc
        return (*replacement_urls(self._settings.dataset, split.split, self._settings), *urls)

    def _open(self, url: str) -> ArchiveStream:
        self._stream, self._url, self._number = None, url, self._number + 1
        self._stream = ArchiveStream(
            self._client, url, self._clock, patiently=self._patiently, came=self._came
        )
        return self._stream

    def _patiently(self, ask: Callable[[], T]) -> T:
        return patiently(ask, self._shop.settings.politeness, self._clock, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        """Sleep, in slices, so that a run can be stopped."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self._show()
            self._clock.sleep(min(left, _SLICE_S))

    def _limits(self) -> ArchiveLimits:
        default = ArchiveLimits()
        most = min(default.max_member_bytes, self._shop.settings.max_bytes)
        return ArchiveLimits(max_member_bytes=most)

    # -- what came ----------------------------------------------------------------------------

    def _came(self, count: int) -> None:
        """Count bytes of archives."""
        self._bytes += count
        self._show()

    def _show(self) -> None:
        """Show progress; what the tick raises ends the run."""
        self._tick(0.0, f"archive {self._number} {self._words}, {counted(self._taken, 'clip')}")

    def _keep(self, split: _Split, taken: Taken) -> list[str]:
        """Make a member of an archive the file of its want; return why not, if it cannot be."""
        want = split.wants[taken.name]
        try:
            came = self._shop.attempts.take_cut(want, taken.path, (want.start_s or 0.0, None))
        except FetchFailure as failure:
            if failure.outcome.stops != "video":
                raise
            return [f"{taken.name}: {failure.message}"]
        self._write(split, want, came)
        self._taken += 1
        if self._bytes >= _NOTED_BYTES:
            self._note_bytes(split)
        return []

    def _write(self, split: _Split, want: Want, came: Came) -> None:
        """Write a clip's row into the journal, then give its file its name."""
        before = self._rows.get(want.key) or BLANK
        row = blank_row(want) | came.row
        row |= {"state": FETCHED, "outcome": FETCHED, "final": True}
        row |= {"extractor": EXTRACTOR, "format": self._format(self._url), "http_status": 200}
        row["attempts"] = int(before["attempts"]) + 1
        row["fetched_bytes"] = int(before["fetched_bytes"]) + int(row["size_bytes"])
        row["fetched_at"] = iso_time(self._clock.now())
        self._rows[want.key] = row
        self._journal(split).row(want.want_id, brief(row))
        name = str(row["file"])
        finish(split.folder / (stem_of(want.want_id) + SUFFIX), split.folder / name)

    def _end(self, split: _Split, event: ArchiveRead) -> bool:
        """Note how reading an archive ended; return whether it need not be read again."""
        failure = event.failure
        if failure is not None:
            self.problems.append(f"archive {event.url}: {failure}")
            by_host = self._stream is None or self._stream.failure is not None
            if by_host and not failure.outcome.final:
                return False
        # One that is damaged holds nothing more either.
        self._journal(split).archive(event.url, split.key)
        return True

    def _refused(self, event: ArchiveRead) -> bool:
        return event.failure is not None and event.failure.outcome.name == "rate_limit"

    def _give_up(self, split: _Split, why: str, wait_s: float) -> None:
        """Ask nothing more of the mirror in this run, nor in one that follows soon."""
        self.problems.append(f"the mirror is left alone: {why}")
        until = self._clock.now() + max(wait_s, self._shop.settings.politeness.retry_after_s)
        self._journal(split).host(host_of(split.list_url), until, why)

    def _note_bytes(self, split: _Split) -> None:
        """Have the journal count the bytes of archives on their day."""
        if self._bytes:
            self._journal(split).day(day_of(self._clock.now()), self._bytes)
        self._bytes = 0

    def _format(self, url: str) -> str:
        """Return what the row of a clip states of its archive."""
        name = unquote(urlsplit(url).path.rpartition("/")[2])
        return f"kinetics-{version_of(self._settings.dataset)}/{name}"


def is_clip(want: Want) -> bool:
    """Return whether a want may be a clip of Kinetics, of a split that mirrors have."""
    spanned = want.start_s is not None and want.end_s is not None
    return spanned and has_split(want.split) and bool(_NATIVE_ID.fullmatch(want.native_id))


def mixed_versions(wants: Iterable[Want], rows: Mapping[Key, Row]) -> str:
    """Return what is wrong with using these clips together, or an empty string.

    The version of a clip is that of the mirror that it came from, or the one that the name of its
    source states, such as ``k400``.

    Args:
        wants: those in use.
        rows: what became of them.
    """
    used = set()
    for want in wants:
        if is_clip(want):
            row = rows.get(want.key, BLANK)
            stated = _VERSION.search(want.source)
            if row.get("extractor") == EXTRACTOR:
                used.add((str(row["format"]).partition("/")[0], want.split))
            elif stated:
                used.add((stated[1], want.split))
    return overlap_warning(used)


def _clip(want: Want, folder: Path) -> MirrorWant:
    path = folder / f".{stem_of(want.want_id)}{SPAN_MARK}.mp4"
    return MirrorWant(
        want.native_id, want.start_s or 0.0, want.end_s or 0.0, path, want.native_label
    )
