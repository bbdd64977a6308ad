"""Which wanted video is fetched next, from which host, and which takes the place of a dead one.

Pure bookkeeping of one thread; times are seconds since 1970. Every step takes time that does not
grow with the number of videos or hosts, but for a logarithm.
"""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from reelabel.sources.web.addresses import host_of
from reelabel.sources.web.headers import seconds_of
from reelabel.tables import Row

Key = tuple[str, str]
"""Source and want id."""
FETCHED = "fetched"


@dataclass(frozen=True, slots=True)
class Want:
    """One row of the table `wants`, as far as fetching needs it."""

    source: str
    want_id: str
    url: str
    page: bool
    labels: tuple[str, ...]
    start_s: float | None
    end_s: float | None
    rank: int
    chosen: bool
    licence: str
    uploader: str
    title: str
    native_id: str = ""
    native_label: str = ""
    split: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Want:
        """Return the want of a row."""
        values = {name: row[name] for name in cls.__slots__}
        return cls(**values | {"labels": tuple(row["labels"] or ())})

    @property
    def key(self) -> Key:
        """Return what names it among all sources."""
        return self.source, self.want_id

    @property
    def host(self) -> str:
        """Return the host of its address."""
        return host_of(self.url)


class _Spares:
    """What may replace dead videos: of the same source and classes, the lowest rank first."""

    def __init__(self, wants: Iterable[Want]) -> None:
        self._alike: dict[tuple[str, tuple[str, ...]], deque[Want]] = defaultdict(deque)
        self._sharing: dict[Key, deque[Want]] = defaultdict(deque)
        self._used: set[Key] = set()
        for want in sorted(wants, key=lambda w: (w.rank, w.want_id)):
            self._alike[want.source, want.labels].append(want)
            for label in want.labels:
                self._sharing[want.source, label].append(want)

    def next_for(self, dead: Want) -> Want | None:
        """Return the next one of the same classes, else of one of them, None if none is left."""
        queues = [self._alike[dead.source, dead.labels]]
        queues += [self._sharing[dead.source, label] for label in dead.labels]
        for queue in queues:
            while queue:
                want = queue.popleft()
                if want.key not in self._used:
                    self._used.add(want.key)
                    return want
        return None


@dataclass
class Host:
    """What waits for one host.

    Attributes:
        not_before: it is left alone until then.
        stopped: why nothing more is asked of it in this run, empty if it is.
        in_flight: attempts that are under way.
        limited: answers in a row that asked for fewer requests.
        forbidden: answers in a row that refused.
        faulty: attempts in a row that brought no answer, or one that states a fault of the host.
        waiting: its videos as a heap, by the time before which they are not tried.
        announced: when the queue will look at it.
    """

    name: str
    not_before: float = 0.0
    stopped: str = ""
    in_flight: int = 0
    limited: int = 0
    forbidden: int = 0
    faulty: int = 0
    waiting: list[tuple[float, int, Want]] = field(default_factory=list)
    announced: float | None = None


class WantQueue:
    """The videos of all sources that are to be fetched.

    Args:
        wants: chosen ones and those that may replace them.
        rows: what is known of them, by source and want id.
        connections: attempts at one host at once.

    Attributes:
        played: chosen videos and those that came into play for dead ones, in a fixed order.
        replaced: keys of dead videos whose place another one has taken.
        hosts: by name.
    """

    def __init__(
        self, wants: Iterable[Want], rows: Mapping[Key, Row], *, connections: int = 1
    ) -> None:
        known = list(wants)
        self._rows, self._connections, self._order = rows, connections, count()
        self._spares = _Spares(want for want in known if not want.chosen)
        self.played: dict[Key, Want] = {}
        self.replaced: set[Key] = set()
        self.hosts: dict[str, Host] = {}
        self._ready: list[tuple[float, int, Host]] = []
        for want in sorted((w for w in known if w.chosen), key=lambda w: (w.rank, *w.key)):
            self._play(want)

    def take(self, now: float) -> Want | None:
        """Return a video that may be tried now, None if there is none."""
        while self._ready and self._ready[0][0] <= now:
            host = self._first()
            at = self._next_at(host) if host else None
            if host is None or at is None:
                continue
            want = None
            if at <= now:
                host.in_flight += 1
                want = heapq.heappop(host.waiting)[2]
            self._announce(host)
            if want is not None:
                return want
        return None

    def next_at(self) -> float | None:
        """Return when the next video may be tried, None if nothing waits for its time."""
        while self._ready:
            at, _, host = self._ready[0]
            real = self._next_at(host)
            if host.announced == at and real is not None and real <= at:
                return at
            if found := self._first():
                self._announce(found)
        return None

    def ended(self, want: Want, *, not_before: float = 0.0) -> Host:
        """Note that an attempt has ended; its host is left alone until a time."""
        host = self.hosts[want.host]
        host.in_flight -= 1
        host.not_before = max(host.not_before, not_before)
        self._announce(host)
        return host

    def again(self, want: Want, at: float) -> None:
        """Try a video again in this run, not before a time."""
        self._enqueue(want, at)

    def dead(self, want: Want) -> Want | None:
        """Put another video in the place of one that is dead; return it, None if none is left."""
        replacement = self._replacement(want)
        if replacement is not None:
            self._play(replacement)
        return replacement

    def pause(self, name: str, until: float) -> None:
        """Leave a host alone until a time."""
        host = self._host(name)
        host.not_before = max(host.not_before, until)

    def left(self) -> Iterator[Want]:
        """Yield what waits still."""
        for host in self.hosts.values():
            yield from (want for _, _, want in host.waiting)

    def _play(self, want: Want) -> None:
        """Bring a video into play, or what replaces it if it is known to be dead."""
        current: Want | None = want
        while current is not None:
            self.played[current.key] = current
            row = self._rows.get(current.key)
            if row is None or not row["final"]:
                self._enqueue(current, seconds_of(row["next_try_at"]) if row else 0.0)
                return
            current = None if row["state"] == FETCHED else self._replacement(current)

    def _replacement(self, dead: Want) -> Want | None:
        found = self._spares.next_for(dead)
        if found is not None:
            self.replaced.add(dead.key)
        return found

    def _enqueue(self, want: Want, at: float) -> None:
        host = self._host(want.host)
        heapq.heappush(host.waiting, (at, next(self._order), want))
        self._announce(host)

    def _host(self, name: str) -> Host:
        return self.hosts.setdefault(name, Host(name))

    def _next_at(self, host: Host) -> float | None:
        """Return when a host may be asked for its next video, None if it may not."""
        if host.stopped or not host.waiting or host.in_flight >= self._connections:
            return None
        return max(host.waiting[0][0], host.not_before)

    def _announce(self, host: Host) -> None:
        """Note when a host has something to do, unless an earlier note will be looked at."""
        at = self._next_at(host)
        if at is not None and (host.announced is None or host.announced > at):
            host.announced = at
            heapq.heappush(self._ready, (at, next(self._order), host))

    def _first(self) -> Host | None:
        """Take the first note away and return its host, None if the note is out of date."""
        at, _, host = heapq.heappop(self._ready)
        if host.announced != at:
            return None
        host.announced = None
        return host
