"""Asks a host for lookup files, under the rules that hold for everything that is fetched."""

from __future__ import annotations

from collections.abc import Callable

from reelabel.errors import UsageError
from reelabel.sources.web.asking import patiently, read_small
from reelabel.sources.web.client import Client
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.limits import Limits
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.settings import FetchSettings


def asking(
    settings: FetchSettings, limit_bytes: int, clock: Clock | None = None
) -> Callable[[str], bytes]:
    """Return the function from an address to its content, empty if nothing is there.

    It raises `UsageError` for what cannot be had.

    Args:
        settings: of fetching.
        limit_bytes: largest content.
        clock: time.
    """
    clock = clock or Clock()
    client = Client(settings, clock, Limits(settings.politeness, clock))

    def ask(url: str) -> bytes:
        try:
            return patiently(
                lambda: read_small(client, url, clock, limit_bytes), settings.politeness, clock
            )
        except FetchFailure as failure:
            if failure.outcome.name == "removed":
                return b""
            raise UsageError(
                f"{url}: expected a lookup file of YouTube-8M, but got {failure}: run again later, "
                "correct 'fetch', or name a folder or another address under 'lookups'"
            ) from failure

    return ask
