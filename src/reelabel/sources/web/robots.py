"""What a host's robots.txt allows (RFC 9309), asked for once per host and run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import urlsplit
from urllib.robotparser import RobotFileParser

from reelabel.sources.web.headers import AGENT

Answer = tuple[int, bytes]
"""Status and body."""


class Robots:
    """The rules of every host that was asked.

    Args:
        get: returns status and body of an address; raises `FetchFailure`.
    """

    def __init__(self, get: Callable[[str], Answer]) -> None:
        self._get = get
        self._known: dict[str, RobotFileParser] = {}
        self._asking: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def allows(self, url: str) -> bool:
        """Return whether an address may be asked for.

        Raises:
            FetchFailure: if the host has no answer: then nothing else is asked of it.
        """
        return self._rules(url).can_fetch(AGENT, url)

    def delay_s(self, url: str) -> float:
        """Return the pause between requests that the host asks for, 0 if it does not."""
        return float(self._rules(url).crawl_delay(AGENT) or 0)

    def _rules(self, url: str) -> RobotFileParser:
        parts = urlsplit(url)
        home = f"{parts.scheme}://{parts.netloc.rpartition('@')[2].lower()}"
        with self._lock:
            asking = self._asking.setdefault(home, threading.Lock())
        with asking:
            if home not in self._known:
                self._known[home] = _parsed(*self._get(f"{home}/robots.txt"))
            return self._known[home]


def _parsed(status: int, body: bytes) -> RobotFileParser:
    """Return the rules in an answer; without such a file everything is allowed."""
    rules = RobotFileParser()
    text = body.decode("utf-8", errors="replace") if status == 200 else ""  # noqa: PLR2004 -- OK
    rules.parse(text.removeprefix("\ufeff").splitlines())
    return rules
