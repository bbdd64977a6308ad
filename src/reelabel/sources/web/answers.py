"""Outcomes of answers: statuses, headers that forbid use, and what breaks on the way."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

import urllib3
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import IncompleteRead, LocationValueError, ProtocolError

from reelabel.sources.web.headers import refusal_in, retry_after_s
from reelabel.sources.web.outcomes import FetchFailure

_OK = frozenset({200, 206})
_STATUSES = {
    204: "not_media",
    401: "private",
    402: "private",
    403: "forbidden",
    404: "removed",
    408: "network",
    410: "removed",
    429: "rate_limit",
    451: "geo",
    503: "rate_limit",
}
_SERVER_FAULT = 500


def failure_of(response: BaseHTTPResponse, now: float) -> FetchFailure | None:
    """Return the outcome that a status means, None if the answer holds the file.

    Args:
        response: the answer.
        now: seconds since 1970, for a Retry-After with a date.
    """
    status = response.status
    if status in _OK:
        return None
    name = _STATUSES.get(status, "server" if status >= _SERVER_FAULT else "unknown")
    if response.headers.get("cf-mitigated", "").lower() == "challenge":
        name = "bot_check"
    wait_s = retry_after_s(response.headers.get("retry-after"), now)
    message = f"{status} {response.reason or ''}".strip()
    return FetchFailure(name, message, http_status=status, retry_after_s=wait_s)


def check_answer(response: BaseHTTPResponse, now: float) -> None:
    """Refuse an answer that does not hold the file, or whose headers forbid its use.

    Raises:
        FetchFailure: with the outcome.
    """
    if failure := failure_of(response, now):
        raise failure
    if refusal := refusal_in(response.headers.getlist("x-robots-tag")):
        message = f"X-Robots-Tag: {refusal}"
        raise FetchFailure("opted_out", message, http_status=response.status)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        message = f"Content-Encoding {encoding} although none was accepted"
        raise FetchFailure("not_media", message, http_status=response.status)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Translate what urllib3 raises into outcomes.

    Raises:
        FetchFailure: ``truncated``, ``network``, or ``address`` for a host that cannot be one.
    """
    try:
        yield
    except ProtocolError as exc:
        cut_off = any(isinstance(a, IncompleteRead | http.client.IncompleteRead) for a in exc.args)
        raise FetchFailure("truncated" if cut_off else "network", _words(exc)) from exc
    except IncompleteRead as exc:
        raise FetchFailure("truncated", _words(exc)) from exc
    except LocationValueError as exc:
        raise FetchFailure("address", _words(exc)) from exc
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as exc:
        raise FetchFailure("network", _words(exc)) from exc
    except ValueError as exc:
        raise FetchFailure("address", _words(exc)) from exc


def _words(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"
