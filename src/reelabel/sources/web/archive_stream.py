"""The bytes of an archive of some gigabytes as they come; nothing of it is stored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from reelabel.sources.web.answers import check_answer
from reelabel.sources.web.client import PARTIAL, Client
from reelabel.sources.web.clock import Clock
from reelabel.sources.web.headers import Validators, content_range
from reelabel.sources.web.outcomes import FetchFailure

MOST_BREAKS = 20
"""How often one archive is continued."""
_CONTINUED = frozenset({"network", "truncated"})


class ArchiveStream:
    """Reads an archive; one that breaks off is continued if its host has the same version still.

    Args:
        client: what fetches.
        url: of the archive.
        clock: time.
        patiently: makes a request, and repeats it where that is of use.
        came: called with the number of bytes that came; what it raises ends reading.

    Attributes:
        failure: what the host or the network broke reading off with; None for other reasons.

    Raises:
        FetchFailure: if it cannot be had.
    """

    def __init__(
        self,
        client: Client,
        url: str,
        clock: Clock,
        *,
        patiently: Callable[[Callable[[], None]], None],
        came: Callable[[int], None],
    ) -> None:
        self._client, self._url, self._clock = client, url, clock
        self._patiently, self._came = patiently, came
        self.failure: FetchFailure | None = None
        self._answer = contextlib.ExitStack()
        self._chunks: Iterator[bytes] = iter(())
        self._version = Validators()
        self._left, self._offset, self._breaks = b"", 0, 0
        patiently(self._ask)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end.

        Raises:
            FetchFailure: if it breaks off and cannot be continued.
        """
        while not self._left:
            try:
                self._left = next(self._chunks, b"")
            except FetchFailure as failure:
                self._continue(failure)
                continue
            if not self._left:
                return b""
            self._offset += len(self._left)
            self._came(len(self._left))
        data, self._left = self._left[:size], self._left[size:]
        return data

    def close(self) -> None:
        """End reading."""
        self._answer.close()

    def _ask(self) -> None:
        """Ask for the archive, or for the rest of it."""
        self._answer.close()
        asked = {}
        if self._offset:
            asked = {"Range": f"bytes={self._offset}-", "If-Range": self._version.if_range}
        with contextlib.ExitStack() as stack:
            _, response = stack.enter_context(self._client.open(self._url, asked))
            check_answer(response, self._clock.now())
            if self._offset:
                part = content_range(response.headers.get("content-range"))
                if response.status != PARTIAL or part is None or part.start != self._offset:
                    raise FetchFailure("changed", "the archive changed while it was read")
            else:
                self._version = Validators.of(response.headers)
            self._answer = stack.pop_all()
        self._chunks = self._client.chunks(response)

    def _continue(self, failure: FetchFailure) -> None:
        """Ask for the rest, or raise what broke it off."""
        self._breaks += 1
        self.failure = failure
        can = self._version.if_range and self._breaks <= MOST_BREAKS
        if not can or failure.outcome.name not in _CONTINUED:
            raise failure
        self._patiently(self._ask)
        self.failure = None
