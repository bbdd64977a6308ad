"""Online trackers of the field on the same boxes: those of the package `trackers`, if installed.

Each gets every advantage that ours has: it is started afresh at every cut, and the camera's motion
is taken out of the boxes. All else is its default; the 30 frames for which it waits for a lost
object are ours too.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from reelabel.data.sequence import BoxSequence, stabilized
from temporal_world import Floats, Ints

_CLASSES = {"SORT": "SORTTracker", "ByteTrack": "ByteTrackTracker", "OC-SORT": "OCSORTTracker"}
_ABSENT = (
    "no rivals: the package `trackers` (benchmarks only) is not installed; "
    "make an environment that holds it beside reelabel"
)


def rivals() -> dict[str, Any]:
    """Return the classes of trackers by name; none, with a line that says why, if absent."""
    try:
        module = importlib.import_module("trackers")
    except ImportError as exc:
        print(f"{_ABSENT} ({exc})")
        return {}
    return {name: getattr(module, cls) for name, cls in _CLASSES.items()}


def follow(
    rival: Any, boxes: BoxSequence, shot_starts: Sequence[int] = (), shift_xy: Floats | None = None
) -> Ints:
    """Return the track that a rival gives each detection, -1 = none."""
    import supervision as sv  # noqa: PLC0415 -- comes with the package `trackers`

    still = stabilized(boxes.xyxy, boxes.frame, shift_xy)
    order = np.argsort(boxes.frame, kind="stable")
    bounds = np.searchsorted(boxes.frame[order], np.arange(boxes.frame.max(initial=-1) + 2))
    tracker, before = rival(), 0
    track = np.full(len(boxes), -1)
    for t in range(len(bounds) - 1):
        if t in shot_starts:
            tracker, before = rival(), int(track.max()) + 1
        rows = order[bounds[t] : bounds[t + 1]]
        seen = sv.Detections(xyxy=still[rows], confidence=boxes.score[rows], data={"row": rows})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            said = tracker.update(seen)
        if len(said):
            track[said.data["row"]] = np.where(said.tracker_id >= 0, said.tracker_id + before, -1)
    return track
