"""The shots of a video: between hard cuts and gradual transitions, found while it is decoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.media.convert import Picture
from reelabel.media.frame import Frame
from reelabel.media.quality import ANALYSIS_WH, CutDetector, thumbnail, unlike
from reelabel.media.sampling import StepSampler

_STEP_S = 0.08
_WINDOWS = (4, 8, 12, 20)
"""Lengths of transitions that are looked for, in steps: 0.3 to 1.6 s."""
_JOINED_S = 0.5  # a fade out and the fade in that follows it are one transition
_MIN_CHANGE = 10.0  # grey levels between the pictures before and after
_MIN_UNLIKE = 0.35  # a window may hold the middle of a transition alone
_MAX_RESIDUAL = 0.25  # of the difference between the ends
_FLATTEST, _STEEPEST = 0.3, 1.6  # of a step, where an even course has 1


@dataclass(frozen=True)
class Shot:
    """A run of frames that one camera took, in seconds from the first frame of the video.

    Attributes:
        start_s: its first frame.
        end_s: the first instant that is no longer in it: that of a cut, or where a gradual
            transition begins. The frames of a transition belong to no shot.
    """

    start_s: float
    end_s: float


class TransitionDetector:
    """Finds dissolves and fades online, with constant memory.

    In a dissolve every picture is a mixture of the one before it and the one after it, with a share
    that rises steadily; in a fade one of both is blank. So of thumbnails 0.08 s apart each window
    is tested: its ends differ in structure, the pictures between lie on the line between them
    (least squares), and their place on it rises without a jump. A camera that pans or zooms does
    not pass: its pictures are no mixtures. The ends of a transition are found to about 0.3 s.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, NDArray[np.float32]]] = deque(maxlen=max(_WINDOWS) + 1)
        self._sampler = StepSampler(_STEP_S)
        self.found: list[tuple[float, float]] = []
        """First and last second of each transition, in order of time, apart from each other."""

    def add(self, time_s: float, picture: Picture) -> None:
        """Process the next frame.

        Args:
            time_s: when it is shown; times ascend.
            picture: ``(height, width, 3)`` uint8 RGB, reduced.
        """
        if not self._sampler.takes(time_s):
            return
        self._recent.append((time_s, thumbnail(picture)))
        for length in _WINDOWS:
            if len(self._recent) > length:
                window = list(self._recent)[-length - 1 :]
                if _is_mixture(np.stack([each for _, each in window])):
                    self._note(window[0][0], time_s)
                    return

    def forget(self) -> None:
        """Compare nothing that comes with what came: a hard cut lies between."""
        self._recent.clear()

    def _note(self, start_s: float, end_s: float) -> None:
        while self.found and start_s - self.found[-1][1] <= _JOINED_S:
            start_s = min(start_s, self.found.pop()[0])
        self.found.append((start_s, end_s))


def _is_mixture(pictures: NDArray[np.float32]) -> bool:
    """Return whether pictures ``(n, height, width, 3)`` go over from the first into the last."""
    first, last = pictures[0], pictures[-1]
    if float(np.abs(last - first).mean()) < _MIN_CHANGE or unlike(first, last) < _MIN_UNLIKE:
        return False
    path = (pictures - first).reshape(len(pictures), -1)
    whole = path[-1]
    energy = float(whole @ whole)
    share = path @ whole / energy
    steps = np.diff(share) * (len(share) - 1)
    if steps.min() < _FLATTEST or steps.max() > _STEEPEST:
        return False
    off = path[1:-1] - share[1:-1, None] * whole
    residual = np.sqrt((off**2).sum(1) / energy)
    return bool(residual.max() < _MAX_RESIDUAL)


def find_shots(frames: Iterable[Frame], end_s: float, *, gradual: bool = True) -> list[Shot]:
    """Return the shots of a video or a span of it, in order; together they are all but transitions.

    Hard cuts are found by `CutDetector`, dissolves and fades by `TransitionDetector`.

    Args:
        frames: every frame, in order; without any there is no shot.
        end_s: where the last one ends.
        gradual: whether dissolves and fades are looked for.
    """
    cuts, transitions = CutDetector(), TransitionDetector()
    breaks: list[tuple[float, float]] = []
    first_s: float | None = None
    for frame in frames:
        first_s = frame.time_s if first_s is None else first_s
        small = frame.rgb(ANALYSIS_WH)
        if cuts.is_cut(small):
            breaks.append((frame.time_s, frame.time_s))
            transitions.forget()
        if gradual:
            transitions.add(frame.time_s, small)
    if first_s is None:
        return []
    return _between(sorted(breaks + transitions.found), first_s, end_s)


def _between(breaks: list[tuple[float, float]], start_s: float, end_s: float) -> list[Shot]:
    """Return what lies between breaks, each from where a shot ends to where the next begins."""
    shots = list[Shot]()
    for until_s, next_s in breaks:
        if until_s > start_s:
            shots.append(Shot(start_s, until_s))
        start_s = max(start_s, next_s)
    if end_s > start_s:
        shots.append(Shot(start_s, end_s))
    return shots
