"""Counts, size bins and heat maps describe the labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.stats import (
    heat_map,
    size_bins,
    two_classes,
    two_classes_sentences,
)


def test_size_bins_have_the_coco_bounds():
    """32^2 and 96^2 are both medium."""
    sides = np.array([31.9, 32, 96, 96.1], np.float32)
    xyxy = np.stack([sides * 0, sides * 0, sides, sides], axis=1)
    bins = size_bins(xyxy)
    assert [(name, count.n) for name, count in bins.items()] == [
        ("small", 1),
        ("medium", 2),
        ("large", 1),
    ]


@given(
    st.lists(
        st.tuples(st.integers(-5, 20), st.integers(-5, 20), st.integers(0, 20), st.integers(0, 20)),
        max_size=8,
    )
)
def test_heat_map_is_the_sum_of_masks(ltwh):
    """With one cell a pixel and whole coordinates, boxes add up like masks."""
    masks = np.zeros((12, 16))
    for left, top, w, h in ltwh:
        masks[max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] += 1
    xyxy = np.array([(x, y, x + w, y + h) for x, y, w, h in ltwh], np.float32).reshape(-1, 4)
    assert np.allclose(heat_map(xyxy, (16, 12), (16, 12)), masks)


def test_heat_map_keeps_the_covered_area():
    """Whatever the grid, cells times their size add up to the boxes' area."""
    xyxy = np.random.default_rng(0).uniform(0, 300, (5000, 4)).astype(np.float32)
    xyxy[:, 2:] = xyxy[:, :2] + xyxy[:, 2:] / 10
    grid = heat_map(xyxy, (640, 360), (96, 54))
    assert grid.shape == (54, 96)
    area = np.prod(xyxy[:, 2:].astype(float) - xyxy[:, :2], axis=1).sum()
    assert grid.sum() * (640 / 96) * (360 / 54) == pytest.approx(area, rel=1e-6)


def test_two_classes_on_one_object_are_counted():
    """Only boxes of one frame and two classes that nearly coincide count, once for each object."""
    pts = np.array([0, 0, 0, 1, 1, 2, 2])
    xyxy = np.array(
        [
            (0, 0, 10, 10),
            (0, 0, 10, 9),
            (50, 50, 60, 60),
            (0, 0, 10, 10),
            (0, 0, 10, 10),
            (0, 0, 9, 10),
            (0, 0, 10, 10),
        ],
        np.float32,
    )
    names = np.array(["dog", "cat", "cow", "dog", "dog", "cow", "dog"])
    found = two_classes(pts, xyxy, names)
    assert found == {("cat", "dog"): 1, ("cow", "dog"): 1}
    first, _ = two_classes_sentences(found)
    assert first.startswith("cat and dog are on one object 1 time (IoU")
    assert two_classes(pts[:0], xyxy[:0], names[:0]) == {}
