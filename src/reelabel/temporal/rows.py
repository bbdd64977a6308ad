"""Tables to the arrays that this room works on."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from reelabel.errors import ModelError
from reelabel.tables import xyxy_of
from reelabel.temporal.sequence import BoxSequence, Floats, Ints


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


def shot_starts(shot: Ints) -> list[int]:
    """Return the frames with which a new shot begins, from the number of each frame's shot."""
    starts: list[int] = (np.flatnonzero(np.diff(shot)) + 1).tolist()
    return starts


def shift_or_none(shift_xy: Floats) -> Floats | None:
    """Return the camera's motion, or None if it never moves."""
    return shift_xy if shift_xy.any() else None
