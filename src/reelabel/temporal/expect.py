"""Where a track is expected in a frame, from its boxes before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelabel.data.sequence import Floats, Ints
from reelabel.temporal.video import TrackedVideo

_ESTABLISHED = 3
"""A track with at least so many boxes has a course that can be extrapolated."""


@dataclass(frozen=True)
class Courses:
    """The boxes of every track in order of time.

    Attributes:
        bounds: ``(tracks + 1,)`` where each track begins in `frame`.
        frame: ``(n,)`` the frames of the boxes that are used, in order of track, then frame.
        still: ``(n, 4)`` their boxes with the camera motion removed.
        path: ``(frames, 2)`` the camera's path.
    """

    bounds: Ints
    frame: Ints
    still: Floats
    path: Floats

    @classmethod
    def of(cls, video: TrackedVideo, min_score: float) -> Courses:
        """Sort the boxes of all tracks; those below `min_score` are left out."""
        boxes, tracks, path = video.boxes, video.tracks, video.path
        rows = np.lexsort((boxes.frame, tracks.track_id))
        rows = rows[boxes.score[rows] >= min_score]
        bounds = np.searchsorted(tracks.track_id[rows], np.arange(len(tracks.started) + 1))
        frame = boxes.frame[rows]
        return cls(bounds, frame, video.xyxy[rows] - np.tile(path[frame], 2), path)

    def near(self, track: int, frame: int, reach: int) -> int:
        """Return in how many other frames within `reach` of `frame` the track has a box."""
        at = self.frame[self.bounds[track] : self.bounds[track + 1]]
        low, high = np.searchsorted(at, [frame - reach, frame + reach + 1])
        return int(high - low) - int((at[low:high] == frame).any())

    def at(self, track: int, frame: int) -> Floats | None:
        """Return where the track's other boxes place it in `frame`, ``(4,)`` pixels.

        Between two boxes it is interpolated linearly, outside extrapolated through the two
        nearest. Returns None if there is no other box.
        """
        inside = np.arange(self.bounds[track], self.bounds[track + 1])
        inside = inside[self.frame[inside] != frame]
        if not len(inside):
            return None
        k = int(np.searchsorted(self.frame[inside], frame))
        a, b = inside[max(0, min(k - 1, len(inside) - 2))], inside[min(max(k, 1), len(inside) - 1)]
        step = max(int(self.frame[b] - self.frame[a]), 1)
        share = (frame - self.frame[a]) / step
        line = (1 - share) * self.still[a] + share * self.still[b]
        if k in {0, len(inside)} and step > 1:
            line = self.still[a if k == 0 else b]  # two distant boxes give no velocity
        result: Floats = line + np.tile(self.path[frame], 2)
        return result

    def spans(self, track: int, frame: int) -> bool:
        """Return whether an established track has boxes on both sides of `frame`, or in it."""
        low, high = self.bounds[track], self.bounds[track + 1]
        if high - low < _ESTABLISHED:
            return False
        return bool(self.frame[low] <= frame <= self.frame[high - 1])
