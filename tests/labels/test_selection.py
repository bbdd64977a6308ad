"""Which frames go into the data set, by what is known of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.states import GAP, NEGATIVE, PERSON, POSITIVE, PREVIOUS, TEACHER, TRACKER
from reelabel.labels.selection import by_pts, sampled_frames, unsampled_pts

LABELS = st.lists(
    st.fixed_dictionaries({
        "pts": st.integers(0, 12),
        "state": st.sampled_from([POSITIVE, NEGATIVE]),
        "origin": st.sampled_from([TEACHER, TRACKER, PREVIOUS, PERSON]),
        "rule": st.sampled_from([GAP, "score"]),
    }),
    max_size=30,
)
FRAMES = st.dictionaries(st.integers(0, 12), st.booleans()).map(
    lambda kept: [{"pts": pts, "kept": one} for pts, one in kept.items()]
)


def label(pts, state=POSITIVE, origin=TEACHER, rule="score"):
    """Return one label."""
    return {"pts": pts, "state": state, "origin": origin, "rule": rule}


PTS = st.sets(st.integers(0, 12))


@given(frames=FRAMES, labels=LABELS, chosen=st.tuples(PTS, PTS), most=st.integers(0, 5))
def test_no_frame_goes_in_twice_and_every_drawn_one_does(frames, labels, chosen, most):
    """Sampled and added frames do not overlap, and hold every frame that a person annotated."""
    rows, (dropped, annotated) = by_pts(labels), chosen
    found = sampled_frames(frames, rows, dropped, annotated, hard_frames=True)
    sampled = {f["pts"] for f in found}
    added = unsampled_pts(frames, rows, annotated, hard_frames_max=most)
    assert added == sorted(set(added))
    assert sampled.isdisjoint(added)
    drawn = {one["pts"] for one in labels if one["origin"] == PERSON} | annotated
    assert drawn <= sampled | set(added)
    assert len(set(added) - drawn) <= most


@given(frames=FRAMES, dropped=st.sets(st.integers(0, 12)))
def test_without_labels_duplicates_decide(frames, dropped):
    """A frame without labels may go in, unless it was rejected or another stands for it."""
    found = sampled_frames(frames, {}, dropped, hard_frames=True)
    assert {f["pts"] for f in found} == {f["pts"] for f in frames if f["kept"]} - dropped


def test_hard_examples_bring_a_dropped_frame_back():
    """A box in a gap and a hard negative do, but no negative that a person drew by itself."""
    frames = [{"pts": pts, "kept": True} for pts in range(4)]
    rows = by_pts([
        label(0),
        label(1, rule=GAP),
        label(2, state=NEGATIVE),
        label(3, state=NEGATIVE, origin=PREVIOUS),
    ])
    found = sampled_frames(frames, rows, range(4), hard_frames=True)
    assert [frame["pts"] for frame in found] == [1, 2]
    assert sampled_frames(frames, rows, range(4), hard_frames=False) == []


def test_hard_frames_are_thinned_evenly():
    """First and last stay."""
    rows = by_pts([label(pts, state=NEGATIVE) for pts in range(11)])
    assert unsampled_pts([], rows, hard_frames_max=3) == [0, 5, 10]
