"""The client: every byte that comes by HTTP passes here, and with it every rule.

Retries are the scheduler's; redirects are followed here, each hop checked like the first address.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, Timeout

from reelabel._version import __version__
from reelabel.sources.web.addresses import check_literal, check_url, host_of, networks_of
from reelabel.sources.web.answers import check_answer, failure_of, translated
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.connection import open_pools
from reelabel.sources.web.headers import (
    AGENT,
    ContentRange,
    Validators,
    content_range,
    length_of,
)
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.part_file import PartFile
from reelabel.sources.web.robots import Robots
from reelabel.sources.web.settings import FetchSettings
from reelabel.sources.web.sniff import HEAD_BYTES, other_kind

MOST_REDIRECTS = 5
PARTIAL, UNSATISFIABLE = 206, 416
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 64 << 10
_ROBOTS_BYTES = 512 << 10
_DRAINED_BYTES = 64 << 10
_OWN_HEADERS = frozenset({
    "user-agent", "host", "range", "if-range", "accept-encoding", "connection", "content-length",
    "transfer-encoding", "upgrade", "te", "expect",
})  # fmt: skip
_OF_ANY_HOST = frozenset({"Range", "If-Range"})


@dataclass(frozen=True)
class Source:
    """Where a file is.

    Attributes:
        url: its address.
        headers: further ones that a site asks for; they do not follow a redirect to another host.
        piece_bytes: most bytes to ask for at once, None: all.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    piece_bytes: int | None = None


@dataclass(frozen=True)
class Came:
    """Where a file came from in the end, and the status of the last answer."""

    url: str
    http_status: int | None


class Client:
    """Fetches files and ranges of files; used by all threads.

    Args:
        settings: of fetching.
        clock: time.
        limits: the budgets of hosts, bandwidth and the day.
    """

    def __init__(self, settings: FetchSettings, clock: Clock, limits: Limits) -> None:
        self._settings, self._clock, self._limits = settings, clock, limits
        polite = settings.politeness
        self._allowed = networks_of(settings.allow)
        self._pools = open_pools(self._allowed, connections=polite.host_connections)
        self._robots = Robots(self._robots_txt)
        self._agent = f"{AGENT}/{__version__}" + (f" ({polite.contact})" if polite.contact else "")

    @property
    def agent(self) -> str:
        """Return the User-Agent that requests are sent with."""
        return self._agent

    def close(self) -> None:
        """Close idle connections."""
        self._pools.clear()

    def fetch(
        self, source: Source, file: PartFile, ended: Callable[[], None] = lambda: None
    ) -> Came:
        """Fetch a file, or what is missing of it.

        Args:
            source: where it is.
            file: what is there of it; afterwards all of it is, and synced.
            ended: called when its last byte has come, before that is synced.

        Raises:
            FetchFailure: with the outcome; what came so far is kept if it may be continued.
            Stopped: if fetching is to stop.
        """
        came, whole = Came(source.url, None), file.whole and file.length > 0
        try:
            while not whole:
                came, whole = self._fetch_more(source, file)
                whole = whole or (file.whole and file.length > 0)
            ended()
        finally:
            file.sync()
        if not file.length:
            raise FetchFailure("not_media", "the file is empty", http_status=came.http_status)
        _check_kind(file)
        return came

    @contextlib.contextmanager
    def open(
        self, url: str, headers: Mapping[str, str], *, robots: bool = True
    ) -> Iterator[tuple[str, BaseHTTPResponse]]:
        """Yield the answer to a request and its address, after redirects.

        Raises:
            FetchFailure: ``address``, ``opted_out`` by robots.txt, ``network``; not for a status.
        """
        for _ in range(MOST_REDIRECTS + 1):
            check_literal(host_of(check_url(url)), self._allowed)
            if robots:
                self.check_robots(url)
            with self._request(url, headers) as response:
                target = redirect_of(response, url)
                if target is None:
                    yield url, response
                    return
                self.drain(response)
            if host_of(target) != host_of(url):
                headers = {n: v for n, v in headers.items() if n in _OF_ANY_HOST}
            url = target
        raise FetchFailure("address", f"more than {MOST_REDIRECTS} redirects")

    @contextlib.contextmanager
    def send(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", body: Any = None
    ) -> Iterator[BaseHTTPResponse]:
        """Yield the answer to one request of any method; a redirect is an answer like others.

        Args:
            url: checked like that of a file, but not against robots.txt.
            headers: to send; those of the client are replaced.
            method: of HTTP.
            body: what urllib3 takes for one: bytes, a file, an iterable of bytes; None: none.

        Raises:
            FetchFailure: ``address``, ``network``, ``disk`` for the quota; not for a status.
            Stopped: if fetching is to stop.
        """
        check_literal(host_of(check_url(url)), self._allowed)
        with self._request(url, headers, method=method, body=body) as response:
            yield response

    def check_robots(self, url: str) -> None:
        """Refuse an address that the robots.txt of its host forbids, and keep its Crawl-delay.

        Raises:
            FetchFailure: ``opted_out``, or why robots.txt has no answer.
        """
        if not self._robots.allows(url):
            raise FetchFailure("opted_out", f"robots.txt of {host_of(url)} forbids it")
        if delay_s := self._robots.delay_s(url):
            self._limits.slow_down(host_of(url), delay_s)

    def chunks(self, response: BaseHTTPResponse, *, decode: bool = False) -> Iterator[bytes]:
        """Yield the body of an answer at the speed that the limits allow.

        Args:
            response: the answer.
            decode: unpack it as its Content-Encoding states; else it is yielded as it was sent.

        Raises:
            FetchFailure: ``truncated``, ``network``, ``disk`` for the quota.
            Stopped: if fetching is to stop.
        """
        slow, came = _Slowness(self._settings), response.tell()
        while True:
            began = time.monotonic()  # the network's time is never injected
            with translated():
                data = response.read1(_CHUNK, decode_content=decode)
            if not data:
                return
            count, came = response.tell() - came, response.tell()
            slow.add(time.monotonic() - began, count)
            yield data
            self._limits.spend(count)

    def drain(self, response: BaseHTTPResponse) -> None:
        """Read the short body of an answer that is not needed, so that its connection can stay."""
        size = length_of(response.headers)
        if size is not None and size <= _DRAINED_BYTES:
            with contextlib.suppress(FetchFailure):
                for _ in self.chunks(response):
                    pass

    @contextlib.contextmanager
    def _request(
        self, url: str, headers: Mapping[str, str], *, method: str = "GET", body: Any = None
    ) -> Iterator[BaseHTTPResponse]:
        """Yield the answer to one request; its connection is closed if it was not read."""
        host, s = host_of(url), self._settings
        sent = {"User-Agent": self._agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        with self._limits.request(host):
            try:
                with translated():
                    response = self._pools.urlopen(
                        method,
                        url,
                        body=body,
                        redirect=False,
                        retries=False,
                        preload_content=False,
                        headers=sent | dict(headers),
                        timeout=Timeout(connect=s.connect_timeout_s, read=s.stall_timeout_s),
                    )
            finally:
                self._limits.answered(host)
            try:
                yield response
            finally:
                response.close()
                response.release_conn()  # closed unless it was read: the pool counts it

    def _fetch_more(self, source: Source, file: PartFile) -> tuple[Came, bool]:
        """Make one request for the rest of a file; return whether its end was reached."""
        known = Validators(file.part.etag, file.part.modified)
        if file.length and not known.if_range:
            file.start_anew()
        with self.open(source.url, _asked(source, file)) as (final_url, response):
            came = Came(final_url, response.status)
            if response.status == UNSATISFIABLE and file.length:
                self.drain(response)
                file.start_anew(changed=True)
                return came, False
            check_answer(response, self._clock.now())
            if not _place(response, file, pieces=source.piece_bytes is not None):
                return came, False
            return came, self._copy(response, file)

    def _copy(self, response: BaseHTTPResponse, file: PartFile) -> bool:
        """Append the body of an answer to a file; return whether the file has ended."""
        limit, size = self._settings.max_bytes, file.part.size_bytes
        self._check_size(size or 0, limit)
        part = content_range(response.headers.get("content-range"))
        end = part.stop if part and response.status == PARTIAL else size
        for data in self.chunks(response):
            self._check_size(file.length + len(data), limit)
            sniffed = file.length >= HEAD_BYTES
            file.write(data)
            if not sniffed and file.length >= HEAD_BYTES:
                _check_kind(file)
        if end is not None and file.length < end:
            raise FetchFailure("truncated", f"{file.length} of {end} bytes came")
        if end is not None and file.length > end:
            file.start_anew(changed=True)
            return False
        return size is None or file.length >= size

    def _check_size(self, count: int, limit: int) -> None:
        if count > limit:
            raise FetchFailure("too_large", f"at least {count} bytes, allowed are {limit}")

    def _robots_txt(self, url: str) -> tuple[int, bytes]:
        """Return status and body of a robots.txt; of the body no more than 512 KiB are read."""
        with self.open(url, {}, robots=False) as (_, response):
            failure = failure_of(response, self._clock.now())
            if failure and failure.outcome.name in {"rate_limit", "server", "bot_check"}:
                raise failure
            body = bytearray()
            for data in self.chunks(response):
                body += data
                if len(body) >= _ROBOTS_BYTES:
                    break
            return response.status, bytes(body[:_ROBOTS_BYTES])


def site_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a site asks for, without those that are ours to decide."""
    return {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}


class _Slowness:
    """Finds transfers that go on, but too slowly to be waited for."""

    def __init__(self, settings: FetchSettings) -> None:
        self._window_s, self._least = settings.stall_timeout_s, settings.min_bytes_per_s
        self._seconds, self._bytes = 0.0, 0

    def add(self, seconds: float, count: int) -> None:
        """Count bytes and the time that they took.

        Raises:
            FetchFailure: ``network`` if they were too few for a whole window.
        """
        self._seconds += seconds
        self._bytes += count
        if self._seconds < self._window_s:
            return
        if self._bytes < self._least * self._seconds:
            raise FetchFailure("network", f"{self._bytes} bytes in {self._seconds:.0f} s")
        self._seconds, self._bytes = 0.0, 0


def redirect_of(response: BaseHTTPResponse, url: str) -> str | None:
    """Return where an answer leads, None if it is no redirect.

    Raises:
        FetchFailure: ``unknown`` or ``address`` for a redirect to no address.
    """
    location = response.headers.get("location", "")
    if response.status not in _REDIRECTS:
        return None
    if not location:
        raise FetchFailure("unknown", "a redirect to nowhere", http_status=response.status)
    try:
        return urljoin(url, location.strip())
    except ValueError as exc:
        raise FetchFailure("address", f"{location[:200]!r}: {exc}") from exc


def _asked(source: Source, file: PartFile) -> dict[str, str]:
    """Return the headers that ask for the rest of a file, or for the next piece of it."""
    asked = site_headers(source.headers)
    if file.length:
        asked["If-Range"] = Validators(file.part.etag, file.part.modified).if_range
    if file.length or source.piece_bytes:
        last = file.length + source.piece_bytes - 1 if source.piece_bytes else ""
        asked["Range"] = f"bytes={file.length}-{last}"
    return asked


def _place(response: BaseHTTPResponse, file: PartFile, *, pieces: bool) -> bool:
    """Bring a file to where the body of an answer begins; return False if none begins there."""
    known = Validators(file.part.etag, file.part.modified)
    found = Validators.of(response.headers)
    if response.status == PARTIAL:
        part = content_range(response.headers.get("content-range"))
        if not file.length and not pieces:
            raise FetchFailure("server", "a part came where the whole was asked for")
        if part is None or not _continues(part, file) or known.differ(found):
            file.start_anew(changed=True)
            return False
        file.expect(part.size or file.part.size_bytes, known if file.length else found)
        return True
    size = length_of(response.headers)
    if file.length:
        other_size = None not in (size, file.part.size_bytes) and size != file.part.size_bytes
        file.start_anew(changed=other_size or known.differ(found))
    file.expect(size, found)
    return True


def _continues(part: ContentRange, file: PartFile) -> bool:
    """Return whether a part begins where a file ends, and is of a file of its size."""
    same_size = None in (part.size, file.part.size_bytes) or part.size == file.part.size_bytes
    return part.start == file.length and same_size


def _check_kind(file: PartFile) -> None:
    if kind := other_kind(file.head):
        raise FetchFailure("not_media", f"the address leads to {kind}")
