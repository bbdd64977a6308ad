"""track  detections -> tracks  N:n  which detections are one object, inside a shot.

Cuts and camera motion come from one decode of small pictures if `camera` is on. Without it no video
is opened: a cut is then only known to lie between two sampled frames, and the detections between
them belong to neither side.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.sequence import BoxSequence, Ints
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.media.quality import ANALYSIS_WH
from reelabel.media.video import frames
from reelabel.models.base import Image
from reelabel.tables import CAMERA, DETECTIONS, FRAMES, SEEN, TRACKS, VIDEOS
from reelabel.temporal.link import LinkSettings, Tracks
from reelabel.temporal.rows import detected_boxes
from reelabel.temporal.shots import (
    CameraView,
    breaks_in_time,
    link_in_shots,
    view_from_pictures,
    view_from_samples,
)


class TrackSettings(Settings):
    """How detections are linked."""

    link: LinkSettings = LinkSettings()
    """Thresholds of linking."""
    max_step_s: float = Field(0.5, gt=0)
    """Processed frames that are further apart than this do not belong to one shot."""
    camera: bool = False
    """Decode once more, small, to find every cut and to remove the camera motion."""

    renamed: ClassVar[Mapping[str, str]] = {
        name: f"link.{name}" for name in LinkSettings.model_fields
    }


TrackUnit = Unit[TrackSettings, None]


def track(unit: TrackUnit) -> Output:
    """Return the track of every detection of one video, with its shots and camera motion."""
    s = unit.settings
    seen, detections = unit.rows(SEEN), unit.rows(DETECTIONS)
    pts = seen["pts"].to_numpy()
    breaks = breaks_in_time(seen["time_s"].to_numpy(), s.max_step_s)
    if s.camera and len(detections):
        view = view_from_pictures(_small_pictures(unit, pts), breaks, unit.video.size_wh)
    else:
        sampled = unit.rows(FRAMES).sort_by("pts")
        view = view_from_samples(pts, sampled["pts"].to_numpy(), sampled["shot"].to_numpy())
    view = view.split_at(breaks)
    boxes = detected_boxes(detections, pts)
    tracks = link_in_shots(boxes, pts, view, s.link)
    notes = {
        "tracks": int((tracks.started & (tracks.lengths > 1)).sum()),
        "shots": len(np.unique(view.shot)),
    }
    rows = _track_rows(detections, boxes, tracks, view)
    return Output({"camera": _camera_rows(seen, view), "tracks": rows}, notes)


def _small_pictures(unit: TrackUnit, pts: Ints) -> Iterator[tuple[int, Image]]:
    """Yield each processed frame's position and its small picture."""
    # A frame that cannot be decoded any more is skipped; its neighbours are compared.
    for frame in frames(unit.video.path, pts.tolist(), threads=1, on_error=lambda _: None):
        i = int(np.searchsorted(pts, frame.pts))
        unit.tick(i / len(pts), f"{i} frames")
        yield i, frame.rgb(ANALYSIS_WH)


def _track_rows(
    detections: pa.Table, boxes: BoxSequence, tracks: Tracks, view: CameraView
) -> pa.Table:
    return TRACKS.build({
        **{name: detections[name] for name in ("video_id", "pts", "frame_index")},
        "detection": np.arange(len(boxes)),
        "track_id": tracks.track_id,
        "started": tracks.started[tracks.track_id],
        "shot": view.shot[boxes.frame],
    })


def _camera_rows(seen: pa.Table, view: CameraView) -> pa.Table:
    shift_x, shift_y = view.shift_xy.T
    return CAMERA.build({
        **{name: seen[name] for name in ("video_id", "pts", "frame_index")},
        "shot": view.shot,
        "shift_x": shift_x,
        "shift_y": shift_y,
    })


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
