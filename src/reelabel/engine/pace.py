"""How far a whole run is, and about how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Sequence

TYPICAL = {
    "sample": 10,
    "tune": 8,
    "detect": 30,
    "mine": 10,
    "classify": 20,
    "train": 40,
    "evaluate": 8,
}
"""What stages usually take of a run, relative to one another; all others are 1."""
_LEAST_S = 5.0
"""Seconds of work from which the rest is estimated."""


class Pace:
    """Counts the stages of a run.

    Args:
        stages: their names in order, one for each visit.
    """

    def __init__(self, stages: Sequence[str]) -> None:
        self._stages = list(stages)
        self._at = 0
        self._worked = 0
        self._seconds = 0.0
        self._began = time.monotonic()

    def begin(self) -> str:
        """Return the place of the next stage, such as ``7/15``, with what is left of the run."""
        self._began = time.monotonic()
        return f"{self._at + 1}/{len(self._stages)}{self._left()}"

    def end(self, *, worked: bool) -> None:
        """Note that a stage is over, and whether there was anything to do."""
        if worked:
            self._worked += TYPICAL.get(self._stages[self._at], 1)
            self._seconds += time.monotonic() - self._began
        self._at += 1

    def drop(self) -> None:
        """Leave the stage that began out of the count: nothing asks for it."""
        del self._stages[self._at]

    def _left(self) -> str:
        """Return about how long the rest takes, as far as the stages so far tell; empty else."""
        if self._seconds < _LEAST_S:
            return ""
        rest = sum(TYPICAL.get(name, 1) for name in self._stages[self._at :])
        return f", about {duration(self._seconds * rest / self._worked)} left"


def duration(seconds: float) -> str:
    """Return a length of time in the usual units.

    >>> duration(40), duration(200), duration(9000)
    ('40 s', '3 min', '2.5 h')
    """
    minute, hour = 60, 3600
    if seconds < minute:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / minute:.0f} min" if seconds < hour else f"{seconds / hour:.1f} h"
