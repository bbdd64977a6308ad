"""Tables to the arrays that this room works on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from reelabel.data.sequence import BoxSequence, Floats, Ints
from reelabel.errors import ModelError
from reelabel.tables import xyxy_of


def sequence_of(detections: pa.Table, seen_pts: Ints) -> BoxSequence:
    """Return detections with their frames counted without holes.

    Args:
        detections: rows of the table `detections` of one video.
        seen_pts: ``(frames,)`` rising time stamps of all frames that the teacher looked at.

    Raises:
        ModelError: if a box is not finite or turned inside out, or lies in no frame that was seen.
    """
    pts = detections["pts"].to_numpy()
    frame = np.searchsorted(seen_pts, pts)
    strange = frame >= len(seen_pts)
    strange[~strange] = seen_pts[frame[~strange]] != pts[~strange]
    if strange.any():
        raise ModelError(
            f"expected boxes only in frames that were looked at, but {int(strange.sum())} lie "
            f"elsewhere, the first at pts {int(pts[strange][0])}; detect the video again"
        )
    names = np.array(detections["category"].to_pylist(), dtype=str)
    kind = np.unique(names, return_inverse=True)[1]
    try:
        xyxy = xyxy_of(detections).astype(np.float64)
        # Stored in single precision; a stored 0.9 is to reach a threshold of 0.9.
        score = np.round(detections["score"].to_numpy().astype(np.float64), 6)
        return BoxSequence(frame, xyxy, score, kind)
    except ValueError as exc:
        raise ModelError(f"the teacher said boxes that are none: {exc}") from exc


@dataclass(frozen=True)
class EvenTime:
    """Looked-at frames, numbered by their time: what was skipped between them leaves a hole.

    Speeds are right only if a step always takes the same time. Where every frame was looked at, and
    the frame rate is constant, nothing changes.

    Attributes:
        number: ``(frames,)`` rising, from 0; one more per usual step.
    """

    number: Ints

    @classmethod
    def of(cls, seen_pts: Ints) -> EvenTime:
        """Number frames by ``(frames,)`` rising time stamps."""
        order = np.arange(len(seen_pts))
        if len(order) < 2:  # noqa: PLR2004 -- a step needs two
            return cls(order)
        steps = (seen_pts - seen_pts[0]) / np.median(np.diff(seen_pts))
        # Two frames in less than a step are still one after the other.
        later = np.maximum.accumulate(np.round(steps).astype(np.int64) - order)
        return cls(later + order)

    def boxes(self, boxes: BoxSequence) -> BoxSequence:
        """Return the boxes with these numbers as frames."""
        return replace(boxes, frame=self.number[boxes.frame])

    def shift(self, shift_xy: Floats | None) -> Floats | None:
        """Return the camera's motion with a row for each number; in holes it stands still."""
        if shift_xy is None:
            return None
        result = np.zeros((int(self.number[-1]) + 1, 2))
        result[self.number] = shift_xy
        return result

    def back(self, number: Ints) -> Ints:
        """Return the looked-at frame of each number, -1 for those in holes."""
        at = np.searchsorted(self.number, number)
        return np.where(self.number[np.minimum(at, len(self.number) - 1)] == number, at, -1)


def shot_starts(shot: Ints) -> list[int]:
    """Return the frames with which a new shot begins, from the number of each frame's shot."""
    starts: list[int] = (np.flatnonzero(np.diff(shot)) + 1).tolist()
    return starts


def shift_or_none(shift_xy: Floats) -> Floats | None:
    """Return the camera's motion, or None if it never moves."""
    return shift_xy if shift_xy.any() else None
