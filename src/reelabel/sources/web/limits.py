"""How much is asked of hosts and of the network: one place that every request and byte passes.

A host is a name without its port: budgets hold for the machine, not for one of its services.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reelabel.sources.web.clock import Clock
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.settings import Politeness

MOST_FORBIDDEN = 5
"""Refusals (403) in a row after which nothing more is asked of a host in a run."""
_BURST_S = 0.1
"""Seconds of bandwidth that may be used at once."""
_LONGEST_DELAY_S = 300.0
"""What is taken of a Crawl-delay at most."""
DAY_S = 86_400


@dataclass
class _Host:
    """The budget of one host; times are monotonic."""

    slots: threading.Semaphore
    next_at: float = 0.0
    interval_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


def day_of(now: float) -> str:
    """Return the day (UTC) of a time in seconds since 1970, such as ``2026-01-31``."""
    return datetime.fromtimestamp(now, UTC).date().isoformat()


class Limits:
    """Budgets of hosts, bandwidth and the day; used by all threads.

    Args:
        politeness: the settings.
        clock: time.
        used_bytes: what was fetched today already.
    """

    def __init__(self, politeness: Politeness, clock: Clock, used_bytes: int = 0) -> None:
        self._politeness, self._clock = politeness, clock
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._day, self._day_bytes = day_of(clock.now()), used_bytes
        self._free_at = clock.monotonic()
        self.fetched_bytes = 0

    def ready_at(self, host: str) -> float:
        """Return the monotonic time at which a host may be asked again."""
        return self._host(host).next_at

    def slow_down(self, host: str, interval_s: float) -> None:
        """Keep a longer interval for a host, as its robots.txt asks for."""
        self._host(host).interval_s = min(interval_s, _LONGEST_DELAY_S)

    @contextlib.contextmanager
    def request(self, host: str) -> Iterator[None]:
        """Hold one of a host's connections, from its turn to the end of the answer.

        Raises:
            Stopped: if fetching is to stop.
            FetchFailure: ``disk`` if the quota of the day is used up.
        """
        self._check_quota()
        budget = self._host(host)
        while not budget.slots.acquire(timeout=0.1):
            self._clock.check()
        try:
            self._wait_turn(budget)
            yield
        finally:
            budget.slots.release()

    def answered(self, host: str) -> None:
        """Count the interval from the answer, so that it holds where the host measures it."""
        budget = self._host(host)
        with budget.lock:
            budget.next_at = self._clock.monotonic() + self._interval_s(budget)

    def spend(self, count: int) -> None:
        """Count bytes that came, and wait until the bandwidth allows the next ones.

        Raises:
            Stopped: if fetching is to stop.
            FetchFailure: ``disk`` if the quota of the day is used up.
        """
        rate = self._politeness.max_bytes_per_s
        with self._lock:
            self.fetched_bytes += count
            self._day_bytes += count
            now = self._clock.monotonic()
            if rate is not None:
                self._free_at = max(self._free_at, now - _BURST_S) + count / rate
            wait_s = self._free_at - now
        if rate is not None and wait_s > 0:
            self._clock.sleep(wait_s)
        self._clock.check()
        self._check_quota()

    def _check_quota(self) -> None:
        quota = self._politeness.max_bytes_per_day
        now = self._clock.now()
        with self._lock:
            if (today := day_of(now)) != self._day:
                self._day, self._day_bytes = today, 0
            full = quota is not None and self._day_bytes >= quota
        if full:
            left_s = DAY_S - now % DAY_S
            raise FetchFailure(
                "disk", f"the quota of {quota} bytes a day is used up", retry_after_s=left_s
            )

    def _wait_turn(self, budget: _Host) -> None:
        """Wait until a host may be asked, and take the turn."""
        with budget.lock:
            now = self._clock.monotonic()
            turn = max(now, budget.next_at)
            budget.next_at = turn + self._interval_s(budget)
        self._clock.sleep(turn - now)

    def _interval_s(self, budget: _Host) -> float:
        return max(self._politeness.host_interval_s, budget.interval_s)

    def _host(self, host: str) -> _Host:
        with self._lock:
            if host not in self._hosts:
                slots = threading.Semaphore(self._politeness.host_connections)
                self._hosts[host] = _Host(slots)
            return self._hosts[host]
