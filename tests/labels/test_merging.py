"""Two rounds become one set of labels by a named policy, and people are never overruled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.data.sequence import BoxSequence
from reelabel.errors import UsageError
from reelabel.labels.merging import POLICIES, Labels, merge_labels

HERE, NEAR, FAR = (10, 10, 30, 30), (12, 10, 32, 30), (60, 60, 80, 80)


NAMES = ("ball", "dog")


def rows(*given, round_=0):
    """Return labels from (pts, xyxy, score, class, state, origin)."""
    pts, xyxy, score, name, state, origin = zip(*given, strict=True) if given else [()] * 6
    n = len(pts)
    boxes = Boxes(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.array(score, np.float32),
        np.array([NAMES.index(one) for one in name], np.int64),
        state=np.array(state, dtype=str),
        origin=np.array(origin, dtype=str),
    )
    return Labels(
        BoxSequence(np.array(pts, np.int64), boxes),
        np.full(n, round_, np.int64),
        np.full(n, "score"),
        np.full(n, "was good"),
    )


def row(pts=0, *, xyxy=HERE, score=0.8, name="ball", state="positive", origin="teacher"):
    """Return one row's values."""
    return (pts, xyxy, score, name, state, origin)


def brief(merged):
    """Return (pts, left, score, state, round) of each row."""
    left, score = merged.boxes.xyxy[:, 0], merged.boxes.score.round(3)
    columns = (merged.pts, left, score, merged.state, merged.round)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def merge(old, new, **options):
    """Merge lists of rows of round 0 and round 1."""
    return merge_labels(rows(*old), rows(*new, round_=1), NAMES, **options)


@pytest.mark.parametrize("policy", POLICIES)
def test_old_fills_frames_that_the_new_round_missed(policy):
    """Where only one round speaks its rows stand, under any policy."""
    merged = merge([row(0)], [row(1)], policy=policy)
    assert [(pts, round_) for pts, *_, round_ in brief(merged)] == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("new", [(0, 12, 0.6, "positive", 1)]),
        ("old", [(0, 10, 0.8, "positive", 0), (0, 60, 0.8, "positive", 0)]),
        ("higher_score", [(0, 10, 0.8, "positive", 0), (0, 60, 0.8, "positive", 0)]),
        ("ignore", [(0, 12, 0.6, "positive", 1), (0, 60, 0.8, "ignore", 0)]),
    ],
)
def test_policies(policy, expected):
    """One object that both know and one that only the old round knows."""
    merged = merge([row(), row(xyxy=FAR)], [row(xyxy=NEAR, score=0.6)], policy=policy)
    assert [(p, round(x), round(s, 3), t, r) for p, x, s, t, r in brief(merged)] == expected
    assert {str(rule) for rule in merged.rule} == {f"merge:{policy}"}
    assert all(reason.endswith("was good") and len(reason) > 10 for reason in merged.reason)


def test_fuse_takes_the_weighted_mean():
    """Two boxes of one object become one, each weighted by its score."""
    merged = merge([row(score=0.9)], [row(xyxy=NEAR, score=0.3)], policy="fuse")
    assert merged.boxes.xyxy.tolist() == [[10.5, 10, 30.5, 30]]
    assert merged.boxes.score.tolist() == pytest.approx([0.6])
    assert "IoU 0.82" in merged.reason[0]


def test_contradiction_becomes_two_ignore_regions():
    """Boxes of different classes over one object are both ignored and name each other."""
    merged = merge([row()], [row(xyxy=NEAR, name="dog")], policy="ignore")
    assert merged.state.tolist() == ["ignore", "ignore"]
    assert "against positive dog of round 1" in merged.reason[0]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("origin", ["person", "truth"])
@pytest.mark.parametrize("state", ["positive", "negative"])
def test_people_and_truth_are_never_overruled(policy, origin, state):
    """A protected row stands as it is, and what a model says of its place yields."""
    held = row(score=0.0, origin=origin, state=state)
    for old, new in (([held], [row(xyxy=NEAR, score=0.99)]), ([row(xyxy=NEAR)], [held])):
        merged = merge(old, new, policy=policy)
        assert merged.origin.tolist() == [origin]
        assert merged.state.tolist() == [state]
        assert merged.boxes.xyxy.tolist() == [list(HERE)]


def test_same_verdict_in_both_rounds_stands_once():
    """A person's row that both rounds carry is not doubled."""
    held = row(origin="person")
    assert len(merge([held], [held, row(xyxy=FAR)])) == 2


@settings(max_examples=60)
@given(
    data=st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 30),
            st.sampled_from([0.2, 0.5, 0.5, 0.9]),
            st.sampled_from(["ball", "dog"]),
            st.sampled_from(["positive", "ignore", "negative"]),
            st.sampled_from(["teacher", "person"]),
        ),
        max_size=12,
        unique_by=lambda r: (r[0], r[1], r[2]),
    ),
    policy=st.sampled_from(POLICIES),
    seed=st.integers(0, 9),
)
def test_merging_adds_nothing_and_keeps_people(data, policy, seed):
    """No row appears from nowhere, every person's row survives, and rows come in a fixed order."""
    sides = [
        [(p, (x, 0, x + 10, 10), s, n, t, o) for new, p, x, s, n, t, o in data if new is side]
        for side in (False, True)
    ]
    merged = merge(*sides, policy=policy)
    assert len(merged) <= len(data)
    people = {(p, float(x), t) for _, p, x, _, _, t, o in data if o == "person"}
    found = zip(merged.pts, merged.boxes.xyxy[:, 0], merged.state, merged.origin, strict=True)
    assert {(p, float(x), str(t)) for p, x, t, o in found if o == "person"} == people
    assert merged.pts.tolist() == sorted(merged.pts.tolist())
    again = merge(*sides, policy=policy)
    assert brief(again) == brief(merged)


def test_unknown_policy_is_refused():
    """A policy that does not exist is refused with the nearest name."""
    with pytest.raises(UsageError, match="did you mean 'fuse'"):
        merge([], [], policy="fused")


def test_labels_have_states_origins_and_columns_of_one_length():
    """Boxes without states, or columns of different lengths, are refused."""
    good = rows(row())
    with pytest.raises(ValueError, match="rule must have shape"):
        Labels(good.boxes, good.round, good.rule[:0], good.reason)
    plain = BoxSequence.of(np.zeros(1), np.array([HERE]), np.ones(1))
    with pytest.raises(ValueError, match="states and origins"):
        Labels(plain, good.round, good.rule, good.reason)
