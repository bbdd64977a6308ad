"""Requests that finding one file takes: sent by the client, under its checks and limits.

Extractors catch errors and go on. So what a host asked for is kept here: after a bot check, a
refused address or a stop nothing more is sent for the page, and a host that limits requests or
refuses one after another is left alone whatever the extractor tries next.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from urllib3 import BaseHTTPResponse

from reelabel.sources.web.addresses import host_of
from reelabel.sources.web.answers import failure_of
from reelabel.sources.web.client import Client
from reelabel.sources.web.clock import Clock, Stopped
from reelabel.sources.web.limits import MOST_FORBIDDEN
from reelabel.sources.web.outcomes import FetchFailure

MOST_BYTES = 32 << 20
"""Of one answer, unpacked: pages and descriptions of players are smaller."""
_ORDINARY = frozenset({"network", "truncated"})
"""Failures of one request that an extractor may get over."""


class SiteHosts:
    """What hosts answered to the requests of all look-ups of a run; used by all threads.

    Args:
        clock: time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._closed: dict[str, tuple[float, FetchFailure]] = {}
        self._forbidden: Counter[str] = Counter()

    def check(self, host: str) -> None:
        """Refuse a host that is to be left alone.

        Raises:
            FetchFailure: ``rate_limit`` with the rest of the pause, ``bot_check``, ``forbidden``.
        """
        with self._lock:
            until, failure = self._closed.get(host, (0.0, None))
        left_s = until - self._clock.monotonic()
        if failure is not None and left_s > 0:
            name, wait_s = failure.outcome.name, left_s if left_s < float("inf") else None
            raise FetchFailure(name, failure.message, retry_after_s=wait_s)

    def note(self, host: str, status: int, failure: FetchFailure | None) -> None:
        """Note an answer, and leave its host alone if it asks for that."""
        with self._lock:
            refused = status == 403  # noqa: PLR2004 -- Forbidden
            self._forbidden[host] = self._forbidden[host] + 1 if refused else 0
            if failure is None:
                return
            if failure.outcome.name == "rate_limit" and failure.retry_after_s:
                until = self._clock.monotonic() + failure.retry_after_s
                self._closed[host] = until, failure
            elif failure.outcome.stops == "host":
                self._closed[host] = float("inf"), failure
            elif self._forbidden[host] >= MOST_FORBIDDEN:
                message = f"{host} refused {MOST_FORBIDDEN} requests in a row"
                self._closed[host] = float("inf"), FetchFailure("forbidden", message)


class SiteRequests:
    """The requests of one look-up; used by one thread. To be closed.

    Args:
        client: sends them.
        clock: time.
        hosts: what hosts answered to look-ups before.

    Attributes:
        ended: why nothing more is sent, None if requests may go on.
        limited: the answer of a host that limits requests, None if there was none.
        fetched_bytes: of all bodies, as they were sent.
    """

    def __init__(self, client: Client, clock: Clock, hosts: SiteHosts) -> None:
        self._client, self._clock, self._hosts = client, clock, hosts
        self._open, self._last = contextlib.ExitStack(), object()
        self._limited_hosts: dict[str, FetchFailure] = {}
        self._next_at, self._page = 0.0, ""
        self.ended: FetchFailure | Stopped | None = None
        self.limited: FetchFailure | None = None
        self.fetched_bytes = 0

    @property
    def agent(self) -> str:
        """Return the User-Agent of the client."""
        return self._client.agent

    def close(self) -> None:
        """Close the last answer."""
        self._open.close()

    def begin(self, page: str) -> None:
        """Look up a page: the robots.txt of its host is asked before anything else is sent."""
        self._page = page

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: Any = None,
        interval_s: float = 0.0,
    ) -> BaseHTTPResponse:
        """Return the answer to one request; a redirect is an answer like others.

        The answer before is closed, as each holds one of its host's connections.

        Args:
            url: http or https.
            headers: to send.
            method: of HTTP.
            body: bytes, a file, an iterable of bytes; None: none.
            interval_s: least time since the answer before; the limits of the host hold too.

        Raises:
            FetchFailure: ``network``, ``truncated``, after which others may be sent; any other
                outcome ends the look-up, such as ``opted_out`` by the robots.txt of the page.
            Stopped: if fetching is to stop.
        """
        self._open.close()
        with self._ending():
            self._check_host(host_of(url))
            self._check_page()
            self._clock.sleep(self._next_at - self._clock.monotonic())
            sent = self._client.send(url, headers, method=method, body=body)
            self._last = response = self._open.enter_context(sent)
            self._next_at = self._clock.monotonic() + interval_s
            self._note(host_of(url), response)
        return response

    def body(self, response: BaseHTTPResponse) -> Iterator[bytes]:
        """Yield the body of the last answer, unpacked.

        Raises:
            FetchFailure: ``not_media`` for one of more than `MOST_BYTES`, ``network`` if it was
                closed by a later request; as `send`.
            Stopped: if fetching is to stop.
        """
        count = 0
        with self._ending():
            if response is not self._last:
                raise FetchFailure("network", "the answer was closed by a later request")
            for data in self._client.chunks(response, decode=True):
                count += len(data)
                if count > MOST_BYTES:
                    raise FetchFailure("not_media", f"an answer of more than {MOST_BYTES} bytes")
                yield data

    def end(self, failure: FetchFailure) -> None:
        """Send nothing more.

        Raises:
            FetchFailure: the one that is given.
        """
        with self._ending():
            raise failure

    def _check_host(self, host: str) -> None:
        if self.ended is not None:
            raise self.ended
        if failure := self._limited_hosts.get(host):
            raise failure
        self._hosts.check(host)

    def _check_page(self) -> None:
        """Refuse a page that the robots.txt of its host forbids."""
        if self._page:
            self._client.check_robots(self._page)
            self._page = ""

    def _note(self, host: str, response: BaseHTTPResponse) -> None:
        """Note what an answer asks for; one that shows a check for bots ends the look-up."""
        self._open.callback(self._count, response)
        failure = failure_of(response, self._clock.now())
        self._hosts.note(host, response.status, failure)
        if failure is None:
            return
        if failure.outcome.name == "rate_limit":
            self.limited = self._limited_hosts[host] = failure
        elif failure.outcome.stops == "host":
            raise failure

    def _count(self, response: BaseHTTPResponse) -> None:
        """Count the bytes of an answer that is closed."""
        self.fetched_bytes += response.tell()

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Keep a failure after which nothing more is sent."""
        try:
            yield
        except (FetchFailure, Stopped) as exc:
            if isinstance(exc, Stopped) or exc.outcome.name not in _ORDINARY:
                self.ended = self.ended or exc
            raise
