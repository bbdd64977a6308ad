"""Probabilities over time become segments that cover the time, and one answer for a video."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import median_filter

from reelabel.labels.segments import (
    UNKNOWN,
    SegmentSettings,
    mean_over_time,
    median_over_time,
    moment_edges,
    segments,
)

CLASSES = ("indoor", "outdoor", "title")
PLAIN = SegmentSettings(hysteresis=0)


@st.composite
def timelines(draw, most=30):
    """Draw probabilities, ascending times with a smallest distance, and a span around them."""
    n, k = draw(st.integers(1, most)), draw(st.integers(1, 3))
    steps = draw(st.lists(st.integers(1, 8), min_size=n + 1, max_size=n + 1))
    times = np.cumsum(steps) / 4
    values = st.lists(st.integers(0, 10), min_size=k, max_size=k)
    rows = np.array(draw(st.lists(values, min_size=n, max_size=n)), float) / 10
    return rows, times[:-1], (0.0, float(times[-1]))


settings_drawn = st.builds(
    SegmentSettings,
    threshold=st.sampled_from([0.4, 0.5, 0.9]),
    hysteresis=st.sampled_from([0.0, 0.1, 0.3]),
    smooth_s=st.sampled_from([0.0, 1.0, 5.0]),
    min_length_s=st.sampled_from([0.0, 0.6, 3.0, 1e9]),
)


@given(timelines(), settings_drawn)
def test_segments_tile_the_time(timeline, settings):
    """Segments cover the span without overlap, differ from their neighbours, count all moments."""
    rows, times, span = timeline
    found = segments(rows, times, CLASSES[: rows.shape[1]], span_s=span, settings=settings)
    assert (found[0].start_s, found[-1].end_s) == span
    for one, following in pairwise(found):
        assert one.end_s == following.start_s
        assert one.category != following.category
    assert sum(one.moments for one in found) == len(rows)
    assert all(0 <= one.probability <= 1 for one in found)
    shortest = min(one.end_s - one.start_s for one in found)
    assert len(found) == 1 or shortest >= settings.min_length_s


@given(timelines(), settings_drawn)
def test_segments_are_a_fixed_point(timeline, settings):
    """Probabilities that are the segments themselves give the same segments again."""
    rows, times, span = timeline
    names = CLASSES[: rows.shape[1]]
    settings = settings.model_copy(update={"smooth_s": 0.0})
    found = segments(rows, times, names, span_s=span, settings=settings)
    owner = [one for one in found for _ in range(one.moments)]
    certain = np.array([[float(one.category == name) for name in names] for one in owner])
    again = segments(certain, times, names, span_s=span, settings=settings)
    shape = [(one.start_s, one.end_s, one.category, one.moments) for one in found]
    assert [(one.start_s, one.end_s, one.category, one.moments) for one in again] == shape


@given(timelines())
def test_without_smoothing_the_best_class_decides(timeline):
    """Without smoothing each moment has its most probable class, or is unknown below a half."""
    rows, times, span = timeline
    names = CLASSES[: rows.shape[1]]
    found = segments(rows, times, names, span_s=span, settings=PLAIN)
    given_names = [one.category for one in found for _ in range(one.moments)]
    best = [names[row.argmax()] if row.max() >= 0.5 else UNKNOWN for row in rows]
    assert given_names == best
    at = 0
    seconds = np.diff(moment_edges(times, span))
    for one in found:
        part = slice(at, at + one.moments)
        column = rows.max(axis=1) if one.category == UNKNOWN else rows[:, names.index(one.category)]
        assert one.probability == pytest.approx(np.average(column[part], weights=seconds[part]))
        at += one.moments


def column(*values):
    """Return the probabilities of one class and of another that has the rest."""
    return np.array([[value, 1 - value] for value in values])


def names_of(rows, **settings):
    """Return the category of each moment, one a second."""
    times = np.arange(len(rows)) + 0.5
    span = (0.0, float(len(rows)))
    found = segments(rows, times, ("a", "b"), span_s=span, settings=SegmentSettings(**settings))
    return "".join(one.category[0] * one.moments for one in found)


def test_hysteresis_keeps_a_class_through_weak_moments():
    """A class that is begun goes on until another leads clearly."""
    rows = column(0.9, 0.48, 0.9, 0.3, 0.45, 0.52)
    assert names_of(rows, hysteresis=0) == "abab" + "ba"
    assert names_of(rows, hysteresis=0.1) == "aaabbb"


def test_a_median_removes_outliers():
    """One moment of another class in a window of three disappears; an edge stays in its place."""
    rows = column(0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1, 0.1)
    assert names_of(rows, hysteresis=0, smooth_s=2) == "aaaaabbb"


def test_short_segments_join_the_likelier_neighbour():
    """A segment below the minimum takes the class that is more probable there."""
    rows = np.array([[0.9, 0.0], [0.4, 0.3], [0.0, 0.9], [0.0, 0.9]])
    times, span = np.arange(4) + 0.5, (0.0, 4.0)
    settings = SegmentSettings(min_length_s=1.5, threshold=0.2, hysteresis=0)
    found = segments(rows, times, ("a", "b"), span_s=span, settings=settings)
    assert [(one.category, one.start_s, one.end_s) for one in found] == [("a", 0, 2), ("b", 2, 4)]
    assert names_of(column(0.9, 0.9, 0.4, 0.9, 0.9), hysteresis=0, min_length_s=2) == "aaaaa"


@given(timelines(), st.sampled_from([1, 3, 5]))
def test_the_median_is_the_usual_one_for_even_times(timeline, width):
    """For even times the running median is scipy's, away from the ends."""
    rows = timeline[0]
    ours = median_over_time(rows, np.arange(len(rows), dtype=float), width - 1 or 0.5)
    theirs = median_filter(rows, size=(width, 1))
    inner = slice(width // 2, len(rows) - width // 2)
    assert np.allclose(ours[inner], theirs[inner])


def test_a_video_is_the_mean_over_its_time():
    """Moments that lie closely together count no more than the time that they stand for."""
    rows = column(1.0, 1.0, 1.0, 0.0)
    answer = mean_over_time(rows, np.array([0.0, 0.0, 0.0, 10.0]), (0.0, 10.0))
    assert answer == pytest.approx([0.5, 0.5], abs=1e-6)
    assert mean_over_time(rows[:1], np.array([0.0]), (0.0, 0.0)) == pytest.approx([1, 0])
    with pytest.raises(ValueError, match="at least one"):
        mean_over_time(rows[:0], np.array([]), (0.0, 1.0))


def test_a_picture_is_one_segment():
    """A single picture of no length is one segment, and no moments are none."""
    (one,) = segments(column(0.9), np.array([0.0]), ("a", "b"), span_s=(0.0, 0.0))
    assert (one.start_s, one.end_s, one.category, one.probability) == (
        0,
        0,
        "a",
        pytest.approx(0.9),
    )
    assert segments(np.zeros((0, 2)), np.array([]), ("a", "b"), span_s=(0.0, 1.0)) == []


@pytest.mark.parametrize(
    ("rows", "times", "message"),
    [
        ([[0.5, 0.5]], [2.0], "ascending"),
        ([[0.5, 0.5]] * 2, [0.5, 0.2], "ascending"),
        ([[0.5, 0.5]], [float("nan")], "ascending"),
        ([[0.5]], [0.5], "2 classes"),
        ([[1.5, 0.5]], [0.5], r"0\.\.1"),
        ([[float("nan"), 0.5]], [0.5], r"0\.\.1"),
    ],
)
def test_wrong_input_is_refused(rows, times, message):
    """Times out of order or out of the span, and values that are no probabilities, are errors."""
    with pytest.raises(ValueError, match=message):
        segments(np.array(rows), np.array(times), ("a", "b"), span_s=(0.0, 1.0))


def test_a_hysteresis_that_never_ends_is_refused():
    """The lower threshold must be above 0."""
    with pytest.raises(ValueError, match="hysteresis < threshold"):
        SegmentSettings(threshold=0.1, hysteresis=0.1)
