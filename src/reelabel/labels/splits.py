"""Splits into train, val and test that nothing leaks through.

What belongs together stays together: the frames of a video, videos of one source, and videos
that share near-duplicates form *groups* (connected components), and a group goes to one part as
a whole. Groups are dealt out so that each part gets its share of pictures and of each class's
labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import SplitError, UsageError, counted

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_PICTURES = "\0pictures"
_PASSES = 10


@dataclass(frozen=True)
class Item:
    """A video (or a picture that belongs to none) that has to be put into a part.

    Attributes:
        name: its id, unique.
        pictures: how many pictures it brings.
        labels: class name -> number of labels.
        source: where it came from (a playlist, a camera, a person); items of one source stay
            together. None means that it is its own source.
    """

    name: str
    pictures: int = 1
    labels: Mapping[str, int] | None = None
    source: str | None = None


@dataclass(frozen=True)
class Leak:
    """Two items on different sides that belong together."""

    first: str
    second: str
    why: str


def find_groups(items: Iterable[Item], near: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
    """Return for each item the first member of its group: connected by source or near-duplicates.

    Args:
        items: what has to be split.
        near: pairs of item names that share near-duplicates; unknown names are passed over.
    """
    from scipy.sparse import coo_matrix  # noqa: PLC0415 -- slow to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415 -- the same

    items = list(items)
    position = {item.name: i for i, item in enumerate(items)}
    by_source: dict[str, str] = {}
    same_source = [(by_source.setdefault(i.source, i.name), i.name) for i in items if i.source]
    known = [(a, b) for a, b in (*same_source, *near) if a in position and b in position]
    a, b = ([position[pair[side]] for pair in known] for side in (0, 1))
    graph = coo_matrix((np.ones(len(known), bool), (a, b)), shape=(len(items),) * 2)
    component = connected_components(graph, directed=False)[1] if items else []
    first: dict[int, str] = {}
    return {
        item.name: first.setdefault(int(number), item.name)
        for item, number in zip(items, component, strict=True)
    }


def split_items(
    items: Iterable[Item],
    near: Iterable[tuple[str, str]] = (),
    *,
    shares: Mapping[str, float] = SHARES,
    seed: int = 0,
) -> dict[str, str]:
    """Return the part of each item by its name, so that no group stands on two sides.

    Large groups are dealt first, each to the part that then comes nearest to its shares of
    pictures and of labels of each class, equally large ones in an order drawn from the seed; then
    single groups are moved while that helps.

    Args:
        items: what has to be split.
        near: pairs of item names that share near-duplicates.
        shares: part name -> its share above 0; they need not add up to 1.
        seed: settles what is otherwise equal.

    Raises:
        SplitError: if there are fewer groups than parts.
        UsageError: if a share is not above 0 or a name occurs twice.
    """
    items = list(items)
    _check(items, shares)
    group = find_groups(items, near)
    members: dict[str, list[Item]] = {}
    for item in items:
        members.setdefault(group[item.name], []).append(item)
    if len(members) < len(shares):
        raise SplitError(_too_few(members, shares))
    part_of_group = _deal(members, shares, seed)
    return {item.name: part_of_group[group[item.name]] for item in items}


def find_leaks(
    part: Mapping[str, str],
    group: Mapping[str, str],
    near: Iterable[tuple[str, str]] = (),
) -> list[Leak]:
    """Return every group and every near-duplicate that stands on two sides.

    Args:
        part: item name -> part name; items without one take no part.
        group: item name -> group name.
        near: pairs of item names that share near-duplicates.
    """
    first: dict[str, dict[str, str]] = {}
    for name, where in part.items():
        if name in group:
            first.setdefault(group[name], {}).setdefault(where, name)
    leaks = []
    for sides in first.values():
        (_, a), *others = sides.items()
        leaks += [Leak(a, b, f"one group, but {part[a]} and {part[b]}") for _, b in others]
    leaks += [
        Leak(a, b, f"near-duplicates, but {part[a]} and {part[b]}")
        for a, b in near
        if a in part and b in part and part[a] != part[b]
    ]
    return leaks


def time_blocks(
    time_s: NDArray[np.float64],
    *,
    shares: Mapping[str, float] = SHARES,
    gap_s: float = 2.0,
    labels: NDArray[np.int64] | None = None,
) -> NDArray[np.str_]:
    """Split one video into contiguous blocks of time, one for each part, with gaps between them.

    For a workspace with only one video. The order of the parts is that of ``shares``; each
    block holds its share of the labels, if there are any, else of the frames. Frames within
    ``gap_s / 2`` of a boundary are dropped. The parts show the same scene, so scores on them
    predict nothing about new footage.

    Args:
        time_s: ``(n,)`` seconds of each frame, in any order.
        shares: part name -> its share above 0.
        gap_s: seconds without frames between two parts.
        labels: ``(n,)`` how many labels each frame has.

    Returns:
        ``(n,)`` for each frame a part name, or "dropped".

    Raises:
        SplitError: if a part would be left without frames.
        UsageError: if a share is not above 0 or the gap is negative.
    """
    _check([], shares)
    if gap_s < 0:
        raise UsageError(f"gap_s must be 0 or more seconds, but got {gap_s}")
    names = list(shares)
    order = np.argsort(time_s, kind="stable")
    ordered = time_s[order]
    counted = np.ones(len(order)) if labels is None or not labels.any() else labels[order]
    ends = np.cumsum(list(shares.values())) / sum(shares.values())
    so_far = np.cumsum(counted)
    bound_at = 1 + np.searchsorted(so_far, np.round(ends[:-1] * so_far[-1:].sum(), 6))
    if len(ordered) < len(names) or (np.diff([0, *bound_at, len(ordered)]) < 1).any():
        raise SplitError(_no_room(names, len(ordered), gap_s))
    bounds = (ordered[bound_at - 1] + ordered[bound_at]) / 2
    part = np.array(names, dtype="U32")[np.searchsorted(bounds, time_s, side="right")]
    gap = (np.abs(time_s[:, None] - bounds[None, :]) < gap_s / 2).any(axis=1)
    part[gap] = "dropped"
    if not set(names) <= set(part.tolist()):
        raise SplitError(_no_room(names, len(ordered), gap_s))
    return part


def _deal(
    members: Mapping[str, list[Item]], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Return group name -> part name."""
    counts, names = _counts(members)
    wanted = np.array(list(shares.values())) / sum(shares.values())
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]
    filled = np.zeros((len(shares), counts.shape[1]))
    part = np.zeros(len(names), np.int64)
    for done, i in enumerate(order):
        cost = _costs(filled, counts[i], wanted)
        empty = ~filled[:, 0].astype(bool)
        # The last groups go to parts that would otherwise get none.
        if empty.sum() >= len(order) - done:
            cost[~empty] = np.inf
        part[i] = int(cost.argmin())
        filled[part[i]] += counts[i]
    _improve(part, order, counts, filled - wanted[:, None])
    return {name: list(shares)[p] for name, p in zip(names, part, strict=True)}


def _improve(
    part: NDArray[np.int64],
    order: NDArray[np.int64],
    counts: NDArray[np.float64],
    excess: NDArray[np.float64],
) -> None:
    """Move single groups in place while that brings the parts nearer to their shares.

    Dealing alone fills the first parts with the groups that are richest in labels.
    """
    members = np.bincount(part, minlength=len(excess))
    for _ in range(_PASSES):
        before = part.copy()
        for i in order[members[part[order]] > 1]:
            if members[part[i]] == 1:
                continue
            excess[part[i]] -= counts[i]
            members[part[i]] -= 1
            part[i] = int(((excess + counts[i]) ** 2 - excess**2).sum(axis=1).argmin())
            excess[part[i]] += counts[i]
            members[part[i]] += 1
        if (part == before).all():
            return


def _costs(
    filled: NDArray[np.float64], more: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return for each part how far from the wanted shares all would be if it took ``more``."""
    change = (filled + more - wanted[:, None]) ** 2 - (filled - wanted[:, None]) ** 2
    result: NDArray[np.float64] = change.sum(axis=1)
    return result


def _counts(members: Mapping[str, list[Item]]) -> tuple[NDArray[np.float64], list[str]]:
    """Return ``(groups, 1 + classes)`` shares of all pictures and labels, and the groups' names."""
    totals: list[dict[str, int]] = []
    for items in members.values():
        total = {_PICTURES: sum(max(item.pictures, 1) for item in items)}
        for item in items:
            for name, count in (item.labels or {}).items():
                total[name] = total.get(name, 0) + count
        totals.append(total)
    classes = sorted({name for total in totals for name in total} - {_PICTURES})
    table = np.array([[t.get(c, 0) for c in (_PICTURES, *classes)] for t in totals], np.float64)
    return table / np.maximum(table.sum(axis=0), 1), list(members)


def _check(items: list[Item], shares: Mapping[str, float]) -> None:
    if not shares or min(shares.values()) <= 0:
        raise UsageError(f"shares must be above 0 for each part, but got {dict(shares)}")
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"each item has one name, but {twice!r} occurs more than once")


def _too_few(members: Mapping[str, list[Item]], shares: Mapping[str, float]) -> str:
    count = sum(len(items) for items in members.values())
    return (
        f"expected at least {len(shares)} independent groups for {', '.join(shares)}, but the "
        f"{counted(count, 'video')} form {len(members)} (linked by source or near-duplicates): add "
        "videos of other origin, ask for fewer parts, or split one video by time blocks (not "
        "leak-free)"
    )


def _no_room(names: list[str], frames: int, gap_s: float) -> str:
    return (
        f"expected frames for each of {', '.join(names)}, but {counted(frames, 'frame')} with gaps "
        f"of {gap_s:g} s leave a part empty: sample more frames, shorten the gap or ask for fewer"
        " parts"
    )
