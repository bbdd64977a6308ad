"""Requests that are repeated, and answers that are small enough to be read at once.

Videos are repeated by their scheduler; this is for what must be there before any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from urllib3 import BaseHTTPResponse

from reelabel.sources.web.answers import failure_of
from reelabel.sources.web.client import Client
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.headers import length_of
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.settings import Politeness

T = TypeVar("T")

_LONGEST_BACKOFF_S = 300.0
_ERROR_BYTES = 4 << 10


def patiently(
    ask: Callable[[], T],
    politeness: Politeness,
    clock: Clock,
    *,
    sleep: Callable[[float], None] | None = None,
) -> T:
    """Return what a request brings; repeat it as often as the outcome of its failure allows.

    Args:
        ask: makes the request; raises `FetchFailure`.
        politeness: how long to wait, and how long at most.
        clock: time.
        sleep: waits, by default as the clock does.

    Raises:
        FetchFailure: the last one.
    """
    tries = 0
    while True:
        try:
            return ask()
        except FetchFailure as failure:
            tries += 1
            backoff_s = min(politeness.backoff_s * 2.0 ** (tries - 1), _LONGEST_BACKOFF_S)
            wait_s = max(failure.retry_after_s or 0.0, backoff_s * (0.5 + clock.chance()))
            if tries > failure.outcome.retries or wait_s > politeness.longest_wait_s:
                raise
        (sleep or clock.sleep)(wait_s)


def read_small(client: Client, url: str, clock: Clock, limit_bytes: int) -> bytes:
    """Return the body of an answer.

    Raises:
        FetchFailure: with the outcome; ``too_large`` beyond the limit; ``removed`` also where a
            store of objects refuses what it does not have.
    """
    with client.open(url, {}) as (_, response):
        if failure := failure_of(response, clock.now()):
            if failure.outcome.name == "forbidden":
                failure = _denied(client, response) or failure
            raise failure
        if (length_of(response.headers) or 0) > limit_bytes:
            raise FetchFailure("too_large", f"allowed are {limit_bytes} bytes")
        body = bytearray()
        for data in client.chunks(response):
            body += data
            if len(body) > limit_bytes:
                raise FetchFailure("too_large", f"allowed are {limit_bytes} bytes")
        return bytes(body)


def _denied(client: Client, response: BaseHTTPResponse) -> FetchFailure | None:
    """Return that nothing is there, if a refusal is that of S3 or Google's storage.

    They answer 403 ``AccessDenied`` for an object that is not there, unless it may be listed.
    """
    body = bytearray()
    for data in client.chunks(response):
        body += data
        if len(body) >= _ERROR_BYTES:
            break
    if b"<Code>AccessDenied</Code>" not in body[:_ERROR_BYTES]:
        return None
    return FetchFailure("removed", "403 AccessDenied", http_status=response.status)
