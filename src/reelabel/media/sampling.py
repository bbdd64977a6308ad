"""Which frames of a video are taken: a rule on positions and times alone."""

from __future__ import annotations

import math
from itertools import count
from typing import Self

from pydantic import Field, model_validator

from reelabel.config import Settings

_SLACK_S = 5e-4  # times are rounded in the container


class SamplingSettings(Settings):
    """Which frames are taken."""

    every: int = Field(1, ge=1)
    """Take every n-th frame."""
    every_s: float | None = Field(None, gt=0)
    """Take one frame every so many seconds, instead of every n-th."""
    per_video: int | None = Field(None, ge=1)
    """Take about this many frames per video, evenly spread, instead of every n-th."""
    keyframes: bool = False
    """Take only the frames that are stored whole: many times faster on long footage."""
    start_delay_s: float = Field(0.0, ge=0)
    """Take nothing before this second of each clip."""
    max_per_video: int = Field(2000, ge=1)
    """Cap per video; above it the frames are thinned evenly."""

    @model_validator(mode="after")
    def one_rule(self) -> Self:
        """Refuse two sampling rules at once."""
        rules = [self.every != 1, self.every_s is not None, self.per_video is not None]
        if sum(rules) > 1:
            raise ValueError("give only one of every, every_s and per_video")
        return self


class FrameSampler:
    """Decides frame by frame whether it is taken; several clips count as one after the other.

    Args:
        settings: the rule.
        duration_s: length of all clips together in seconds.
    """

    def __init__(self, settings: SamplingSettings, duration_s: float) -> None:
        self._settings = settings
        self._stride = settings.every
        self._step_s = settings.every_s
        if settings.per_video is not None:
            self._step_s = duration_s / settings.per_video
        self._next_s = self._before_take_s = 0.0
        self._position = count()
        self._before_s = 0.0

    def takes(self, since_start_s: float) -> bool:
        """Return whether the frame at this second of the clip is taken."""
        since_s = since_start_s - self._settings.start_delay_s
        if since_s < 0:
            return False
        if self._step_s is None:
            return next(self._position) % self._stride == 0
        since_s += self._before_s
        if since_s + _SLACK_S < self._next_s:
            return False
        self._before_take_s = self._next_s
        self._next_s = ((since_s + _SLACK_S) // self._step_s + 1) * self._step_s
        return True

    @property
    def step_s(self) -> float | None:
        """Seconds between frames that are taken; None if frames are counted."""
        return self._step_s

    def take_back(self) -> None:
        """Forget the last frame that was taken by its time: it cannot be had."""
        self._next_s = self._before_take_s

    def end_clip(self, length_s: float) -> None:
        """Go on with the next clip of the video, after one of this length in seconds."""
        self._before_s += max(0.0, length_s - self._settings.start_delay_s)

    def thin(self) -> None:
        """Take half as many from now on."""
        # Taken frames lie on multiples of the step; every second of them stays.
        self._stride *= 2
        if self._step_s is not None:
            self._step_s *= 2
            self._next_s = math.ceil(self._next_s / self._step_s - 1e-6) * self._step_s


class StepSampler:
    """Takes frames that are at least a step apart, so that distances are even.

    A frame that comes late moves all behind it, unlike with `FrameSampler`, which keeps to the
    multiples of a step.

    Args:
        step_s: seconds; 0 takes every frame.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self._next_s = -math.inf

    def takes(self, time_s: float) -> bool:
        """Return whether the frame at this second is taken."""
        if time_s + _SLACK_S < self._next_s:
            return False
        self._next_s = max(self._next_s, time_s - _SLACK_S) + self._step_s
        return True
