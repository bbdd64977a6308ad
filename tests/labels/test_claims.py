"""Claims of moments: people win, earlier rounds fill gaps, and what training is told."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.claims import Claims, SpanClaims
from reelabel.data.classes import Moments
from reelabel.labels.claims import claims_of_people, merge_claims, span_targets, targets


def moments(*pts):
    """Return single frames of one video."""
    at = np.array(pts, np.int64)
    return Moments(np.full(len(at), "v"), at, at)


def claims(*rows, round_number=1):
    """Return claims from (pts, class id, right, state, origin)."""
    pts, ids, right, state, origin = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    n = len(rows)
    return Claims(
        moments(*pts),
        np.array(ids, np.int64),
        np.array(right, bool),
        np.array(state, np.str_),
        np.full(n, np.nan, np.float32),
        *(np.full(n, ""), np.array(origin, np.str_), np.full(n, "r"), np.full(n, "")),
        np.full(n, round_number, np.int64),
    )


def tag(pts, class_id, state="positive", origin="tag"):
    """Return a row that claims a class."""
    return (pts, class_id, True, state, origin)


def spans(*rows):
    """Return claims of a person from (class id, right, start_s, end_s)."""
    ids, right, start_s, end_s = (np.array(column) for column in zip(*rows, strict=True))
    return SpanClaims(ids, right, start_s, end_s, np.full(len(rows), "file:1"))


def test_people_replace_all_other_claims_about_a_moment():
    """Frames 0 and 1 are covered by a person's span, frame 2 keeps its tag."""
    time_s = np.repeat(np.arange(3.0)[:, None], 2, axis=1)
    person = claims_of_people(spans((1, True, 0.0, 1.5)), moments(0, 1, 2), time_s, round_number=0)
    found = merge_claims(claims(tag(0, 0), tag(1, 0), tag(2, 0)), claims(), person)
    assert sorted(zip(found.moments.pts.tolist(), found.class_id.tolist(), strict=True)) == [
        (0, 1),
        (1, 1),
        (2, 0),
    ]


def test_the_round_before_fills_moments_without_a_new_claim():
    """An old label stays where the new round claims nothing; people's come anew each round."""
    old = claims(tag(0, 1), tag(1, 1), tag(2, 1, origin="person"), round_number=0)
    found = merge_claims(claims(tag(0, 0, "ignore")), old, claims())
    kept = dict(zip(found.moments.pts.tolist(), found.origin.tolist(), strict=True))
    assert kept == {0: "tag", 1: "previous"}


@pytest.mark.parametrize(
    ("exclusive", "expected"),
    [
        (True, [[1, 0, 0], [np.nan] * 3, [np.nan] * 3]),
        (False, [[1, np.nan, np.nan], [np.nan, 0, np.nan], [np.nan] * 3]),
    ],
)
def test_targets_follow_positive_claims(exclusive, expected):
    """A right class makes exclusive others wrong; ignored claims and silence are unknown."""
    rows = claims(tag(0, 0), (1, 1, False, "positive", "tag"), tag(2, 2, "ignore"))
    found = targets(rows, moments(0, 1, 2), 3, exclusive=exclusive)
    np.testing.assert_array_equal(found, np.array(expected, np.float32))


def test_two_exclusive_classes_at_once_are_unknown():
    """Claims that contradict each other teach nothing."""
    found = targets(claims(tag(0, 0), tag(0, 1)), moments(0), 2, exclusive=True)
    assert np.isnan(found).all()


def test_spans_cover_moments_by_their_middle():
    """A window belongs to the span that its middle lies in."""
    time_s = np.array([[0.0, 1.0], [1.0, 2.2], [2.0, 4.0]])
    given = spans((0, True, 0.0, 1.5), (1, True, 1.5, np.inf))
    found = span_targets(given, time_s, 2, exclusive=True)
    assert found.tolist() == [[1, 0], [0, 1], [0, 1]]
