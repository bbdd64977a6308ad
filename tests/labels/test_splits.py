"""Nothing stands on two sides, shares are kept, and what cannot be split says so."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.errors import SplitError, UsageError
from reelabel.labels.splits import Item, find_groups, find_leaks, split_items, time_blocks


def videos(n, seed=0):
    """Return videos with some labels of two classes."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 30, (n, 2)).tolist()
    return [Item(f"v{i}", 10, {"ball": a, "dog": b}) for i, (a, b) in enumerate(counts)]


def test_groups_are_connected_components():
    """Sources and near-duplicates link videos, also through a third."""
    items = [Item(name, source=source) for name, source in zip("abcde", "xyxzy", strict=True)]
    groups = find_groups(items, [("c", "e"), ("d", "unknown")])
    assert groups == {"a": "a", "c": "a", "e": "a", "b": "a", "d": "d"}


@settings(max_examples=50)
@given(
    n=st.integers(3, 30),
    near=st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=12),
    seed=st.integers(0, 5),
)
def test_no_split_leaks(n, near, seed):
    """Whatever is linked, no group stands on two sides and each part gets something."""
    items = videos(n, seed)
    pairs = [(f"v{a}", f"v{b}") for a, b in near]
    if len(set(find_groups(items, pairs).values())) < 3:
        with pytest.raises(SplitError):
            split_items(items, pairs)
        return
    part = split_items(items, pairs, seed=seed)
    group = find_groups(items, pairs)
    assert find_leaks(part, group, [p for p in pairs if p[0] in part]) == []
    assert set(part.values()) == {"train", "val", "test"}
    assert part.keys() == {item.name for item in items}


def test_shares_are_kept_for_each_class():
    """With many videos each part holds its share of pictures and of each class."""
    items = videos(200)
    part = split_items(items, seed=3)
    for name in ("ball", "dog"):
        held = Counter()
        for item in items:
            held[part[item.name]] += item.labels[name]
        total = held.total()
        assert held["train"] / total == pytest.approx(0.7, abs=0.02)
        assert held["val"] / total == pytest.approx(0.15, abs=0.02)


def test_seed_decides_and_repeats():
    """The same seed splits alike; another seed differently."""
    assert split_items(videos(40), seed=1) == split_items(videos(40), seed=1)
    same = [Item(f"v{i}") for i in range(40)]
    assert split_items(same, seed=1) != split_items(same, seed=2)


def test_too_few_groups_come_with_advice():
    """One source cannot be split, and the message says what can be done."""
    items = [Item(f"v{i}", source="camera") for i in range(9)]
    with pytest.raises(SplitError, match=r"9 videos form 1 .*time blocks"):
        split_items(items)


def test_leaks_are_found():
    """A group on two sides and near-duplicates across are both reported."""
    part = {"a": "train", "b": "val", "c": "train"}
    leaks = find_leaks(part, {"a": "g", "b": "g", "c": "h"}, [("b", "c"), ("a", "c"), ("a", "x")])
    assert [(leak.first, leak.second, leak.why) for leak in leaks] == [
        ("a", "b", "one group, but train and val"),
        ("b", "c", "near-duplicates, but val and train"),
    ]


def test_wrong_shares_and_names_are_refused():
    """A share of 0 and a repeated name are usage errors."""
    with pytest.raises(UsageError, match="shares"):
        split_items(videos(5), shares={"train": 1, "val": 0})
    with pytest.raises(UsageError, match="more than once"):
        split_items([Item("a"), Item("a"), Item("b")])


@settings(max_examples=50)
@given(n=st.integers(70, 300), seed=st.integers(0, 9), gap=st.floats(0, 1))
def test_time_blocks_keep_their_distance(n, seed, gap):
    """Blocks are contiguous, and a gap lies between them."""
    time = np.random.default_rng(seed).permutation(np.arange(n) * 0.2)
    part = time_blocks(time, gap_s=gap)
    ends = [(time[part == p].min(), time[part == p].max()) for p in ("train", "val")]
    last = time[part == "test"].min()
    assert ends[0][1] < ends[1][0]
    assert min(ends[1][0] - ends[0][1], last - ends[1][1]) >= gap - 1e-9
    assert (part[np.argsort(time)][: n // 2] == "train").all()


def test_time_blocks_hold_their_share_of_the_labels():
    """Where objects show only early, the cut lies early too."""
    time, labels = np.arange(100.0), np.r_[np.full(20, 2), np.zeros(80, np.int64)]
    shares = {"train": 0.75, "val": 0.25}
    part = time_blocks(time, shares=shares, gap_s=0, labels=labels)
    assert labels[part == "train"].sum() == 30
    even = time_blocks(time, shares=shares, gap_s=0, labels=np.zeros(100, np.int64))
    assert (even == "train").sum() == 75


def test_time_blocks_without_room_are_refused():
    """A gap that swallows a part, or too few frames, is a split error."""
    for time, gap in ((np.arange(20.0), 50.0), (np.arange(2.0), 0.0), (np.zeros(0), 0.0)):
        with pytest.raises(SplitError, match="shorten the gap"):
            time_blocks(time, gap_s=gap)
    with pytest.raises(UsageError, match="gap_s"):
        time_blocks(np.arange(20.0), gap_s=-1)
