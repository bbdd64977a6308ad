"""Speed is timed after a warm-up, as the median of repeats."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.errors import ModelError, UsageError
from reelabel.evaluation.classes.speed import measure_speed

PICTURE = np.zeros((4, 4, 3), np.uint8)


class SlowModel:
    """Takes so many seconds of a clock that only it moves, and more at some calls."""

    def __init__(self, per_call, per_frame, extra=()):
        self.now, self.sizes = 0.0, []
        self._times, self._extra = (per_call, per_frame), dict(extra)

    def clock(self):
        """Return the time."""
        return self.now

    def __call__(self, windows):
        """Return probabilities and let time pass."""
        per_call, per_frame = self._times
        self.now += per_call + per_frame * sum(map(len, windows))
        self.now += self._extra.get(len(self.sizes), 0)
        self.sizes.append(len(windows))
        return np.full((len(windows), 2), 0.5, np.float32)


def test_latency_is_of_one_window_and_throughput_of_batches():
    """The cost of a call is shared by the windows of a batch."""
    model = SlowModel(0.1, 0.01)
    speed = measure_speed(model, [[PICTURE] * 5] * 3, 8, repeats=3, clock=model.clock)
    assert speed.latency_s == pytest.approx(0.15)
    assert speed.frames_per_s == pytest.approx(40 / 0.5)
    assert (speed.batch_size, speed.frames, speed.repeats) == (8, 5, 3)
    assert model.sizes == [1] * 4 + [8] * 4


def test_warm_up_and_outliers_do_not_count():
    """The first call of each kind and a single slow one leave the figures as they are."""
    steady = SlowModel(0.1, 0.01)
    uneven = SlowModel(0.1, 0.01, {0: 60, 2: 9, 4: 60, 6: 9})
    windows = [[PICTURE]] * 4
    expected = measure_speed(steady, windows, 2, repeats=3, clock=steady.clock)
    found = measure_speed(uneven, windows, 2, repeats=3, clock=uneven.clock)
    assert found.latency_s == pytest.approx(expected.latency_s)
    assert found.frames_per_s == pytest.approx(expected.frames_per_s)


def test_the_clock_of_the_machine_gives_finite_figures():
    """A model that takes no time at all has a finite speed."""
    speed = measure_speed(lambda windows: np.zeros((len(windows), 2)), [[PICTURE]], 4)
    assert 0 < speed.latency_s < np.inf
    assert 0 < speed.frames_per_s < np.inf


@pytest.mark.parametrize("windows", [[], [[]], [[PICTURE], []]])
def test_without_frames_nothing_is_timed(windows):
    """No window, or one without frames, is refused."""
    with pytest.raises(UsageError, match="expected windows of frames"):
        measure_speed(SlowModel(1, 1), windows, 1)


def test_a_batch_has_a_window():
    """A batch size or repeats of less than 1 are refused."""
    with pytest.raises(UsageError, match="1 or more, but got 0 and 7"):
        measure_speed(SlowModel(1, 1), [[PICTURE]], 0)


def test_a_model_that_leaves_windows_out_is_not_timed():
    """Probabilities of another number of windows are named: such a speed would be wrong."""
    with pytest.raises(ModelError, match=r"shape \(2, classes\), but the model gave \(1, 3\)"):
        measure_speed(lambda _: np.zeros((1, 3)), [[PICTURE]] * 2, 2)
