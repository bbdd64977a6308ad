"""track  detections -> tracks  N:n  which detections are one object, inside a shot.

Cuts and camera motion come from one decode of small pictures if `camera` says so. Without it no
video is opened: a cut is then known to lie between two sampled frames, and whatever the teacher
saw between them belongs to neither side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.sequence import Bools, BoxSequence, Floats, Ints
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.media.quality import LOOK_WH, CutDetector
from reelabel.media.video import frames
from reelabel.models.base import Image
from reelabel.tables import CAMERA, DETECTIONS, FRAMES, SEEN, TRACKS, VIDEOS
from reelabel.temporal.link import LinkSettings, Tracks, link
from reelabel.temporal.motion import global_shift
from reelabel.temporal.rows import EvenTime, sequence_of, shift_or_none, shot_starts


class TrackSettings(Settings):
    """How detections are linked."""

    strong_score: float = Field(0.5, ge=0, le=1)
    """A track counts as started if one of its boxes has at least this score."""
    weak_score: float = Field(0.1, ge=0, le=1)
    """Boxes below this are not linked."""
    min_iou: float = Field(0.5, gt=0, lt=1)
    """Overlap from which boxes of neighbouring frames are joined at once."""
    max_gap: int = Field(30, ge=0)
    """A track goes on over at most so many frames without a box, counted in usual steps."""
    class_aware: bool = True
    """Whether a track keeps to one class."""
    max_step_s: float = Field(0.5, gt=0)
    """Looked-at frames that are further apart than this do not belong together."""
    camera: bool = False
    """Decode once more, small, to find every cut and to take the camera's motion out."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        """Refuse a weak threshold above the strong one."""
        self.linking()
        return self

    def linking(self) -> LinkSettings:
        """Return what concerns linking alone."""
        return LinkSettings(**self.model_dump(exclude={"max_step_s", "camera"}))


TrackUnit = Unit[TrackSettings, None]


def track(unit: TrackUnit) -> Output:
    """Return the track of every detection of one video, and what is known of the camera."""
    s = unit.settings
    seen, detections = unit.rows(SEEN), unit.rows(DETECTIONS)
    pts = seen["pts"].to_numpy()
    breaks = np.diff(seen["time_s"].to_numpy(), prepend=-np.inf) > s.max_step_s
    view = _watched(unit, pts, breaks) if s.camera and len(detections) else _told(unit, pts)
    shot = np.cumsum(breaks | view.cut) - 1
    boxes = sequence_of(detections, pts)
    shift_xy = np.where((breaks | view.cut)[:, None], 0.0, view.shift_xy)
    even = EvenTime.of(pts)
    tracks = link(
        even.boxes(boxes),
        even.number[shot_starts(shot)].tolist(),
        even.shift(shift_or_none(shift_xy)),
        s.linking(),
    )
    notes = {
        "tracks": int((tracks.started & (tracks.lengths > 1)).sum()),
        "shots": len(np.unique(shot)),
    }
    rows = _rows(detections, boxes, tracks, shot)
    return Output({"camera": _camera_rows(seen, shot, shift_xy), "tracks": rows}, notes)


@dataclass(frozen=True)
class View:
    """For each looked-at frame: whether a shot begins there, and how the camera moved to it."""

    cut: Bools
    shift_xy: Floats


def _told(unit: TrackUnit, pts: Ints) -> View:
    """Return what the sampled frames tell about cuts; of the camera's motion they tell nothing."""
    cut = np.zeros(len(pts) + 1, bool)
    sampled = unit.rows(FRAMES).sort_by("pts")
    at, shot = sampled["pts"].to_numpy(), sampled["shot"].to_numpy()
    for k in np.flatnonzero(np.diff(shot)):
        # The cut lies somewhere between two sampled frames: what lies between is on its own.
        cut[np.searchsorted(pts, at[k], side="right")] = True
        cut[np.searchsorted(pts, at[k + 1])] = True
    return View(cut[:-1], np.zeros((len(pts), 2)))


def _watched(unit: TrackUnit, pts: Ints, breaks: Bools) -> View:
    """Return what one decode tells; nothing is compared across a break."""
    cut, shift_xy = np.zeros(len(pts), bool), np.zeros((len(pts), 2))
    detector, before = CutDetector(), None
    for i, small in _small(unit, pts):
        if breaks[i]:
            detector, before = CutDetector(), None
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        cut[i] = detector.is_cut(small)
        if before is not None and before.shape == grey.shape and not cut[i]:
            height, width = grey.shape
            factor = (unit.video.width / width, unit.video.height / height)
            shift_xy[i] = np.multiply(global_shift(before, grey), factor)
        before = grey
    return View(cut, shift_xy)


def _small(unit: TrackUnit, pts: Ints) -> Iterator[tuple[int, Image]]:
    """Yield each looked-at frame's position and its small picture."""
    path = unit.video.path
    # A frame that cannot be decoded any more tells nothing; its neighbours are compared.
    for frame in frames(path, pts.tolist(), threads=1, on_error=lambda _: None):
        i = int(np.searchsorted(pts, frame.pts))
        unit.tick(i / len(pts), f"{i} frames")
        yield i, frame.rgb(LOOK_WH)


def _rows(detections: pa.Table, boxes: BoxSequence, tracks: Tracks, shot: Ints) -> pa.Table:
    columns: dict[str, Any] = {name: detections[name] for name in ("video_id", "pts")}
    return TRACKS.build({
        **columns,
        "frame_index": detections["frame_index"],
        "detection": np.arange(len(boxes)),
        "track_id": tracks.track_id,
        "started": tracks.started[tracks.track_id],
        "shot": shot[boxes.frame],
    })


def _camera_rows(seen: pa.Table, shot: Ints, shift_xy: Floats) -> pa.Table:
    columns: dict[str, Any] = {name: seen[name] for name in ("video_id", "pts", "frame_index")}
    shift_x, shift_y = shift_xy.T
    return CAMERA.build({**columns, "shot": shot, "shift_x": shift_x, "shift_y": shift_y})


STAGE = Stage(
    name="track",
    arrow=(__doc__ or "").splitlines()[0],
    settings=TrackSettings,
    run=track,
    reads=(VIDEOS, SEEN, DETECTIONS),
    optional=(FRAMES,),
    writes=(CAMERA, TRACKS),
    per_round=True,
)
