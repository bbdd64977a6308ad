"""How fast a classifier is on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError, UsageError

Picture = NDArray[np.uint8]
Window = Sequence[Picture]
"""The frames of one item, each ``(height, width, 3)`` RGB; a single one for a frame classifier."""
Classify = Callable[[Sequence[Window]], NDArray[Any]]
"""A model: windows -> ``(n, k)`` class probabilities."""


@dataclass(frozen=True)
class Speed:
    """How fast a model is on the machine that measured it.

    Attributes:
        latency_s: seconds to classify one window; median of the repeats.
        frames_per_s: frames per second in batches; median of the repeats.
        batch_size: windows in a batch.
        frames: frames in a window, on average.
        repeats: how often each of the two was timed.
    """

    latency_s: float
    frames_per_s: float
    batch_size: int
    frames: float
    repeats: int


def measure_speed(
    classify: Classify,
    windows: Sequence[Window],
    batch_size: int,
    *,
    repeats: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Return how fast a model classifies single windows, and batches of them.

    One call of each kind comes first and is not counted: the first call loads and compiles.

    Args:
        classify: the model, windows -> ``(n, k)`` float32.
        windows: items to classify, used again from the start where there are too few.
        batch_size: windows in a batch, at least 1.
        repeats: how often each of the two is timed, at least 1.
        clock: seconds since any moment.

    Raises:
        UsageError: if there is no window or frame, or a number is less than 1.
        ModelError: if probabilities have another number of rows than there were windows.
    """
    if not windows or not all(len(window) for window in windows):
        raise UsageError("expected windows of frames to time a model on, but got none: give some")
    if batch_size < 1 or repeats < 1:
        raise UsageError(
            f"expected a batch size and repeats of 1 or more, but got {batch_size} and {repeats}"
        )
    singles, batches = _batches(windows, 1, repeats), _batches(windows, batch_size, repeats)
    latency = [_timed(classify, one, clock) for one in singles][1:]
    per_batch = [_timed(classify, one, clock) for one in batches][1:]
    rates = [_frames(one) / seconds for one, seconds in zip(batches[1:], per_batch, strict=True)]
    return Speed(
        latency_s=float(np.median(latency)),
        frames_per_s=float(np.median(rates)),
        batch_size=batch_size,
        frames=_frames(windows) / len(windows),
        repeats=repeats,
    )


def _batches(windows: Sequence[Window], size: int, repeats: int) -> list[list[Window]]:
    """Return a batch to warm up with and one for each repeat."""
    endless = cycle(windows)
    return [list(islice(endless, size)) for _ in range(repeats + 1)]


def _timed(classify: Classify, batch: list[Window], clock: Callable[[], float]) -> float:
    """Return the seconds that a batch takes, never 0."""
    start = clock()
    probability = classify(batch)
    seconds = clock() - start
    if np.ndim(probability) != 2 or len(probability) != len(batch):  # noqa: PLR2004 -- windows, classes
        raise ModelError(
            f"expected class probabilities of shape ({len(batch)}, classes), but the model gave "
            f"{np.shape(probability)}: return one row for each window"
        )
    return max(seconds, 1e-9)


def _frames(batch: Sequence[Window]) -> int:
    return sum(len(window) for window in batch)
