"""detect  videos -> detections  1:N  what the teacher says, every box down to a low floor.

One thread decodes while one model session per core looks, so that neither waits for the other.
Frames with hand-drawn truth are always looked at, whatever was sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Project, Settings
from reelabel.engine.stage import Output, Resource, Stage, Unit
from reelabel.errors import MissingInput
from reelabel.media.stream import scan
from reelabel.models.base import Detector
from reelabel.models.detector_pool import Eyes, Looked, look
from reelabel.models.detectors.recorded import RecordedDetector
from reelabel.models.registry import load_detector
from reelabel.tables import CLIPS, DETECTIONS, FRAMES, SEEN, TRUTH_FRAMES, VIDEOS, xyxy_columns
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import teacher_spec


class DetectSettings(Settings):
    """Which frames the teacher looks at."""

    frames: Literal["sampled", "near", "all"] = "sampled"
    """sampled: those that `sample` took; near: also their neighbours in time; all: every frame
    of the spans that are worked on. What was brought in with `import` counts for every frame."""
    near: int = Field(5, ge=1)
    """How many neighbours on either side, for `near`."""
    sessions: int = Field(0, ge=0)
    """Copies of the model that work at once; 0 means one per core."""


def detect(unit: Unit) -> Output:
    """Return all boxes that the teacher sees in one video."""
    detector: Detector = unit.resource.detector
    found: list[Looked] = []
    looks = _recalled(unit) if isinstance(detector, RecordedDetector) else _looked(unit)
    expected = max(1.0, float(unit.video["duration_s"]))
    for seen in looks:
        unit.tick(seen.time_s / expected, f"{len(found)} frames")
        found.append(seen)
    notes = {"frames": len(found), "boxes": sum(len(f.boxes) for f in found)}
    video_id = unit.video["video_id"]
    rows = _rows(video_id, found, detector.classes)
    return Output({"seen": _seen(video_id, found), "detections": rows}, notes)


def _looked(unit: Unit) -> Iterator[Looked]:
    """Show the video to the detector."""
    size_wh = (int(unit.video["width"]), int(unit.video["height"]))
    path = unit.workspace.video_path(dict(unit.video))
    return look(path, unit.resource, _wanted(unit), size_wh=size_wh)


def _recalled(unit: Unit) -> Iterator[Looked]:
    """Yield what a detector has said already: of all frames, as none has to be decoded for it."""
    path = unit.workspace.video_path(dict(unit.video))
    wanted = set(_wanted(unit) or ()) if unit.video["role"] == "test" else None
    for said in unit.resource.detector.recall(path, unit.video["video_id"]):
        if wanted is None or said.pts in wanted:
            yield Looked(said.pts, said.index, said.time_s, said.boxes)


def _seen(video_id: str, found: list[Looked]) -> pa.Table:
    return SEEN.build({
        "video_id": [video_id] * len(found),
        "pts": [f.pts for f in found],
        "frame_index": [f.index for f in found],
        "time_s": [f.time_s for f in found],
    })


def _wanted(unit: Unit) -> list[int] | None:
    """Return the time stamps to look at, or None for all."""
    s: DetectSettings = unit.settings
    drawn = set(unit.inputs["truth_frames"]["pts"].to_pylist())
    if s.frames == "all" and unit.video["role"] != "test":
        spans = unit.inputs["clips"]["origin"].to_pylist()
        if spans == ["whole"]:
            return None
        timeline = _timeline(unit)
        return sorted(_inside(unit, timeline, timeline) | drawn)
    frames = unit.inputs["frames"]
    if not len(frames) and unit.video["role"] != "test":
        raise MissingInput(f"{unit.video['name']}: no frames were sampled from it")
    wanted = set(frames["pts"].to_pylist()) | drawn
    if s.frames == "near":
        wanted |= _neighbours(unit, np.array(sorted(wanted), np.int64), s.near)
    return sorted(wanted)


def _timeline(unit: Unit) -> NDArray[np.int64]:
    """Return the time stamps of all frames."""
    return np.asarray(scan(unit.workspace.video_path(dict(unit.video))).pts, np.int64)


def _inside(unit: Unit, pts: NDArray[np.int64], timeline: NDArray[np.int64]) -> set[int]:
    """Return the time stamps inside the spans that are worked on."""
    base = unit.video["time_base_num"] / unit.video["time_base_den"]
    time_s = (pts - timeline[0]) * base
    found: set[int] = set()
    for span in unit.inputs["clips"].to_pylist():
        # Spans were rounded when they were written down.
        inside = (time_s >= span["start_s"] - 1e-6) & (time_s < span["end_s"] - 1e-6)
        found |= set(pts[inside].tolist())
    return found


def _neighbours(unit: Unit, pts: Any, reach: int) -> set[int]:
    """Return the time stamps up to `reach` frames away from any of `pts`."""
    timeline = _timeline(unit)
    at = np.searchsorted(timeline, pts)
    around = np.clip(at[:, None] + np.arange(-reach, reach + 1), 0, len(timeline) - 1)
    return _inside(unit, timeline[np.unique(around)], timeline)


def _rows(video_id: str, found: list[Looked], classes: tuple[str, ...]) -> pa.Table:
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
    })


def teacher(workspace: Workspace, project: Project, settings: Any, number: int) -> Resource:
    """Return the description of this round's teacher, speaking the workspace's class names."""
    spec = teacher_spec(workspace, project, number)
    first = spec == project.detector
    detector = load_detector(
        spec,
        home=workspace.root,
        options=project.detector_options if first else {},
        wanted=project.classes,
        mapping=project.class_map if first else None,
    )
    # A model looks with one session per core; one that sees frames in turn has only one.
    eyes = Eyes(detector, settings.sessions)
    return Resource(eyes, detector.fingerprint, in_turn=not detector.in_order)


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
    tests_too=True,
    resource=teacher,
)
