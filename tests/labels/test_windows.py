"""Windows of frames: what they never contain, and what becomes of short shots."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.windows import WindowSettings, find_windows


@st.composite
def videos(draw):
    """Return times and shots of frames, with cuts and holes."""
    n = draw(st.integers(0, 60))
    gaps = draw(st.lists(st.sampled_from([0.2, 0.2, 0.2, 3.0]), min_size=n, max_size=n))
    cuts = draw(st.lists(st.sampled_from([0, 0, 0, 1]), min_size=n, max_size=n))
    return np.cumsum(gaps), np.cumsum(cuts).astype(np.int64)


SETTINGS = st.builds(
    WindowSettings,
    frames=st.integers(2, 9),
    mode=st.sampled_from(["uniform", "dense"]),
    per_video=st.integers(1, 4),
    short=st.sampled_from(["pad", "skip"]),
)


@given(videos(), SETTINGS)
def test_windows_contain_no_cut_and_no_hole(video, settings):
    """All frames of a window are of one shot, in order, a step apart; windows do not overlap."""
    time_s, shot = video
    found = find_windows(time_s, shot, settings)
    assert found.shape[1] == settings.frames
    for window in found:
        assert len(set(shot[window])) == 1
        steps = np.diff(window)
        assert set(steps) <= {0, 1}
        assert np.diff(time_s[window]).max() < 1
        # Only the last picture repeats.
        assert not (np.diff(steps) > 0).any()
        assert settings.short == "pad" or (steps == 1).all()
    used = [set(window.tolist()) for window in found]
    assert sum(map(len, used)) == len(set().union(*used))
    if settings.mode == "uniform":
        assert len(found) <= settings.per_video


def test_a_short_shot_is_padded_or_left_out():
    """Three frames in a window of five: the last one repeats, or there is no window."""
    time_s, shot = np.arange(3) * 0.2, np.zeros(3, np.int64)
    padded = find_windows(time_s, shot, WindowSettings(frames=5))
    assert padded.tolist() == [[0, 1, 2, 2, 2]]
    assert not len(find_windows(time_s, shot, WindowSettings(frames=5, short="skip")))


def test_windows_of_a_long_video_are_spread_evenly():
    """Of ten windows two are taken from the middle of each half."""
    time_s, shot = np.arange(40) * 0.2, np.zeros(40, np.int64)
    found = find_windows(time_s, shot, WindowSettings(frames=4, per_video=2))
    assert found[:, 0].tolist() == [8, 28]
