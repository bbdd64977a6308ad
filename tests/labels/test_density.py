"""The threshold that leaves no more boxes per frame than people drew."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.density import FoundBoxes, density_threshold

SCORES = st.lists(st.integers(0, 100).map(lambda n: n / 100), max_size=30)


def found_boxes(scores, frames=None):
    """Return boxes with these scores, in frames of their own unless they are given."""
    frames = range(len(scores)) if frames is None else frames
    return FoundBoxes(np.array(scores, np.float32), np.array(list(frames), np.int64))


@given(scores=SCORES, allowed=st.floats(0, 40))
def test_as_many_stay_as_are_allowed(scores, allowed):
    """The best so many reach the threshold; others only with the score of the last of them."""
    threshold = density_threshold(found_boxes(scores), allowed)
    values, most = np.array(scores, np.float32), max(1, int(allowed))
    assert (values > threshold).sum() < most or not threshold
    assert (values >= threshold).sum() >= min(most, len(scores))
    assert threshold in values if threshold else True
    assert (threshold == 0) == (len(scores) <= most or np.sort(values)[::-1][most - 1] == 0)


@given(scores=SCORES, most=st.integers(1, 3), data=st.data())
def test_the_best_of_each_frame_are_kept(scores, most, data):
    """So many of each frame at most, and none that is left out is better than one that is kept."""
    frames = data.draw(st.lists(st.integers(0, 4), min_size=len(scores), max_size=len(scores)))
    kept = found_boxes(scores, frames).best_of_frames(most)
    for frame in set(frames):
        own = sorted((s for s, f in zip(scores, frames, strict=True) if f == frame), reverse=True)
        best = sorted(kept.score[kept.frame == frame].tolist(), reverse=True)
        assert best == [np.float32(score) for score in own[:most]]


def test_frames_of_several_videos_are_told_apart():
    """The same number in two videos means two frames; a video without boxes adds none."""
    joined = FoundBoxes.joined([
        found_boxes([0.5, 0.4], [7, 7]),
        found_boxes([]),
        found_boxes([0.3], [7]),
    ])
    assert joined.frame[0] == joined.frame[1] != joined.frame[2]
    assert joined.score.tolist() == [np.float32(s) for s in (0.5, 0.4, 0.3)]
    assert len(FoundBoxes.joined([]).score) == 0
