"""Processed frames are numbered by their time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.temporal.video import UniformTime


@given(st.lists(st.integers(1, 400), max_size=30), st.integers(-1000, 1000))
def test_numbers_rise_and_lead_back(steps, start):
    """Every processed frame has a number of its own, in order; unused numbers have no frame."""
    pts = start + np.cumsum([0, *steps])
    time = UniformTime.of(pts)
    assert time.number[0] == 0
    assert (np.diff(time.number) >= 1).all()
    back = time.back(np.arange(time.number[-1] + 1))
    assert back[back >= 0].tolist() == list(range(len(pts)))


def test_even_steps_change_nothing():
    """Frames at a constant rate are numbered as they stand."""
    assert UniformTime.of(np.arange(7) * 512 + 90).number.tolist() == list(range(7))
    assert UniformTime.of(np.zeros(0, np.int64)).number.tolist() == []


def test_what_was_skipped_leaves_a_hole():
    """Three usual steps are three numbers further on, and the camera does not move between."""
    time = UniformTime.of(np.array([0, 10, 20, 50, 60]))
    assert time.number.tolist() == [0, 1, 2, 5, 6]
    shift = time.shift(np.arange(10.0).reshape(5, 2))
    assert shift[5].tolist() == [6, 7]
    assert not shift[3:5].any()
