"""Weighted boxes fusion, against a slow implementation that follows the paper step by step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reelabel.data.boxes import Boxes
from reelabel.models.box_fusion import fuse

THRESHOLD = 0.55
CLASSES = 2
WEIGHTS = np.array([1.0, 2.5, 1.0, 0.5])
NEAR = 1e-4  # closer calls than this depend on rounding


def boxes(rows):
    """Return boxes from rows of left, top, width, height, score in hundredths, class."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    xyxy = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
    return Boxes(xyxy, table[:, 4] / 100, table[:, 5].astype(np.int64))


ROW = st.tuples(
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(4, 16),
    st.integers(4, 16),
    st.integers(0, 100),
    st.integers(0, CLASSES - 1),
)
PICTURES = st.lists(st.lists(ROW, max_size=6).map(boxes), min_size=1, max_size=4)


def overlap(a, b):
    """Return the IoU of two boxes."""
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    sides = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return width * height / (sum(sides) - width * height)


def fused(found, weights=None, iou=THRESHOLD):
    """Fuse boxes of detectors that have all classes."""
    weights = np.ones(len(found)) if weights is None else np.array(weights, float)
    return fuse(found, weights, np.ones((len(found), CLASSES), bool), iou)


def mean_box(group):
    """Return the mean box of a group, weighted by weighted score."""
    pulls = [max(one["pull"], 1e-38) for one in group]
    sides = zip(*(one["xyxy"] for one in group), strict=True)
    return [
        sum(pull * value for pull, value in zip(pulls, side, strict=True)) / sum(pulls)
        for side in sides
    ]


def step_by_step(found, weights):
    """Return boxes, scores, classes and detectors of the groups, by the steps of the paper."""
    rows = [
        {"xyxy": xyxy.tolist(), "pull": w * float(score), "class": int(class_id), "by": detector}
        for detector, (each, w) in enumerate(zip(found, weights, strict=True))
        for xyxy, score, class_id in zip(each.xyxy, each.score, each.class_id, strict=True)
    ]
    groups = []
    for row in sorted(rows, key=lambda one: -one["pull"]):
        alike = [group for group in groups if group[0]["class"] == row["class"]]
        overlaps = [overlap(mean_box(group), row["xyxy"]) for group in alike]
        ranked = sorted(overlaps, reverse=True)
        assume(not ranked or abs(ranked[0] - THRESHOLD) > NEAR)
        assume(len(ranked) < 2 or ranked[0] < THRESHOLD or ranked[0] - ranked[1] > NEAR)
        if ranked and ranked[0] > THRESHOLD:
            alike[overlaps.index(ranked[0])].append(row)
        else:
            groups.append([row])
    result = []
    for group in groups:
        by = {one["by"] for one in group}
        mean = sum(one["pull"] for one in group) / sum(weights[one["by"]] for one in group)
        score = mean * sum(weights[i] for i in by) / sum(weights)
        result.append((mean_box(group), score, group[0]["class"], by))
    return result


@given(PICTURES, st.booleans())
def test_fusion_is_that_of_the_paper(found, weighted):
    """Boxes, scores, classes and who found them are those of the slow implementation."""
    weights = WEIGHTS[: len(found)] if weighted else np.ones(len(found))
    expected, result = step_by_step(found, weights.tolist()), fused(found, weights)
    got = [
        (xyxy.tolist(), float(score), int(class_id), set(np.flatnonzero(by).tolist()))
        for xyxy, score, class_id, by in zip(
            *(getattr(result.boxes, name) for name in ("xyxy", "score", "class_id")),
            result.found_by,
            strict=True,
        )
    ]
    assert [one[1] for one in got] == sorted((one[1] for one in got), reverse=True)

    def key(one):
        return one[2], sorted(one[3]), [round(side, 2) for side in one[0]], round(one[1], 4)

    assert len(got) == len(expected)
    for a, b in zip(sorted(got, key=key), sorted(expected, key=key), strict=True):
        assert a[2:] == b[2:]
        assert a[0] == pytest.approx(b[0], abs=1e-3)
        assert a[1] == pytest.approx(b[1], abs=1e-5)


@given(PICTURES)
def test_fused_boxes_lie_among_their_own(found):
    """Scores stay in 0..1 and below the best box, sides lie between the least and the largest."""
    result = fused(found)
    whole = Boxes.concatenated(found)
    assert len(result.boxes) <= len(whole)
    assert result.found_by.any(axis=1).all()
    assert (result.boxes.score >= 0).all()
    if len(whole):
        assert result.boxes.score.max() <= whole.score.max() + 1e-6
        assert (result.boxes.xyxy >= whole.xyxy.min(axis=0) - 1e-3).all()
        assert (result.boxes.xyxy <= whole.xyxy.max(axis=0) + 1e-3).all()


@given(st.lists(ROW, min_size=1, max_size=6, unique_by=lambda row: row[4]), st.integers(1, 4))
def test_detectors_that_agree_change_nothing(rows, count):
    """Boxes that all detectors find alike keep their places; what one finds alone loses score."""
    one = boxes(rows)
    alone, alike = fused([one]), fused([one] * count)
    single = fused([one, *[Boxes.empty()] * (count - 1)])
    assert np.allclose(single.boxes.xyxy, alone.boxes.xyxy)
    assert np.allclose(single.boxes.score * count, alone.boxes.score)
    if len(alone.boxes) == len(one):  # else boxes of one detector join, in another order
        assert np.allclose(alike.boxes.xyxy, one[np.argsort(-one.score)].xyxy, atol=1e-3)
        assert np.allclose(alike.boxes.score, np.sort(one.score)[::-1], atol=1e-6)
        assert alike.found_by.all()


def test_a_class_that_one_detector_lacks_is_decided_by_the_others():
    """A detector without the class does not count among those that did not find a box."""
    found = fuse(
        [boxes([(0, 0, 10, 10, 80, 1)]), Boxes.empty()],
        np.ones(2),
        np.array([[True, True], [True, False]]),
        THRESHOLD,
    )
    assert found.boxes.score.tolist() == pytest.approx([0.8])


def test_a_detector_does_not_confirm_itself():
    """Two boxes of one detector on one object count as one of two detectors."""
    twice = boxes([(0, 0, 10, 10, 80, 0), (1, 0, 10, 10, 60, 0)])
    found = fused([twice, Boxes.empty()])
    assert found.boxes.score.tolist() == pytest.approx([0.35])
    assert found.found_by.tolist() == [[True, False]]


def test_weights_move_scores_and_edges():
    """A detector of three times the weight has three quarters of the say."""
    first, second = boxes([(0, 0, 10, 10, 80, 0)]), boxes([(2, 0, 10, 10, 80, 0)])
    both = fused([first, second], [3, 1])
    assert both.boxes.xyxy[0].tolist() == pytest.approx([0.5, 0, 10.5, 10])
    assert both.boxes.score.tolist() == pytest.approx([0.8])
    alone = [fused([first, Boxes.empty()], w).boxes.score[0] for w in ([3, 1], [1, 3])]
    assert alone == pytest.approx([0.6, 0.2])
