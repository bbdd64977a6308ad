"""Which videos of a manifest are fetched: filters, a rank by hash, the same number of each class.

The rank of a video is a hash of the seed and its id. The lowest of each class are chosen, so the
choice is the same for any order of the file and changes little when the list grows, and what
replaces a video that is gone is the next rank.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import ceil

from reelabel.sources.manifests.entries import Entry, Tally
from reelabel.sources.manifests.names import want_name
from reelabel.sources.manifests.settings import Manifest

HOUR_S = 3600.0
GB = 1e9
Key = tuple[str, float | None, float | None]


def rank_of(seed: int, key: Key) -> int:
    """Return the rank of a want: 63 bits of BLAKE2b (RFC 7693) of the seed and its id and span."""
    text = f"{seed}\n{key[1]}\n{key[2]}\n{key[0]}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


@dataclass(frozen=True)
class Chosen:
    """A want, chosen or kept to replace one that is gone.

    Attributes:
        want_id: file-safe and unique in its manifest.
        entry: the row of the manifest.
        rank: its order.
        why_not: why it is not chosen, empty if it is.
    """

    want_id: str
    entry: Entry
    rank: int
    why_not: str = ""


class Filters:
    """The filters of a manifest that need no other row than the one at hand."""

    def __init__(self, manifest: Manifest) -> None:
        self._longest_s, self._least = manifest.max_duration_s, manifest.min_height
        self._sides = {side.casefold() for side in manifest.split}
        self._licences = [licence.casefold() for licence in manifest.licence]

    def reason(self, entry: Entry) -> str:
        """Return why an entry is left out, empty if it is not."""
        if self._sides and entry.split.casefold() not in self._sides:
            return "of another split, or of none"
        length_s = entry.length_s
        if self._longest_s is not None and length_s is not None and length_s > self._longest_s:
            return f"longer than {self._longest_s:g} s"
        if self._least is not None and entry.height is not None and entry.height < self._least:
            return f"lower than {self._least} pixels"
        licence = entry.licence.casefold()
        if self._licences and not any(fnmatchcase(licence, each) for each in self._licences):
            return "of another licence, or of none that is stated"
        return ""


class Candidates:
    """The wants of the lowest ranks of each class, in memory that the file's length does not fill.

    Args:
        manifest: how many are taken, and how many are kept to replace others.
        seed: of the ranks.

    """

    def __init__(self, manifest: Manifest, seed: int) -> None:
        self._seed = seed
        few = [n for n in (manifest.per_class, manifest.max_videos) if n is not None]
        self._most = ceil(min(few) * (1 + manifest.spares)) if few else None
        self._entries: dict[Key, tuple[int, Entry]] = {}
        self._heaps: dict[str, list[tuple[int, Key]]] = {}
        self._places: Counter[Key] = Counter()
        self._dropped = array("q")

    def add(self, entry: Entry) -> None:
        """Take note of a row; rows of one video and span are one want with all their classes."""
        key = entry.key
        before = self._entries.get(key)
        if before is None:
            rank = rank_of(self._seed, key)
            if self._most is None:
                self._entries[key] = rank, entry
                return
            new: Collection[str] = entry.labels or ("",)
        else:
            rank, known = before
            new = set(entry.labels) - set(known.labels)
            entry = _joined(known, entry)
        if before is not None:
            self._entries[key] = rank, entry
        if self._most is not None:
            self._place(rank, entry, new)

    @property
    def incomplete(self) -> bool:
        """Return whether `complete` may add classes: a row of a kept want was left out."""
        kept = {rank for rank, _ in self._entries.values()}
        return not kept.isdisjoint(self._dropped)

    def complete(self, entries: Iterable[Entry]) -> None:
        """Add classes from a second pass: a row may have come while its want was left out."""
        for entry in entries:
            if (found := self._entries.get(entry.key)) is not None:
                self._entries[entry.key] = found[0], _joined(found[1], entry)

    def ranked(self) -> list[tuple[int, Entry]]:
        """Return all that were kept, the lowest rank first."""
        return sorted(self._entries.values(), key=lambda each: (each[0], repr(each[1].key)))

    def _place(self, rank: int, entry: Entry, labels: Collection[str]) -> None:
        """Put a want into the heaps of classes, each of which keeps its lowest ranks."""
        key = entry.key
        for label in labels:
            heap = self._heaps.setdefault(label, [])
            if len(heap) < (self._most or 0):
                heapq.heappush(heap, (-rank, key))
            elif heap and -rank > heap[0][0]:
                self._leave(*heapq.heappushpop(heap, (-rank, key)))
            else:
                self._dropped.append(rank)
                continue
            self._places[key] += 1
            self._entries[key] = rank, entry

    def _leave(self, negative: int, key: Key) -> None:
        self._dropped.append(-negative)
        self._places[key] -= 1
        if not self._places[key]:
            del self._places[key], self._entries[key]


def _joined(one: Entry, other: Entry) -> Entry:
    """Return two rows of one want as one; the same in whatever order they come."""
    labels = tuple(sorted({*one.labels, *other.labels}))
    # By all but the labels, which grow with each row.
    first = min(one, other, key=lambda entry: repr(entry._replace(labels=())))
    return first._replace(labels=labels)


def without_conflicts(
    ranked: Iterable[tuple[int, Entry]], exclusive: Collection[str], tally: Tally
) -> Iterator[tuple[int, Entry]]:
    """Yield the wants that are under at most one of the classes that exclude each other."""
    for rank, entry in ranked:
        if len(set(entry.labels) & set(exclusive)) > 1:
            tally.filtered["under several classes of which one is right"] += 1
        else:
            yield rank, entry


def choose(ranked: Iterable[tuple[int, Entry]], manifest: Manifest, tally: Tally) -> list[Chosen]:
    """Return all wants by rank, with those chosen that the manifest's numbers allow.

    A want of several classes is chosen if one of them needs it. Budgets go round the classes: the
    first of each, then the second of each. A want that a budget has no room for is passed over.

    Args:
        ranked: rank and row, the lowest first.
        manifest: numbers and budgets.
        tally: receives the wants whose names others have.
    """
    counts: Counter[str] = Counter()
    turns: list[tuple[int, Chosen]] = []
    for want in _named(ranked, tally):
        turn = min(counts[label] for label in want.entry.labels or ("",))
        counts.update(want.entry.labels or ("",))
        turns.append((turn, want))
    budget = _Budget(manifest)
    # Sorting keeps the order of ranks in each turn.
    whys = [(want, budget.why_not(turn, want.entry)) for turn, want in sorted(turns, key=_turn)]
    chosen = [Chosen(want.want_id, want.entry, want.rank, why) for want, why in whys]
    return sorted(chosen, key=lambda want: (want.rank, want.want_id))


def _turn(each: tuple[int, Chosen]) -> int:
    return each[0]


def _named(ranked: Iterable[tuple[int, Entry]], tally: Tally) -> Iterator[Chosen]:
    taken: set[str] = set()
    for rank, entry in ranked:
        name = want_name(*entry.key)
        if name.casefold() in taken:
            tally.refuse(name, "another video or span of this list has the same name")
            continue
        taken.add(name.casefold())
        yield Chosen(name, entry, rank)


class _Budget:
    """What may still be chosen of videos, bytes and hours."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._videos, self._bytes, self._seconds = 0, 0.0, 0.0

    def why_not(self, turn: int, entry: Entry) -> str:
        """Return why a want is not chosen; empty if it is, and then it is counted."""
        m = self._manifest
        if m.per_class is not None and turn >= m.per_class:
            return f"beyond {m.per_class} of its class"
        length_s, size = estimated(entry, m)
        if m.max_videos is not None and self._videos >= m.max_videos:
            return f"beyond {m.max_videos} videos"
        if m.max_gb is not None and self._bytes + size > m.max_gb * GB:
            return f"beyond {m.max_gb:g} GB"
        if m.max_hours is not None and self._seconds + length_s > m.max_hours * HOUR_S:
            return f"beyond {m.max_hours:g} hours"
        self._videos, self._bytes = self._videos + 1, self._bytes + size
        self._seconds += length_s
        return ""


def estimated(entry: Entry, manifest: Manifest) -> tuple[float, float]:
    """Return length in seconds and size in bytes of what is fetched, assumed where unknown."""
    length_s = entry.length_s
    if length_s is None:
        length_s = manifest.typical_s
    if entry.size_bytes is None:
        return length_s, length_s * manifest.typical_bytes_per_s
    share = length_s / entry.duration_s if entry.duration_s and entry.start_s is not None else 1.0
    return length_s, entry.size_bytes * min(share, 1.0)
