"""Spans of manifests are tied to the files that were fetched for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.spans import fetched_spans, inside, joined


def want(want_id, start_s=None, end_s=None):
    """Return a row of `WANTS`."""
    return {"source": "m", "want_id": want_id, "start_s": start_s, "end_s": end_s}


def fetched(want_id, file, **values):
    """Return a row of `DOWNLOADS`."""
    row = {"source": "m", "want_id": want_id, "state": "fetched", "file": file}
    return row | {"sha256": file, "span_start_s": None} | values


def test_a_span_counts_from_where_its_file_begins():
    """Of a whole file it stays as it is; of a part it moves, never below 0."""
    wants = [want("a", 10, 20), want("b", 10, 20), want("c", 10, 20)]
    rows = [
        fetched("a", "a.mp4"),
        fetched("b", "b.mp4", span_start_s=7.5),
        fetched("c", "c.mp4", span_start_s=10.02),
    ]
    found = fetched_spans(wants, rows)
    assert found["a.mp4"] == [(10, 20)]
    assert found["b.mp4"] == [(2.5, 12.5)]
    assert found["c.mp4"][0][0] == 0


def test_several_wants_of_one_file_are_several_spans():
    """Files of equal content share them, and a whole video that is wanted has none."""
    wants = [want("a", 1, 2), want("b", 5, None), want("c", 0, 3), want("d")]
    rows = [
        fetched("a", "a.mp4", sha256="1"),
        fetched("b", "b.mp4", sha256="1"),
        fetched("c", "c.mp4"),
        fetched("d", "c.mp4"),
    ]
    assert fetched_spans(wants, rows) == {
        "a.mp4": [(1, 2), (5, None)],
        "b.mp4": [(1, 2), (5, None)],
    }


def test_what_was_not_fetched_has_no_span():
    """Dead and waiting rows count for nothing."""
    rows = [fetched("a", "", state="gone"), fetched("b", "b.mp4", state="failed")]
    assert fetched_spans([want("a", 1, 2), want("b", 1, 2)], rows) == {}


spans = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=12,
)


@given(spans)
def test_joined_spans_cover_the_same_and_never_overlap(given_spans):
    """Every instant is in as many as one joined span, and in one exactly if it was in any."""
    found = joined(given_spans)
    for tick in range(80):
        at = tick + 0.5
        covered = sum(start <= at < end for start, end in found)
        assert covered == any(start <= at < end for start, end in given_spans)
    assert found == sorted(found)


@given(spans, st.integers(1, 60))
def test_spans_end_with_their_video(given_spans, duration_s):
    """Nothing is left beyond it, and nothing empty."""
    for start, end in inside([*given_spans, (0, None)], duration_s):
        assert 0 <= start < end <= duration_s
