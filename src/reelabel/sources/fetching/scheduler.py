"""Fetches what is wanted: one scheduler over all hosts, threads that do the attempts.

All decisions are taken in one thread: what follows from an outcome, which host is left alone, which
video replaces a dead one. Each is written into the journal before anything builds on it.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import ReelabelError
from reelabel.sources.fetching.attempts import Attempts, Came
from reelabel.sources.fetching.fetch_tools import Tools
from reelabel.sources.fetching.journal import Journal
from reelabel.sources.fetching.queue import FETCHED, Host, Key, Want, WantQueue
from reelabel.sources.web.clock import Stopped
from reelabel.sources.web.headers import LONGEST_RETRY_AFTER_S, iso_time
from reelabel.sources.web.limits import MOST_FORBIDDEN, Limits, day_of
from reelabel.sources.web.outcomes import OUTCOMES, FetchFailure
from reelabel.sources.web.part_file import SUFFIX, finish
from reelabel.sources.web.settings import FetchSettings
from reelabel.tables import Row

MOST_LIMITED, MOST_FAULTY = 3, 20
"""Answers in a row after which nothing more is asked of a host in this run."""
_LONGEST_BACKOFF_S = 300.0
_LOOK_S = 0.25
_FAULTS = frozenset({"network", "server"})
BLANK: Row = {
    "state": "waiting",
    "outcome": "waiting",
    "final": False,
    "attempts": 0,
    "next_try_at": "",
    "http_status": None,
    "message": "",
    "file": "",
    "sha256": "",
    "size_bytes": None,
    "fetched_bytes": 0,
    "span_start_s": None,
    "span_end_s": None,
    "extractor": "",
    "format": "",
    "licence": "",
    "uploader": "",
    "title": "",
    "fetched_at": "",
    "limit": "",
}
_LIMITED: Mapping[str, Callable[[FetchSettings], str]] = {
    "too_large": lambda settings: str(settings.max_bytes),
    "address": lambda settings: "allow " + ",".join(settings.allow),
    "age": lambda settings: f"cookies {settings.sites.cookies}",
    "private": lambda settings: f"cookies {settings.sites.cookies}",
}
_ALWAYS = frozenset({"state", "outcome", "final"})

Tick = Callable[[float, str], None]
Ended = tuple[Want, Came | BaseException | None]
"""A video and how its attempt ended; None: its host is free, what came is still looked at."""


def brief(row: Row) -> Row:
    """Return a row for the journal: without what is blank, but for what every reader asks for."""
    return {k: v for k, v in row.items() if k in _ALWAYS or v != BLANK.get(k)}


def blank_row(want: Want) -> Row:
    """Return the columns of a video that was not tried yet."""
    return BLANK | {"licence": want.licence, "uploader": want.uploader, "title": want.title}


@dataclass(frozen=True)
class Shop:
    """What a run of fetching works with.

    Attributes:
        settings: of fetching.
        tools: time among them.
        limits: the budgets.
        attempts: does one attempt.
        journals: of each source.
        home: the folder of all downloads.
    """

    settings: FetchSettings
    tools: Tools
    limits: Limits
    attempts: Attempts
    journals: Mapping[str, Journal]
    home: Path


class Fetching:
    """One run over everything that is due.

    Args:
        shop: what it works with.
        wants: the videos, and what is known of them.
        rows: outcomes of earlier runs, which this one continues.
        tick: called with the share that is done and a few words; what it raises stops the run.

    Attributes:
        rows: the outcome of each video that was tried.
        stopped: hosts of which nothing more is asked, with the reason.
        full: why everything was stopped, empty if it was not.
        full_until: until when (seconds since 1970).
    """

    def __init__(self, shop: Shop, wants: WantQueue, rows: Mapping[Key, Row], tick: Tick) -> None:
        self._shop, self._queue, self._tick = shop, wants, tick
        self._clock = shop.tools.clock
        self.rows: dict[Key, Row] = dict(rows)
        self.stopped: dict[str, str] = {}
        self.full, self.full_until = "", 0.0
        self._tries: Counter[Key] = Counter()
        self._released: set[Key] = set()
        self._dead: dict[str, FetchFailure] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._in_flight = self._settled = 0
        self._left = sum(1 for _ in wants.left())
        self._began = self._clock.monotonic()

    def run(self) -> None:
        """Fetch until nothing is left that can be tried within the longest wait.

        Raises:
            WorkspaceError: if the journal cannot be written.
        """
        pool = ThreadPoolExecutor(self._shop.settings.hosts, "fetch")
        try:
            while self._start_some(pool) or self._in_flight or self._wait():
                if self._in_flight:
                    self._settle_some()
        finally:
            self._clock.stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._clock.stop.clear()

    # -- what is done next --------------------------------------------------------------------

    def _start_some(self, pool: ThreadPoolExecutor) -> bool:
        """Start what may be tried now; return whether something was done."""
        done = False
        while not self.full and self._in_flight < self._shop.settings.hosts:
            want = self._queue.take(self._clock.now())
            if want is None:
                break
            done = True
            self._in_flight += 1
            if want.url in self._dead:
                self._settle(want, self._dead[want.url], asked=False)
            else:
                pool.submit(self._try, want)
        return done

    def _wait(self) -> bool:
        """Sleep until the next video may be tried; return False if that is too far off."""
        at = None if self.full else self._queue.next_at()
        wait_s = None if at is None else at - self._clock.now()
        if wait_s is None or wait_s > self._shop.settings.politeness.longest_wait_s:
            return False
        self._show(f"waiting {max(wait_s, 0):.0f} s for a host")
        self._clock.sleep(min(max(wait_s, 0.0), 1.0))
        return True

    def _try(self, want: Want) -> None:
        """Do one attempt, in a thread of the pool."""
        result: Came | BaseException
        try:
            result = self._shop.attempts(want, lambda: self._ended.put((want, None)))
        except (FetchFailure, Stopped, ReelabelError) as exc:
            result = exc
        except Exception as exc:  # noqa: BLE001 -- one video must not end the others
            result = FetchFailure("unknown", f"{type(exc).__name__}: {exc}")
        self._ended.put((want, result))

    def _settle_some(self) -> None:
        """Take up what has ended; wait a little for it."""
        try:
            want, result = self._ended.get(timeout=_LOOK_S)
        except queue.Empty:
            self._show("")
            return
        if result is None:
            self._release(want)
            return
        self._settle(want, result)
        self._show(want.want_id)

    # -- what follows from an outcome ---------------------------------------------------------

    def _settle(self, want: Want, result: Came | BaseException, *, asked: bool = True) -> None:
        """Write down how an attempt ended, and draw the consequences."""
        self._in_flight -= 1
        host = self._queue.hosts[want.host]
        if want.key in self._released:
            self._released.remove(want.key)
        else:
            self._queue.ended(want, not_before=self._next_turn(want) if asked else 0.0)
        if isinstance(result, Came):
            self._succeed(want, result)
        elif isinstance(result, FetchFailure):
            self._fail(want, host, result)
        else:
            raise result

    def _release(self, want: Want) -> None:
        """Let the next video be asked of a host that has answered properly."""
        host = self._queue.ended(want, not_before=self._next_turn(want))
        host.limited = host.forbidden = host.faulty = 0
        self._released.add(want.key)

    def _next_turn(self, want: Want) -> float:
        """Return when the host of a video may be asked again."""
        now = self._clock.now()
        if want.page:
            shortest_s, longest_s = self._shop.settings.sites.delay_s
            return now + shortest_s + (longest_s - shortest_s) * self._clock.chance()
        return now + self._shop.limits.ready_at(want.host) - self._clock.monotonic()

    def _succeed(self, want: Want, came: Came) -> None:
        row = came.row | {"state": FETCHED, "outcome": FETCHED, "final": True, "message": ""}
        name = str(row["file"])
        home = self._shop.home / want.source
        self._write(want, row | {"next_try_at": ""}, came.new_bytes)
        finish(home / (Path(name).stem + SUFFIX), home / name)
        self._end()

    def _fail(self, want: Want, host: Host, failure: FetchFailure) -> None:
        outcome, now = failure.outcome, self._clock.now()
        self._tries[want.key] += 1
        self._count(host, failure)
        wait_s = self._backoff_s(want, host, failure)
        again = self._tries[want.key] <= outcome.retries and outcome.name != "rate_limit"
        if outcome.stops == "all":
            least_s = self._shop.settings.politeness.retry_after_s
            self.full, self.full_until = failure.message, now + max(wait_s, least_s)
        elif reason := self._reason_to_stop(host, failure):
            self._stop(want, host, reason, wait_s)
        elif outcome.name == "rate_limit":
            again = True
            self._queue.pause(host.name, now + wait_s)
        self._write_failure(want, failure, wait_s)
        if outcome.final:
            self._bury(want, failure)
        elif again and not host.stopped and not self.full:
            self._queue.again(want, now + wait_s)
        if not again:
            self._end()

    def _count(self, host: Host, failure: FetchFailure) -> None:
        """Count answers in a row that are about the host, not about one video."""
        name = failure.outcome.name
        if failure.http_status is not None:
            host.limited = host.limited if name == "rate_limit" else 0
            host.forbidden = host.forbidden if name == "forbidden" else 0
        host.limited += name == "rate_limit"
        host.forbidden += name == "forbidden"
        host.faulty = host.faulty + 1 if name in _FAULTS else 0

    def _reason_to_stop(self, host: Host, failure: FetchFailure) -> str:
        """Return why nothing more is to be asked of a host, empty if that is not so."""
        if failure.outcome.stops == "host":
            return failure.outcome.meaning
        if host.limited >= MOST_LIMITED:
            return f"it asked for fewer requests {MOST_LIMITED} times in a row"
        if host.forbidden >= MOST_FORBIDDEN:
            return f"it refused {MOST_FORBIDDEN} files in a row"
        if host.faulty >= MOST_FAULTY:
            return f"{MOST_FAULTY} attempts in a row failed"
        return ""

    def _backoff_s(self, want: Want, host: Host, failure: FetchFailure) -> float:
        """Return how long to wait: what the host asks for, else longer each time, with jitter."""
        polite = self._shop.settings.politeness
        times = max(self._tries[want.key], host.limited) - 1
        backoff_s = min(polite.backoff_s * 2.0 ** min(times, 30), _LONGEST_BACKOFF_S)
        jittered_s = backoff_s * (0.5 + self._clock.chance())
        return max(failure.retry_after_s or 0.0, jittered_s)

    def _stop(self, want: Want, host: Host, reason: str, wait_s: float) -> None:
        """Ask nothing more of a host in this run, nor in one that follows soon."""
        host.stopped = reason
        self.stopped[host.name] = reason
        until = self._clock.now() + max(wait_s, self._shop.settings.politeness.retry_after_s)
        self._queue.pause(host.name, until)
        self._shop.journals[want.source].host(host.name, until, reason)

    def _bury(self, want: Want, failure: FetchFailure) -> None:
        """Put the next one in the place of a dead video, and ask for its address no more."""
        if failure.outcome.name != "bad_media":
            self._dead[want.url] = failure
        self._left += self._queue.dead(want) is not None

    def _end(self) -> None:
        """Count a video that is not tried again in this run."""
        self._settled, self._left = self._settled + 1, self._left - 1

    # -- what is written down -----------------------------------------------------------------

    def _write_failure(self, want: Want, failure: FetchFailure, wait_s: float) -> None:
        outcome = failure.outcome
        least_s = self._shop.settings.politeness.retry_after_s
        later_s = min(max(wait_s, least_s), LONGEST_RETRY_AFTER_S)
        row: Row = {
            "state": outcome.state,
            "outcome": outcome.name,
            "final": outcome.final,
            "http_status": failure.http_status,
            "message": failure.message,
            "next_try_at": "" if outcome.final else iso_time(self._clock.now() + later_s),
            "limit": limit_of(outcome.name, self._shop.settings),
        }
        self._write(want, row, 0)

    def _write(self, want: Want, changes: Row, new_bytes: int) -> None:
        """Write a video's row into its journal."""
        journal = self._shop.journals[want.source]
        before = self.rows.get(want.key) or blank_row(want)
        fetched = journal.history.came_bytes[want.want_id] + new_bytes
        row = before | changes
        row["attempts"] = int(before["attempts"]) + 1
        row["fetched_bytes"] = int(before["fetched_bytes"]) + fetched
        self.rows[want.key] = row
        journal.row(want.want_id, brief(row), day=day_of(self._clock.now()), new_bytes=new_bytes)

    def _show(self, words: str) -> None:
        """Show progress; what the tick raises ends the run."""
        seconds = max(self._clock.monotonic() - self._began, 1e-3)
        rate = self._shop.limits.fetched_bytes / seconds / 1e6
        share = self._settled / max(self._settled + self._left, 1)
        stopped = f", {len(self.stopped)} hosts stopped" if self.stopped else ""
        self._tick(share, f"{rate:.1f} MB/s{stopped} {words}")


def limit_of(outcome: str, settings: FetchSettings) -> str:
    """Return the setting that an outcome rests on: with another one it is not final."""
    return _LIMITED[outcome](settings) if outcome in _LIMITED else ""


def is_final(row: Row, settings: FetchSettings) -> bool:
    """Return whether a row is left alone: it is final, under the settings of today."""
    outcome = OUTCOMES.get(str(row.get("outcome")))
    if outcome is None or not outcome.final:
        return False
    return outcome.name not in _LIMITED or limit_of(outcome.name, settings) == row.get("limit")
