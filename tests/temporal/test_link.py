"""Linking: nothing is lost, and the result does not depend on order or direction."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence
from reelabel.temporal.assign import assign
from reelabel.temporal.link import LinkSettings, link
from reelabel.temporal.overlaps import Neighbours, consecutive_overlaps

# No time limits: the first call imports scipy.
relaxed = settings(deadline=None, max_examples=60)


@st.composite
def sequences(draw):
    """Draw boxes without any order in them."""
    n = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    corner = rng.uniform(0, 60, (n, 2))
    return BoxSequence.of(
        rng.integers(0, 12, n),
        np.concatenate((corner, corner + rng.uniform(5, 40, (n, 2))), axis=1),
        rng.uniform(0, 1, n),
        rng.integers(0, 2, n),
    )


def partition(track_id):
    """Return which rows belong together, whatever the numbers."""
    return {frozenset(np.flatnonzero(track_id == k).tolist()) for k in np.unique(track_id)}


def moving(frames, starts, speeds, side=20.0):
    """Return boxes of objects on straight lines, and who each is."""
    t, k = np.meshgrid(np.arange(frames), np.arange(len(starts)), indexing="ij")
    centre = np.array(starts, float)[k.ravel()] + t.ravel()[:, None] * np.array(speeds)[k.ravel()]
    xyxy = np.concatenate((centre - side / 2, centre + side / 2), axis=1)
    n = len(xyxy)
    return BoxSequence.of(t.ravel(), xyxy, np.full(n, 0.9)), k.ravel()


@relaxed
@given(sequences(), st.lists(st.integers(0, 12), max_size=4))
def test_every_detection_has_one_track_and_no_track_two_boxes_of_a_frame(boxes, cuts):
    """Linking conserves: as many track numbers as boxes, numbered from 0, one box per frame."""
    tracks = link(boxes, cuts)
    assert len(tracks.track_id) == len(boxes)
    assert tracks.lengths.sum() == len(boxes)
    assert (tracks.lengths > 0).all()
    assert len(set(zip(tracks.track_id.tolist(), boxes.frame.tolist(), strict=True))) == len(boxes)


@relaxed
@given(sequences(), st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(boxes, seed):
    """Rows in another order give the same numbers to the same boxes."""
    order = np.random.default_rng(seed).permutation(len(boxes))
    np.testing.assert_array_equal(link(boxes[order]).track_id, link(boxes).track_id[order])


@relaxed
@given(sequences())
def test_a_video_played_backwards_gives_the_same_tracks(boxes):
    """Before and after weigh alike."""
    last = boxes.frame.max(initial=0)
    mirrored = BoxSequence.of(last - boxes.frame, boxes.xyxy, boxes.score, boxes.class_id)
    assert partition(link(mirrored).track_id) == partition(link(boxes).track_id)


@relaxed
@given(sequences())
def test_cuts_on_every_frame_leave_single_boxes(boxes):
    """No track crosses a cut."""
    assert (link(boxes, list(range(13))).lengths == 1).all()


@relaxed
@given(sequences())
def test_a_track_keeps_to_its_class(boxes):
    """A class-aware track holds boxes of one class."""
    track_id = link(boxes).track_id
    for track in np.unique(track_id):
        assert len(np.unique(boxes.class_id[track_id == track])) == 1


def test_a_class_may_change_if_classes_are_not_minded():
    """Without class awareness a dog that is called a cat stays one track."""
    boxes, _ = moving(6, [(50, 50)], [(2, 0)])
    mixed = BoxSequence.of(boxes.frame, boxes.xyxy, boxes.score, boxes.frame % 2)
    assert len(link(mixed).started) == 2
    assert len(link(mixed, settings=LinkSettings(class_aware=False)).started) == 1


def test_objects_that_cross_keep_their_tracks():
    """Two objects that pass through each other are told apart by their velocities."""
    boxes, who = moving(40, [(0, 50), (160, 54)], [(4, 0), (-4, 0)])
    assert partition(link(boxes).track_id) == partition(who)


def test_an_object_that_is_hidden_while_another_passes_gets_its_track_back():
    """Who is behind is not seen for a while; nobody takes the other's boxes meanwhile."""
    boxes, who = moving(60, [(0, 50), (150, 53)], [(3, 0), (-2, 0)], side=30)
    hidden = (who == 1) & (np.abs(boxes.frame - 30) <= 4)
    assert partition(link(boxes[~hidden]).track_id) == partition(who[~hidden])


@pytest.mark.parametrize("seed", range(5))
def test_shaken_boxes_of_objects_that_meet_keep_their_tracks(seed):
    """Errors of a tenth of the box, some boxes missed: velocities and shapes still tell."""
    boxes, who = moving(50, [(0, 50), (200, 60), (100, 150)], [(4, 0), (-4, 0), (0, -3)], side=40)
    rng = np.random.default_rng(seed)
    xyxy = boxes.xyxy + rng.normal(0, 2, boxes.xyxy.shape)
    kept = rng.random(len(boxes)) > 0.1
    shaken = BoxSequence.of(boxes.frame, xyxy, boxes.score, boxes.class_id)[kept]
    assert partition(link(shaken).track_id) == partition(who[kept])


def test_fast_objects_without_overlap_are_linked():
    """An object that moves by most of its size per frame is one track."""
    boxes, who = moving(30, [(0, 50)], [(15, 3)])
    assert partition(link(boxes).track_id) == partition(who)


def test_gaps_are_closed_up_to_the_limit():
    """Missing frames do not end a track, unless there are too many."""
    boxes, _ = moving(40, [(20, 50)], [(2, 1)])
    holed = boxes[(boxes.frame < 15) | (boxes.frame >= 25)]
    assert len(link(holed).started) == 1
    assert len(link(holed, settings=LinkSettings(max_gap=9)).started) == 2
    assert len(link(holed, settings=LinkSettings(max_gap=10)).started) == 1


def test_weak_boxes_go_on_but_do_not_start():
    """One strong box makes a track count; weak ones alone do not, and the weakest stay single."""
    boxes, _ = moving(10, [(20, 50), (120, 120)], [(2, 1), (1, 0)])
    first = boxes.xyxy[:, 0] < 60
    score = np.where(first & (boxes.frame == 4), 0.9, 0.3)
    tracks = link(BoxSequence.of(boxes.frame, boxes.xyxy, score, boxes.class_id))
    assert tracks.started.tolist() == [True, False]
    faint = link(BoxSequence.of(boxes.frame, boxes.xyxy, np.full(len(boxes), 0.05), boxes.class_id))
    assert (faint.lengths == 1).all()
    assert not faint.started.any()


def test_camera_motion_is_taken_out():
    """A still object under a jerking camera is one track once the shifts are known."""
    jerk = np.random.default_rng(0).uniform(-60, 60, (30, 2))
    jerk[0] = 0
    way = np.cumsum(jerk, axis=0)
    xyxy = np.tile(way, 2) + np.array([50, 50, 70, 70])
    boxes = BoxSequence.of(np.arange(30), xyxy, np.full(30, 0.9))
    assert len(link(boxes).started) > 5
    assert len(link(boxes, shift_xy=jerk).started) == 1


def test_no_boxes_and_one_box():
    """Nothing and a single frame are videos too."""
    assert len(link(BoxSequence.empty()).track_id) == 0
    one = BoxSequence.of(np.zeros(1), np.array([[0, 0, 5, 5]]), np.array([0.9]))
    assert link(one).track_id.tolist() == [0]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("xyxy", np.nan, "xyxy must be finite"),
        ("score", np.inf, "score must be finite"),
        ("frame", -1, "count from 0"),
    ],
)
def test_wrong_numbers_are_refused(column, value, words):
    """NaN, infinity and negative frames are refused with the place where they stand."""
    columns = {
        "frame": np.zeros(2),
        "xyxy": np.tile([0.0, 0, 5, 5], (2, 1)),
        "score": np.ones(2),
        "class_id": np.zeros(2),
    }
    columns[column][1] = value
    with pytest.raises(ValueError, match=words):
        link(BoxSequence.of(**columns))


def test_negative_sizes_and_wrong_shapes_are_refused():
    """A box whose right lies left of its left is no box."""
    with pytest.raises(ValueError, match="row 0"):
        BoxSequence.of(np.zeros(1), np.array([[5.0, 0, 0, 5]]), np.ones(1))
    with pytest.raises(ValueError, match="score must have shape"):
        BoxSequence.of(np.zeros(1), np.array([[0.0, 0, 5, 5]]), np.ones(2))


def test_shifts_must_cover_all_frames_and_be_finite():
    """Too few shifts, or NaN among them, are refused."""
    boxes, _ = moving(5, [(20, 50)], [(2, 1)])
    with pytest.raises(ValueError, match="for each of 5 frames"):
        link(boxes, shift_xy=np.zeros((4, 2)))
    with pytest.raises(ValueError, match="finite shifts"):
        link(boxes, shift_xy=np.full((5, 2), np.nan))


@relaxed
@given(st.integers(0, 10_000))
def test_assignment_is_the_best_of_all(seed):
    """No other choice of pairs is worth more."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    pairs = np.unique(rng.integers(0, 4, (n, 2)), axis=0)
    worth = rng.uniform(0.1, 1, len(pairs))
    chosen = assign(pairs[:, 0], pairs[:, 1], worth)
    best = 0.0
    for k in range(1, len(pairs) + 1):
        for some in itertools.combinations(range(len(pairs)), k):
            taken = pairs[list(some)]
            if all(len(set(side)) == k for side in taken.T.tolist()):
                best = max(best, worth[list(some)].sum())
    assert all(len(set(side)) == chosen.sum() for side in pairs[chosen].T.tolist())
    assert worth[chosen].sum() == pytest.approx(best)


@relaxed
@given(sequences(), sequences())
def test_overlap_is_symmetric_and_within_bounds(a, b):
    """Intersection over union is the same both ways, in 0..1, and 1 with itself."""
    one, other = a.xyxy[:, None], b.xyxy[None]
    np.testing.assert_allclose(paired_iou(one, other), paired_iou(other, one))
    assert ((paired_iou(one, other) >= 0) & (paired_iou(one, other) <= 1)).all()
    np.testing.assert_allclose(paired_iou(a.xyxy, a.xyxy), 1)


@relaxed
@given(sequences(), st.floats(0.01, 0.9), st.integers(1, 3))
def test_overlaps_are_those_of_all_pairs(boxes, min_iou, step):
    """Going through the frames in portions finds what comparing everything finds."""
    order = np.argsort(boxes.frame, kind="stable")
    frame, xyxy, kind = boxes.frame[order], boxes.xyxy[order], boxes.class_id[order]
    which = Neighbours(step, None, None)
    left, right, iou = consecutive_overlaps(frame, xyxy, kind, min_iou, which=which)
    all_iou = paired_iou(xyxy[:, None], xyxy[None])
    pair = (frame[None] - frame[:, None] == step) & (kind[:, None] == kind)
    # Single precision may judge a pair at the very bound otherwise.
    sure = pair & (all_iou > min_iou + 1e-5)
    assert set(zip(*np.nonzero(sure), strict=True)) <= set(zip(left, right, strict=True))
    assert pair[left, right].all()
    np.testing.assert_allclose(iou, all_iou[left, right], atol=1e-5)
    assert (iou >= min_iou).all()
