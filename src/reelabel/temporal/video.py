"""One video as input of temporal evidence: its processed frames, their boxes and the tracks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from reelabel.data.sequence import BoxSequence, Floats, Ints, camera_path, shots
from reelabel.temporal.link import Tracks


@dataclass(frozen=True)
class TrackedVideo:
    """The detections of one video, linked, with the frames that the detector processed.

    Attributes:
        boxes: every detection, weak ones included; frames count the processed ones from 0.
        tracks: their tracks.
        pts: ``(frames,)`` rising time stamps of the processed frames.
        shot_starts: the processed frames with which a new shot begins, ascending.
        shift_xy: ``(frames, 2)`` camera motion in pixels since the frame before, or None.

    Raises:
        ValueError: if `tracks` or `shift_xy` do not fit the boxes, or a box lies in no frame.
    """

    boxes: BoxSequence
    tracks: Tracks
    pts: Ints
    shot_starts: tuple[int, ...] = ()
    shift_xy: Floats | None = None

    def __post_init__(self) -> None:
        boxes, frames = self.boxes, len(self.pts)
        if len(self.tracks.track_id) != len(boxes):
            raise ValueError(
                f"expected tracks of {len(boxes)} boxes, but got {len(self.tracks.track_id)}"
            )
        if boxes.frame.max(initial=-1) >= frames or boxes.frame.min(initial=0) < 0:
            raise ValueError(
                f"expected boxes within {frames} frames, but one lies in frame "
                f"{boxes.frame.max() if boxes.frame.max() >= frames else boxes.frame.min()}"
            )
        camera_path(self.shift_xy, frames)

    @property
    def frames(self) -> int:
        """Return how many frames were processed."""
        return len(self.pts)

    @cached_property
    def shot(self) -> Ints:
        """``(frames,)`` the number of each frame's shot."""
        return shots(np.arange(self.frames), self.shot_starts)

    @cached_property
    def path(self) -> Floats:
        """``(frames, 2)`` the camera's path in pixels: the sum of all shifts up to each frame."""
        return camera_path(self.shift_xy, self.frames)

    @cached_property
    def xyxy(self) -> Floats:
        """``(n, 4)`` the boxes in double precision, for search windows and expected places."""
        return self.boxes.xyxy.astype(np.float64)


@dataclass(frozen=True)
class UniformTime:
    """Frames numbered by their time, so that one step always takes equally long.

    Velocities are right only on such numbers. Where every frame was processed and the frame rate is
    constant, nothing changes; skipped frames leave unused numbers.

    Attributes:
        number: ``(frames,)`` rising, from 0; one more per usual step.
    """

    number: Ints

    @classmethod
    def of(cls, pts: Ints) -> UniformTime:
        """Number frames by ``(frames,)`` rising time stamps."""
        order = np.arange(len(pts))
        if len(order) < 2:  # noqa: PLR2004 -- a step needs two
            return cls(order)
        steps = (pts - pts[0]) / np.median(np.diff(pts))
        # Two frames in less than a step still follow each other.
        later = np.maximum.accumulate(np.round(steps).astype(np.int64) - order)
        return cls(later + order)

    def boxes(self, boxes: BoxSequence) -> BoxSequence:
        """Return the boxes with these numbers as frames."""
        return replace(boxes, frame=self.number[boxes.frame])

    def frames(self, frames: Iterable[int]) -> list[int]:
        """Return the numbers of some frames."""
        result: list[int] = self.number[np.array(list(frames), np.int64)].tolist()
        return result

    def shift(self, shift_xy: Floats | None) -> Floats | None:
        """Return camera motion, ``(frames, 2)``, with a row for each number; 0 for unused ones."""
        if shift_xy is None:
            return None
        result = np.zeros((int(self.number[-1]) + 1, 2))
        result[self.number] = shift_xy
        return result

    def back(self, number: Ints) -> Ints:
        """Return the frame of each number, ``(n,)`` -> ``(n,)``; -1 for unused numbers."""
        at = np.searchsorted(self.number, number)
        return np.where(self.number[np.minimum(at, len(self.number) - 1)] == number, at, -1)
