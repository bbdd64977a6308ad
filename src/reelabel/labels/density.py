"""How many objects a frame holds, as people drew them: a bound for what a student finds.

A student of few boxes finds most objects and much else, with scores that mean little: it has seen
few pictures, and scores in those that it was trained on are too high to choose a threshold by. What
is known without truth is about how many objects a frame has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import Floats, Ints


@dataclass(frozen=True)
class FoundBoxes:
    """What a detector found of one class, in any number of videos.

    Attributes:
        score: ``(n,)`` in 0..1.
        frame: ``(n,)`` a number for each frame of each video.
    """

    score: Floats
    frame: Ints

    @classmethod
    def joined(cls, parts: Iterable[FoundBoxes]) -> FoundBoxes:
        """Return the boxes of several videos, whose frames are told apart."""
        scores, frames, first = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)], 0
        for part in parts:
            if len(part.frame):
                frames.append(np.unique(part.frame, return_inverse=True)[1] + first)
                scores.append(part.score)
                first = int(frames[-1].max()) + 1
        return cls(np.concatenate(scores), np.concatenate(frames))

    def best_of_frames(self, most: int) -> FoundBoxes:
        """Return the best so many boxes of each frame."""
        order = np.lexsort((-self.score, self.frame))
        frame = self.frame[order]
        rank = np.arange(len(frame)) - np.searchsorted(frame, frame)
        kept = order[rank < most]
        return FoundBoxes(self.score[kept], self.frame[kept])


def density_threshold(found: FoundBoxes, allowed: float) -> float:
    """Return the score of the last box that may stay, best first; 0 if all may.

    Boxes of equal scores stay together, also where that makes more than are allowed.

    Args:
        found: the boxes.
        allowed: how many may stay; the best always may.

    >>> scores = np.array([0.9, 0.8, 0.3], np.float32)
    >>> round(density_threshold(FoundBoxes(scores, np.arange(3)), 2), 2)
    0.8
    """
    most = max(1, int(allowed))
    if len(found.score) <= most:
        return 0.0
    return float(np.sort(found.score)[::-1][most - 1])
