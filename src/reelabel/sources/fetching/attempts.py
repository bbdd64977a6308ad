"""One attempt at one wanted video: finds the file, fetches it or its span, looks at what came."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import MediaError, UsageError
from reelabel.files import safe_stem
from reelabel.media.brief import BriefInfo
from reelabel.sources.fetching.fetch_tools import ByteRanges, CopiedSpan, Tools
from reelabel.sources.fetching.journal import Journal, Part
from reelabel.sources.fetching.queue import FETCHED, Want
from reelabel.sources.sites.requests import SiteHosts, SiteRequests
from reelabel.sources.sites.settings import SiteFile
from reelabel.sources.web.client import Client, Source
from reelabel.sources.web.headers import iso_time
from reelabel.sources.web.limits import day_of
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.part_file import SUFFIX, PartFile, disk_failures, finish, remove
from reelabel.sources.web.ranges import Ranges
from reelabel.sources.web.sniff import span_suffix_of, suffix_of
from reelabel.tables import Row

_SAFE = re.compile(r"[A-Za-z0-9_-]{1,120}")
_LEAST_SHARE = 0.5
"""Of a span that must be there."""
_PATIENCE_S = 30.0
"""How long a site's file that is not served yet is waited for."""
_READ = 1 << 20
SPAN_MARK = ".span"
"""In the name of a span that is being written; such names begin with a dot, others never do."""


@dataclass
class Came:
    """What came for a row: its columns, and the bytes that no line of the journal has counted."""

    row: Row
    new_bytes: int = 0


def stem_of(want_id: str) -> str:
    """Return a file's name without suffix, the same for the same id, whatever the id holds.

    >>> stem_of("clip_7"), stem_of("../x")
    ('clip_7', 'x-78f1dd0f0f')
    """
    if _SAFE.fullmatch(want_id):
        return want_id
    digest = hashlib.sha256(want_id.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{safe_stem(want_id)}-{digest}"


class Attempts:
    """Tries wanted videos; used by all threads.

    Args:
        client: what fetches.
        tools: what else is used.
        home: the folder of all downloads; those of a source lie in a folder of its name.
        journals: of each source.
    """

    def __init__(
        self, client: Client, tools: Tools, home: Path, journals: Mapping[str, Journal]
    ) -> None:
        self._client, self._tools = client, tools
        self._home, self._journals = home, journals
        self._site_hosts = SiteHosts(tools.clock)
        self._syncing = threading.Semaphore(1)

    def __call__(self, want: Want, released: Callable[[], None]) -> Came:
        """Fetch one video and return its columns.

        Args:
            want: the video.
            released: called when all that is needed has come, before it is looked at: the host may
                be asked for the next video.

        Raises:
            FetchFailure: with the outcome.
            Stopped: if fetching is to stop.
        """
        site = self._find(want) if want.page else None
        source = Source(want.url)
        if site:
            source = Source(site.url, site.headers, site.max_request_bytes)
        came = self._span(want, source, released) if want.start_s is not None else None
        came = came or self._whole(want, source, released)
        came.row |= {
            "extractor": site.extractor if site else "",
            "format": site.format_id if site else "",
            "licence": (site and site.licence) or want.licence,
            "uploader": (site and site.uploader) or want.uploader,
            "title": (site and site.title) or want.title,
            "fetched_at": iso_time(self._tools.clock.now()),
        }
        return came

    def _find(self, want: Want) -> SiteFile:
        """Return the file of a page, once the site serves it."""
        if self._tools.find_file is None:
            raise FetchFailure("tool", "pages of sites need reelabel[fetch]")
        requests = SiteRequests(self._client, self._tools.clock, self._site_hosts)
        try:
            site = self._tools.find_file(want.url, requests)
        finally:
            requests.close()
            if requests.fetched_bytes:
                day = day_of(self._tools.clock.now())
                self._journals[want.source].day(day, requests.fetched_bytes)
        wait_s = (site.available_at_s or 0.0) - self._tools.clock.now()
        if wait_s > _PATIENCE_S:
            raise FetchFailure("not_yet", "the site does not serve it yet", retry_after_s=wait_s)
        self._tools.clock.sleep(max(wait_s, 0.0))
        return site

    def _whole(self, want: Want, source: Source, released: Callable[[], None]) -> Came:
        """Fetch a whole file."""
        folder, journal = self._home / want.source, self._journals[want.source]
        path = folder / (stem_of(want.want_id) + SUFFIX)

        def note(part: Part, count: int) -> None:
            day = day_of(self._tools.clock.now())
            journal.part(want.want_id, part, day=day, new_bytes=count)

        part = journal.history.parts.get(want.want_id, Part())
        try:
            with PartFile(path, part, note) as file:
                status = self._fetch(source, file, released)
                row = {"http_status": status, "sha256": file.sha256}
                row |= {"size_bytes": file.length, "span_start_s": None, "span_end_s": None}
                head = file.head
            info = self._checked(path, want)
        except FetchFailure as failure:
            if failure.outcome.final:
                remove(path)
            raise
        name = stem_of(want.want_id) + suffix_of(info.container, head)
        return Came(row | {"file": name})

    def _fetch(self, source: Source, file: PartFile, released: Callable[[], None]) -> int | None:
        """Fetch what is missing of a file, and return the status of the last answer.

        Its host is free while its end is synced.
        That holds for one file at a time, so that a kill does not cost the ends of several.
        """
        with contextlib.ExitStack() as early:

            def ended() -> None:
                if self._syncing.acquire(blocking=False):
                    early.callback(self._syncing.release)
                    released()
                else:
                    early.callback(released)

            return self._client.fetch(source, file, ended).http_status

    def _span(self, want: Want, source: Source, released: Callable[[], None]) -> Came | None:
        """Fetch a span of a file, None if only the whole can be had."""
        if self._tools.copy_span is None:
            return None
        ranges = Ranges.open(self._client, source.url, source.headers, self._tools.clock)
        if ranges is None:
            return None
        name = f".{stem_of(want.want_id)}{SPAN_MARK}{span_suffix_of(ranges.head)}"
        path = self._home / want.source / name
        span = self._copied(want, ranges, path)
        if span is None:
            return None
        released()
        came = self.take_cut(want, path, (span.start_s, span.end_s), head=ranges.head)
        return Came(came.row | {"http_status": 206}, ranges.fetched_bytes)

    def take_cut(
        self, want: Want, path: Path, span_s: tuple[float, float | None], *, head: bytes = b""
    ) -> Came:
        """Make a file that holds a span alone the partial file of a want, and return its columns.

        Args:
            want: the video.
            path: the file, which is removed if it cannot be used.
            span_s: where in the video it begins and ends; None: as long as it is.
            head: the first bytes of the file that it was cut out of.

        Raises:
            FetchFailure: ``bad_media`` if it cannot be read, or lacks half of the span or more.
        """
        stem = stem_of(want.want_id)
        part = path.with_name(stem + SUFFIX)
        try:
            info = self._checked(path, want, whole=False)
            start_s, end_s = span_s
            end_s = start_s + info.duration_s if end_s is None else end_s
            self._check_share(end_s - start_s, want)
            if want.want_id in self._journals[want.source].history.parts:
                self._journals[want.source].part(want.want_id, Part())  # of the whole
            finish(path, part)
        except FetchFailure:
            remove(path)
            raise
        row = {"sha256": sha256_of(part), "size_bytes": part.stat().st_size}
        row |= {"span_start_s": start_s, "span_end_s": end_s}
        return Came(row | {"file": stem + suffix_of(info.container, head)})

    def _copied(self, want: Want, ranges: Ranges, path: Path) -> CopiedSpan | None:
        """Return the span that was written to a file, None if the whole has to be fetched."""
        copy_span, readable = self._tools.copy_span, ByteRanges(ranges.read, ranges.size_bytes)
        assert copy_span is not None  # noqa: S101 -- the caller has looked
        try:
            with disk_failures(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            return copy_span(readable, want.start_s or 0.0, want.end_s, path)
        except (MediaError, UsageError) as exc:
            raise FetchFailure("bad_media", str(exc)) from exc

    def _checked(self, path: Path, want: Want, *, whole: bool = True) -> BriefInfo:
        """Return what a file is.

        Raises:
            FetchFailure: ``bad_media`` if it cannot be read, or lacks half of the span or more.
        """
        try:
            info = self._tools.probe(path)
        except MediaError as exc:
            raise FetchFailure("bad_media", str(exc)) from exc
        if whole and want.start_s is not None:
            end_s = min(info.duration_s, want.end_s if want.end_s is not None else info.duration_s)
            self._check_share(end_s - want.start_s, want)
        return info

    def _check_share(self, there_s: float, want: Want) -> None:
        """Refuse a file that lacks half of the span or more."""
        start_s, end_s = want.start_s or 0.0, want.end_s
        wanted_s = end_s - start_s if end_s is not None else 0.0
        if there_s <= 0 or there_s < _LEAST_SHARE * wanted_s:
            raise FetchFailure("bad_media", f"{there_s:.1f} s of {wanted_s:.1f} s are there")


def sha256_of(path: Path) -> str:
    """Return the hash of a file, hexadecimal."""
    digest = hashlib.sha256()
    with disk_failures(path), path.open("rb") as file:
        while data := file.read(_READ):
            digest.update(data)
    return digest.hexdigest()


def remove_spans(folder: Path) -> None:
    """Remove what killed copies of spans left in the folder of a source."""
    for path in folder.glob(f".*{SPAN_MARK}.*"):
        remove(path)


def name_files(folder: Path, rows: Mapping[str, Row]) -> set[str]:
    """Give files their names that a kill kept from it; return ids of those that are not there.

    Args:
        folder: of one source; it is listed once.
        rows: what is known, by want id.
    """
    lost, there = set(), {path.name for path in folder.iterdir()}
    for want_id, row in rows.items():
        if row.get("state") != FETCHED or row["file"] in there:
            continue
        part = folder / (stem_of(want_id) + SUFFIX)
        if part.name in there and part.stat().st_size == row["size_bytes"]:
            finish(part, folder / str(row["file"]))
        else:
            lost.add(want_id)
    return lost
