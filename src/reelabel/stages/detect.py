"""detect  videos -> detections  1:N  boxes of the teacher, down to a low score.

One thread decodes while one model session per core detects, so that neither waits for the other.
Frames with hand-drawn truth are always processed, whatever was sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import MACHINE, Settings
from reelabel.data.boxes import Boxes
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MissingInput
from reelabel.media.stream import scan
from reelabel.models.base import FrameDetections
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.detectors.nothing import NoDetector
from reelabel.models.detectors.recorded import RecordedDetector
from reelabel.models.teacher import load_teacher
from reelabel.short_names import NO_DETECTOR
from reelabel.tables import CLIPS, DETECTIONS, FRAMES, SEEN, TRUTH_FRAMES, VIDEOS, xyxy_columns
from reelabel.workspace.results import Decision, InputChoice
from reelabel.workspace.rounds import teacher_of


class DetectSettings(Settings):
    """Which frames the teacher processes."""

    frames: Literal["sampled", "near", "all"] = "sampled"
    """sampled: those that `sample` took; near: also their neighbours in time; all: every frame
    of the spans that are worked on. What was brought in with `import` counts for every frame."""
    near: int = Field(5, ge=1)
    """How many neighbours on either side, for `near`."""
    sessions: Annotated[int, MACHINE] = Field(0, ge=0)
    """Copies of the model that work at once; 0 means one per core."""


DetectUnit = Unit[DetectSettings, DetectorPool]


def detect(unit: DetectUnit) -> Output:
    """Return all boxes that the teacher detects in one video."""
    detector = unit.resource.detector
    if isinstance(detector, RecordedDetector | NoDetector):
        frames = _replayed(unit, detector)
    else:
        frames = _detected(unit)
    found: list[FrameDetections] = []
    expected = max(1.0, float(unit.video.duration_s))
    for frame in frames:
        unit.tick(frame.time_s / expected, f"{len(found)} frames")
        found.append(frame)
    notes = {"frames": len(found), "boxes": sum(len(f.boxes) for f in found)}
    video_id = unit.video.video_id
    rows = _rows(video_id, found, detector.classes)
    return Output({"seen": _seen(video_id, found), "detections": rows}, notes)


def _detected(unit: DetectUnit) -> Iterator[FrameDetections]:
    """Run the detector on the video."""
    size_wh = unit.video.size_wh
    path = unit.video.path
    return detect_frames(path, unit.resource, _wanted(unit), size_wh=size_wh)


def _replayed(
    unit: DetectUnit, detector: RecordedDetector | NoDetector
) -> Iterator[FrameDetections]:
    """Yield recorded detections: of all frames, as none has to be decoded for it."""
    path = unit.video.path
    wanted = set(_wanted(unit) or ()) if unit.video.is_test else None
    for frame in detector.replay(path, unit.video.video_id):
        if wanted is None or frame.pts in wanted:
            yield frame


def _seen(video_id: str, found: list[FrameDetections]) -> pa.Table:
    return SEEN.build({
        "video_id": [video_id] * len(found),
        "pts": [f.pts for f in found],
        "frame_index": [f.index for f in found],
        "time_s": [f.time_s for f in found],
    })


def _wanted(unit: DetectUnit) -> list[int] | None:
    """Return the time stamps of the frames to process, or None for all."""
    s = unit.settings
    drawn = set(unit.rows(TRUTH_FRAMES)["pts"].to_pylist())
    if s.frames == "all" and not unit.video.is_test:
        spans = unit.rows(CLIPS)["origin"].to_pylist()
        if spans == ["whole"]:
            return None
        timeline = _timeline(unit)
        return sorted(_inside(unit, timeline, timeline) | drawn)
    frames = unit.rows(FRAMES)
    if not len(frames) and not unit.video.is_test:
        raise MissingInput(f"{unit.video.name}: no frames were sampled from it")
    wanted = set(frames["pts"].to_pylist()) | drawn
    if s.frames == "near":
        wanted |= _neighbours(unit, np.array(sorted(wanted), np.int64), s.near)
    return sorted(wanted)


def _timeline(unit: DetectUnit) -> NDArray[np.int64]:
    """Return the time stamps of all frames."""
    return np.asarray(scan(unit.video.path).pts, np.int64)


def _inside(unit: DetectUnit, pts: NDArray[np.int64], timeline: NDArray[np.int64]) -> set[int]:
    """Return the time stamps inside the spans that are worked on."""
    base = float(unit.video.time_base)
    time_s = (pts - timeline[0]) * base
    found: set[int] = set()
    for span in unit.rows(CLIPS).to_pylist():
        # Spans were rounded when they were written down.
        inside = (time_s >= span["start_s"] - 1e-6) & (time_s < span["end_s"] - 1e-6)
        found |= set(pts[inside].tolist())
    return found


def _neighbours(unit: DetectUnit, pts: Any, reach: int) -> set[int]:
    """Return the time stamps up to `reach` frames away from any of `pts`."""
    timeline = _timeline(unit)
    at = np.searchsorted(timeline, pts)
    around = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, len(timeline) - 1)
    return _inside(unit, timeline[np.unique(around)], timeline)


def _rows(video_id: str, found: list[FrameDetections], classes: tuple[str, ...]) -> pa.Table:
    counts = [len(f.boxes) for f in found]
    xyxy = np.concatenate([f.boxes.xyxy for f in found] or [np.zeros((0, 4), np.float32)])
    score = np.concatenate([f.boxes.score for f in found] or [np.zeros(0, np.float32)])
    class_id = np.concatenate([f.boxes.class_id for f in found] or [np.zeros(0, np.int64)])
    return DETECTIONS.build({
        "video_id": [video_id] * len(xyxy),
        "pts": np.repeat(np.array([f.pts for f in found], np.int64), counts),
        "frame_index": np.repeat(np.array([f.index for f in found], np.int64), counts),
        "category": [classes[i] for i in class_id],
        "score": score,
        **xyxy_columns(xyxy),
        "found_by": _found_by([f.boxes for f in found]),
    })


def _found_by(found: list[Boxes]) -> pa.Array:
    """Return which of several fused teachers found each box, null where there is one teacher."""
    if all(boxes.origin is None for boxes in found):
        return pa.nulls(sum(map(len, found)), pa.string())
    return pa.array(np.concatenate([b.origin for b in found if b.origin is not None]), pa.string())


def teacher(context: Context[DetectSettings]) -> Resource[DetectorPool]:
    """Return the description of this round's teacher, with the workspace's class names."""
    project = context.project
    decision = context.inputs.result(Decision, previous=True)
    spec = teacher_of(project.detector, context.round_number, decision)
    if spec == NO_DETECTOR and project.labels is None:
        raise MissingInput(
            f"the detector is '{NO_DETECTOR}' and there are no labels: bring drawn boxes in with  "
            "reelabel import WORKSPACE FILE --as labels, or name a detector in reelabel.yaml"
        )
    detector = load_teacher(project, context.root, spec, context.inputs.result(InputChoice))
    # A model has one session per core; one that needs frames in order has only one.
    pool = DetectorPool(detector, context.settings.sessions)
    return Resource(pool, detector.fingerprint, in_turn=not detector.in_order)


STAGE = Stage(
    name="detect",
    arrow=(__doc__ or "").splitlines()[0],
    settings=DetectSettings,
    run=detect,
    reads=(VIDEOS,),
    optional=(CLIPS, FRAMES, TRUTH_FRAMES),
    writes=(SEEN, DETECTIONS),
    project_keys=("classes", "class_map"),
    per_round=True,
    version=2,
    tests_too=True,
    resource=teacher,
)
