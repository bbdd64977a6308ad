"""The one way in which yt-dlp sends requests: the client of fetching.

yt-dlp chooses among request handlers; the look-up gives it this one alone, so that no request goes
past the check of addresses, the limits of hosts and the count of bytes. Imported with yt-dlp.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from email.message import Message
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.request import Request as CookieRequest

from urllib3 import BaseHTTPResponse
from yt_dlp.networking.common import Request, RequestHandler, Response
from yt_dlp.networking.exceptions import HTTPError, IncompleteRead, RequestError, TransportError
from yt_dlp.utils.networking import normalize_url

from reelabel.sources.sites.requests import SiteRequests
from reelabel.sources.web.addresses import host_of
from reelabel.sources.web.client import MOST_REDIRECTS, redirect_of
from reelabel.sources.web.clock import Stopped
from reelabel.sources.web.outcomes import FetchFailure

_ENCODINGS = "gzip, deflate"
_OF_BODIES = ("Content-Length", "Content-Type")


class ClientRH(RequestHandler):  # type: ignore[misc] # yt-dlp carries no types
    """Sends what yt-dlp asks for by the client; cookies and redirects are as yt-dlp has them.

    Proxies are never used, time limits are the client's, and an old handshake of TLS is not
    offered. What else a request may ask for, imitation of a browser among it, is refused.

    Args:
        requests: those of the look-up.
        interval_s: least time between two of them.
        given: what yt-dlp gives to each handler.
    """

    _SUPPORTED_URL_SCHEMES = None
    _SUPPORTED_PROXY_SCHEMES = None
    _SUPPORTED_FEATURES = None

    def __init__(self, *, requests: SiteRequests, interval_s: float, **given: Any) -> None:
        super().__init__(**given)
        self._requests, self._interval_s = requests, interval_s

    def _check_extensions(self, extensions: dict[str, Any]) -> None:
        super()._check_extensions(extensions)
        for name in ("cookiejar", "timeout", "legacy_ssl", "keep_header_casing"):
            extensions.pop(name, None)

    def _send(self, request: Request) -> Response:
        """Return the answer to a request, after redirects.

        Raises:
            HTTPError: for a status that is not of the 200s.
            TransportError: if the connection failed.
            RequestError: if the look-up is to end; the `FetchFailure` is its cause.
        """
        try:
            answer = self._follow(request)
        except (FetchFailure, Stopped) as exc:
            raise_translated(exc)
        if not 200 <= answer.status < 300:  # noqa: PLR2004 -- success
            raise HTTPError(answer)
        return answer

    def _follow(self, request: Request) -> Response:
        """Return the answer to a request and the redirects that it leads to."""
        url, method, data = request.url, request.method, request.data
        headers = dict(self._get_headers(request))
        headers.setdefault("Accept-Encoding", _ENCODINGS)
        jar = self._get_cookiejar(request)
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(url, headers, method=method, data=data, jar=jar)
            target = redirect_of(response, url)
            if target is None:
                return _answer(response, url, self._requests.body(response))
            headers.pop("Cookie", None)
            if host_of(target) != host_of(url):
                headers.pop("Authorization", None)
            if (after := _method_after(method, response.status)) != method:
                method, data = after, None
                headers = {n: v for n, v in headers.items() if n not in _OF_BODIES}
            url = normalize_url(target)
        self._requests.end(FetchFailure("address", f"more than {MOST_REDIRECTS} redirects"))
        raise AssertionError  # the line above raises

    def _ask(
        self, url: str, headers: dict[str, str], *, method: str, data: Any, jar: Any
    ) -> BaseHTTPResponse:
        """Send one request with the cookies of its address, and keep those of the answer."""
        if "Cookie" not in headers and (cookies := jar.get_cookie_header(url)):
            headers = headers | {"Cookie": cookies}
        response = self._requests.send(
            url, headers, method=method, body=data, interval_s=self._interval_s
        )
        message = Message()
        for name, value in response.headers.items():
            message.add_header(name, value)
        asked = CookieRequest(url)  # noqa: S310 -- it is not opened: cookie jars take no other type
        jar.extract_cookies(SimpleNamespace(info=lambda: message), asked)
        return response


class _Body(io.RawIOBase):
    """The body of an answer as a file, read when it is asked for."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self._chunks, self._left = chunks, b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        if not self._left:
            self._left = next(self._chunks, b"")
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count


class _Answer(Response):  # type: ignore[misc] # yt-dlp carries no types
    """An answer whose failures while it is read are those of yt-dlp."""

    def read(self, amt: int | None = None) -> bytes:
        """Return that many bytes or fewer; None: all.

        Raises:
            TransportError, RequestError: as `ClientRH`.
        """
        if self.closed:
            return b""
        try:
            data: bytes = self.fp.read(-1 if amt is None else amt)
        except (FetchFailure, Stopped) as exc:
            raise_translated(exc)
        return data


def _answer(response: BaseHTTPResponse, url: str, chunks: Iterator[bytes]) -> Response:
    """Return an answer as yt-dlp has them."""
    return _Answer(_Body(chunks), url, response.headers, response.status, response.reason)


def _method_after(method: str, status: int) -> str:
    """Return the method after a redirect (RFC 9110, 15.4: as browsers have it).

    >>> _method_after("POST", 302), _method_after("POST", 307), _method_after("HEAD", 303)
    ('GET', 'POST', 'HEAD')
    """
    other = status == 303 and method != "HEAD"  # noqa: PLR2004 -- See Other
    return "GET" if other or (status in {301, 302} and method == "POST") else method


def raise_translated(exc: FetchFailure | Stopped) -> NoReturn:
    """Raise the error of yt-dlp that stands for a failure; the failure is its cause.

    Extractors get over a `TransportError` where a request is not necessary; a `RequestError` of no
    other kind ends the look-up.
    """
    name = exc.outcome.name if isinstance(exc, FetchFailure) else ""
    if name == "truncated":
        raise IncompleteRead(partial=0, cause=exc) from exc
    raise (TransportError if name == "network" else RequestError)(cause=exc) from exc
