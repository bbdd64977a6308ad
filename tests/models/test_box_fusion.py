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


def mean_box(group):
    """Return the mean box of a group, weighted by score."""
    weights = [max(score, 1e-38) for _, score, _, _ in group]
    return [
        sum(w * one[0][side] for w, one in zip(weights, group, strict=True)) / sum(weights)
        for side in range(4)
    ]


def step_by_step(found, n_detectors):
    """Return boxes, scores, classes and detectors of the groups, by the steps of the paper."""
    rows = [
        (xyxy.tolist(), float(score), int(class_id), detector)
        for detector, each in enumerate(found)
        for xyxy, score, class_id in zip(each.xyxy, each.score, each.class_id, strict=True)
    ]
    groups = []
    for row in sorted(rows, key=lambda one: -one[1]):
        alike = [group for group in groups if group[0][2] == row[2]]
        overlaps = [overlap(mean_box(group), row[0]) for group in alike]
        ranked = sorted(overlaps, reverse=True)
        assume(not ranked or abs(ranked[0] - THRESHOLD) > NEAR)
        assume(len(ranked) < 2 or ranked[0] < THRESHOLD or ranked[0] - ranked[1] > NEAR)
        if ranked and ranked[0] > THRESHOLD:
            alike[overlaps.index(ranked[0])].append(row)
        else:
            groups.append([row])
    result = []
    for group in groups:
        by = {detector for *_, detector in group}
        score = sum(one[1] for one in group) / len(group) * len(by) / n_detectors
        result.append((mean_box(group), score, group[0][2], by))
    return result


@given(PICTURES)
def test_fusion_is_that_of_the_paper(found):
    """Boxes, scores, classes and who found them are those of the slow implementation."""
    expected = step_by_step(found, len(found))
    fused = fuse(found, [len(found)] * CLASSES, THRESHOLD)
    got = [
        (xyxy.tolist(), float(score), int(class_id), set(np.flatnonzero(by).tolist()))
        for xyxy, score, class_id, by in zip(
            fused.boxes.xyxy, fused.boxes.score, fused.boxes.class_id, fused.found_by, strict=True
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
    fused = fuse(found, [len(found)] * CLASSES, THRESHOLD)
    whole = Boxes.concatenated(found)
    assert len(fused.boxes) <= len(whole)
    assert fused.found_by.any(axis=1).all()
    assert (fused.boxes.score >= 0).all()
    if len(whole):
        assert fused.boxes.score.max() <= whole.score.max() + 1e-6
        assert (fused.boxes.xyxy >= whole.xyxy.min(axis=0) - 1e-3).all()
        assert (fused.boxes.xyxy <= whole.xyxy.max(axis=0) + 1e-3).all()


@given(st.lists(ROW, min_size=1, max_size=6, unique_by=lambda row: row[4]), st.integers(1, 4))
def test_detectors_that_agree_change_nothing(rows, count):
    """Boxes that all detectors find alike keep their places; what one finds alone loses score."""
    one = boxes(rows)
    alone = fuse([one], [1] * CLASSES, THRESHOLD)
    alike = fuse([one] * count, [count] * CLASSES, THRESHOLD)
    single = fuse([one, *[Boxes.empty()] * (count - 1)], [count] * CLASSES, THRESHOLD)
    assert np.allclose(single.boxes.xyxy, alone.boxes.xyxy)
    assert np.allclose(single.boxes.score * count, alone.boxes.score)
    if len(alone.boxes) == len(one):  # else boxes of one detector join, in another order
        assert np.allclose(alike.boxes.xyxy, one[np.argsort(-one.score)].xyxy, atol=1e-3)
        assert np.allclose(alike.boxes.score, np.sort(one.score)[::-1], atol=1e-6)
        assert alike.found_by.all()


def test_a_class_that_one_detector_lacks_is_decided_by_the_others():
    """A detector without the class does not count among those that did not find a box."""
    found = fuse([boxes([(0, 0, 10, 10, 80, 1)]), Boxes.empty()], [2, 1], THRESHOLD)
    assert found.boxes.score.tolist() == pytest.approx([0.8])


def test_a_detector_does_not_confirm_itself():
    """Two boxes of one detector on one object count as one of two detectors."""
    twice = boxes([(0, 0, 10, 10, 80, 0), (1, 0, 10, 10, 60, 0)])
    found = fuse([twice, Boxes.empty()], [2, 2], THRESHOLD)
    assert found.boxes.score.tolist() == pytest.approx([0.35])
    assert found.found_by.tolist() == [[True, False]]
