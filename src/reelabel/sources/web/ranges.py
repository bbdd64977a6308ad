"""Parts of a file on a host, for those that need only some of its bytes."""

from __future__ import annotations

from collections.abc import Mapping

from urllib3 import BaseHTTPResponse

from reelabel.sources.web.answers import check_answer
from reelabel.sources.web.client import PARTIAL, Client, site_headers
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.headers import Validators, content_range
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.sniff import other_kind

_FIRST_BYTES = 256 << 10


class Ranges:
    """A file of which parts are read.

    Attributes:
        size_bytes: of the whole file.
        fetched_bytes: that came so far.
        head: the first bytes.
    """

    def __init__(self, client: Client, url: str, headers: Mapping[str, str], clock: Clock) -> None:
        self._client, self._url, self._clock = client, url, clock
        self._headers = site_headers(headers)
        self._version = Validators()
        self.head = b""
        self.size_bytes = self.fetched_bytes = 0

    @classmethod
    def open(
        cls, client: Client, url: str, headers: Mapping[str, str], clock: Clock
    ) -> Ranges | None:
        """Return a file, or None if its host sends only the whole of it.

        Raises:
            FetchFailure: with the outcome.
        """
        ranges = cls(client, url, headers, clock)
        return ranges if ranges._begin() else None

    def read(self, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to before `stop`, fewer at the end of the file.

        Raises:
            FetchFailure: ``changed`` if the file is another one now, and other outcomes.
            Stopped: if fetching is to stop.
        """
        stop = min(stop, self.size_bytes)
        found = self.head[start:stop]
        while len(found) < stop - start:
            found += self._ask(start + len(found), stop)
        return found

    def _begin(self) -> bool:
        """Ask for the first bytes, which tell the size; return whether parts are sent."""
        asked = {**self._headers, "Range": f"bytes=0-{_FIRST_BYTES - 1}"}
        with self._client.open(self._url, asked) as (_, response):
            check_answer(response, self._clock.now())
            part = content_range(response.headers.get("content-range"))
            if response.status != PARTIAL or part is None or part.start or part.size is None:
                return False
            self._version = Validators.of(response.headers)
            self.size_bytes = part.size
            self.head = self._body(response, min(part.stop, _FIRST_BYTES))
        if kind := other_kind(self.head):
            raise FetchFailure("not_media", f"the address leads to {kind}")
        return True

    def _ask(self, start: int, stop: int) -> bytes:
        """Return at least one byte from `start` on."""
        asked = {**self._headers, "Range": f"bytes={start}-{stop - 1}"}
        if self._version.if_range:
            asked["If-Range"] = self._version.if_range
        with self._client.open(self._url, asked) as (_, response):
            check_answer(response, self._clock.now())
            part = content_range(response.headers.get("content-range"))
            same = part and (part.start, part.size) == (start, self.size_bytes)
            other = self._version.differ(Validators.of(response.headers))
            if response.status != PARTIAL or part is None or not same or other:
                raise FetchFailure("changed", "the file changed while parts of it were read")
            return self._body(response, min(part.stop, stop) - start)

    def _body(self, response: BaseHTTPResponse, count: int) -> bytes:
        """Return the body of an answer, which must have that many bytes."""
        body = bytearray()
        for data in self._client.chunks(response):
            body += data
            self.fetched_bytes += len(data)
            if len(body) > count:
                break
        if len(body) != count:
            raise FetchFailure("truncated", f"{len(body)} bytes came, expected were {count}")
        return bytes(body)
