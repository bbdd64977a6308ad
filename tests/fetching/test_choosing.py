"""The choice depends on the rows and the seed, not on their order, and classes stay balanced."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config import Project
from reelabel.sources.manifests.choosing import Candidates, choose, rank_of, without_conflicts
from reelabel.sources.manifests.entries import Entry, Tally
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import plan


def entry(number, *labels, **more):
    """Return a row of a manifest."""
    return Entry(f"v{number}", f"https://a.example/{number}", page=False, labels=labels, **more)


def chosen(rows, seed=0, exclusive=(), **numbers):
    """Return what is wanted of rows."""
    manifest = Manifest(kind="urls", file="x", **numbers)
    candidates, tally = Candidates(manifest, seed), Tally()
    for row in rows:
        candidates.add(row)
    if candidates.incomplete:
        candidates.complete(rows)
    return choose(without_conflicts(candidates.ranked(), exclusive, tally), manifest, tally)


def names(wants):
    """Return the ids of those that are chosen."""
    return {want.entry.native_id for want in wants if not want.why_not}


ROWS = st.lists(
    st.builds(
        entry,
        st.integers(0, 40),
        st.sampled_from("abc"),
        duration_s=st.none() | st.floats(1, 100),
        title=st.sampled_from(["", "x", "y"]),
    ),
    max_size=80,
)
NUMBERS = st.fixed_dictionaries(
    {},
    optional={
        "per_class": st.integers(1, 5),
        "max_videos": st.integers(1, 8),
        "max_hours": st.floats(0.01, 0.1),
        "max_gb": st.floats(0.001, 0.1),
        "spares": st.sampled_from([0.0, 1.0]),
    },
)


@given(ROWS, NUMBERS, st.randoms(use_true_random=False))
def test_the_plan_is_the_same_in_any_order(rows, numbers, shuffle):
    """Shuffled rows, doubled ones and a second time give the same wants, ranks and reasons."""
    first = chosen(rows, **numbers)
    again = rows * 2
    shuffle.shuffle(again)
    assert chosen(again, **numbers) == first


@given(ROWS, st.integers(1, 5))
def test_the_lowest_ranks_of_each_class_are_chosen(rows, most):
    """Of one-class rows each class has its n lowest, or all if there are fewer."""
    alone = list({row.native_id: row for row in rows}.values())
    for spares in (0.0, 2.0):
        wants = chosen(alone, per_class=most, spares=spares)
        for label in "abc":
            ranks = sorted(rank_of(0, row.key) for row in alone if row.labels == (label,))
            found = [w.rank for w in wants if w.entry.labels == (label,) and not w.why_not]
            assert found == ranks[:most]


@given(ROWS, st.integers(0, 40), st.integers(1, 5))
def test_a_longer_list_changes_the_choice_little(rows, number, most):
    """One more row enters alone, and puts out one of its class at most."""
    alone = list({row.native_id: row for row in rows}.values())
    new = entry(100 + number, "a")
    before = names(chosen(alone, per_class=most))
    after = names(chosen([*alone, new], per_class=most))
    assert after - before <= {new.native_id}
    assert len(before - after) <= 1


def test_another_seed_is_another_choice():
    """Ranks are spread: seeds agree on no more than chance gives."""
    rows = [entry(i, "a") for i in range(1_000)]
    shared = names(chosen(rows, 1, per_class=100)) & names(chosen(rows, 2, per_class=100))
    assert len(shared) < 30


def test_a_budget_goes_round_the_classes():
    """Ten of a thousand and ten of twelve: classes have equal shares as far as they reach."""
    rows = [entry(i, "a") for i in range(1_000)] + [entry(2_000 + i, "b") for i in range(12)]
    wants = chosen(rows, max_videos=20)
    assert Counter(w.entry.labels[0] for w in wants if not w.why_not) == {"a": 10, "b": 10}
    wants = chosen(rows, max_videos=30)
    assert Counter(w.entry.labels[0] for w in wants if not w.why_not) == {"a": 18, "b": 12}


@given(ROWS, st.floats(0.01, 0.1), st.floats(0.001, 1))
def test_budgets_are_kept(rows, hours, size):
    """Hours and bytes, known or assumed, stay below what is allowed."""
    wants = [w for w in chosen(rows, max_hours=hours, max_gb=size) if not w.why_not]
    lengths = [w.entry.duration_s or 240.0 for w in wants]
    assert sum(lengths) <= hours * 3600 + 1e-6
    assert sum(lengths) * 250_000 <= size * 1e9 + 1


def test_replacements_are_kept_with_the_reason():
    """Four for each that is chosen, in the order in which they follow."""
    wants = chosen([entry(i, "a") for i in range(100)], per_class=5)
    assert [bool(w.why_not) for w in wants] == [False] * 5 + [True] * 20
    assert {w.why_not for w in wants[5:]} == {"beyond 5 of its class"}
    assert [w.rank for w in wants] == sorted(w.rank for w in wants)


def test_videos_under_classes_that_exclude_each_other_are_left_out():
    """Neither chosen nor kept to replace others, and also if the classes came in two rows."""
    rows = [entry(i, "a") for i in range(50)] + [entry(i, "b") for i in range(40, 90)]
    wants = chosen(rows, per_class=100, exclusive=("a", "b"))
    assert {w.entry.native_id for w in wants}.isdisjoint({f"v{i}" for i in range(40, 50)})
    assert len(wants) == 80
    few = chosen(rows, per_class=3, spares=0.0, exclusive=("a", "b"))
    assert all(len(w.entry.labels) == 1 for w in few)


@pytest.fixture(scope="module")
def k400(data_dir):
    """Return the lines of the complete validation list of Kinetics-400."""
    path = data_dir / "manifests/kinetics/kinetics-400_val.csv"
    return path.read_text().splitlines(keepends=True)


def test_a_shuffled_manifest_gives_the_same_table(tmp_path, k400):
    """The table of wants is equal byte for byte in memory, also the second time."""
    project = Project(classes=("dancing", "other"), seed=7)
    classes = {"*dancing*": "dancing", "*": "other"}
    tables = []
    for name, seed in (("a.csv", None), ("b.csv", 1), ("c.csv", None)):
        rows = k400[1:]
        if seed is not None:
            random.Random(seed).shuffle(rows)
        (tmp_path / name).write_text("".join([k400[0], *rows]))
        manifest = Manifest(kind="kinetics", file=name, classes=classes, per_class=40)
        tables.append(plan("it", manifest, project, tmp_path).table())
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert sum(tables[0]["chosen"].to_pylist()) == 80
