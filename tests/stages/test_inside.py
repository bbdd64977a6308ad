"""Boxes stay inside their pictures, from detections to labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.data.boxes import MIN_SIDE_PX, Boxes
from reelabel.formats.detections_txt import write_detections
from reelabel.models.detector_pool import DetectorPool
from reelabel.models.detectors.recorded import RecordedDetector
from reelabel.stages.clean import STAGE as CLEAN
from reelabel.stages.detect import STAGE as DETECT
from reelabel.stages.merge import STAGE as MERGE
from reelabel.tables import (
    CAMERA,
    DETECTIONS,
    FRAMES,
    IMPORTED,
    LABELS,
    TRACKS,
    xyxy_columns,
    xyxy_of,
)
from reelabel.temporal.evidence import EvidenceSettings, plan_search, smooth_tracks
from reelabel.temporal.link import link
from reelabel.temporal.rows import (
    Footage,
    detected_boxes,
    evidence_rows,
    smoothed_rows,
    tracked_video,
)

EVERYTHING = EvidenceSettings.model_validate({
    "flicker": {"enabled": True, "score": 0.6},
    "gap": {"min_similarity": -1, "agreement_iou": 0},
    "static": {"enabled": True, "min_repeats": 2, "max_score": 1, "min_similarity": -1},
})
"""All evidence, with thresholds so low that much of it is found."""


@st.composite
def scenes(draw):
    """Draw detections of objects that cross the edges of a picture, and how the camera moves."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    size_wh = draw(st.sampled_from([(3, 2), (16, 9), (60, 40), (200, 120)]))
    frames, objects = draw(st.integers(1, 16)), draw(st.integers(1, 4))
    t, k = (grid.ravel() for grid in np.mgrid[:frames, :objects])
    start = rng.uniform(-0.4, 1.4, (objects, 2)) * size_wh
    speed = rng.normal(0, 0.15, (objects, 2)) * size_wh
    side = rng.uniform(0.01, 0.8, (objects, 2)) * max(size_wh)
    centre = start[k] + speed[k] * t[:, None] + rng.normal(0, 0.3, (len(t), 2))
    xyxy = np.concatenate((centre - side[k] / 2, centre + side[k] / 2), axis=1)
    kept = rng.random(len(t)) < draw(st.sampled_from([0.5, 0.9]))
    score = rng.uniform(0.05, 1, len(t))
    shift_xy = rng.normal(0, draw(st.sampled_from([0, 5])), (frames, 2))
    pictures = rng.integers(0, 256, (frames, *size_wh[::-1]), np.uint8)
    return size_wh, pictures, (t[kept], xyxy[kept], score[kept]), shift_xy


def rows_of(table, frame, xyxy, **columns):
    """Return boxes as rows of a table."""
    n = len(frame)
    plain = {"video_id": ["v"] * n, "pts": frame, "frame_index": frame, "category": ["ball"] * n}
    return table.build(plain | xyxy_columns(xyxy.astype(np.float32)) | columns)


def evidence_of(detections, pictures, shift_xy, size_wh):
    """Link detections and return all evidence about them."""
    frames = np.arange(len(pictures))
    boxes = detected_boxes(detections, frames)
    tracks = link(boxes, (), shift_xy)
    plain = {name: detections[name] for name in ("video_id", "pts", "frame_index")}
    tracked = TRACKS.build({
        **plain,
        "detection": np.arange(len(boxes)),
        "track_id": tracks.track_id,
        "started": tracks.started[tracks.track_id],
        "shot": np.zeros(len(boxes)),
    })
    camera = CAMERA.build({
        "video_id": ["v"] * len(frames),
        "pts": frames,
        "frame_index": frames,
        "shot": 0 * frames,
        "shift_x": shift_xy[:, 0],
        "shift_y": shift_xy[:, 1],
    })
    video = tracked_video(detections, tracked, camera)
    footage = Footage("v", size_wh, ("ball",), frames)
    found = plan_search(video, EVERYTHING).run(list(pictures))
    yield evidence_rows(found, video, footage)
    yield smoothed_rows(smooth_tracks(video), video, footage)


def check(table, size_wh, least_px=MIN_SIDE_PX):
    """Check that every box of a table is finite, inside the picture and of some size."""
    xyxy = xyxy_of(table)
    assert np.isfinite(xyxy).all()
    assert (xyxy >= 0).all()
    assert (xyxy[:, 2:] <= np.array(size_wh)).all()
    sides = xyxy[:, 2:] - xyxy[:, :2]
    assert (sides > 0).all()
    assert (sides >= least_px).all()


@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from(["new", "old", "higher_score", "fuse", "ignore"]))
def test_every_box_is_finite_in_its_picture_and_of_positive_size(
    make_unit, make_video, scene, policy
):
    """Evidence, candidates and labels hold no other boxes, whatever was detected or drawn."""
    size_wh, pictures, (frame, xyxy, score), shift_xy = scene
    detections = rows_of(DETECTIONS, frame, xyxy, score=score, found_by=[None] * len(frame))
    tables = list(evidence_of(detections, pictures, shift_xy, size_wh))
    for table in tables:
        check(table, size_wh)
    video = make_video(Path("v.mp4"), size_wh)
    rows = {"detections": detections, "evidence": pa.concat_tables(tables)}
    candidates = CLEAN.run(make_unit(CLEAN, rows, video=video)).tables["candidates"]
    check(candidates, size_wh)
    old = rows_of(LABELS, frame, xyxy[::-1], score=score, **words(frame), round=0 * frame)
    names = words(frame[:2], but=("rule", "reason"))
    drawn = rows_of(IMPORTED, frame[:2], xyxy[:2] + 1, score=score[:2], **names)
    rows = {"candidates": candidates, "imported": drawn}
    given_settings = MERGE.settings(policy=policy, match_iou=0.2)
    unit = make_unit(
        MERGE, rows, settings=given_settings, video=video, previous={"labels": old}, round_number=1
    )
    labels = MERGE.run(unit).tables["labels"]
    people = np.array(labels["origin"].to_pylist()) == "person"
    check(labels.filter(pa.array(~people)), size_wh)
    check(labels.filter(pa.array(people)), size_wh, least_px=0)


@dataclass(frozen=True)
class Scripted:
    """A detector that returns given boxes, picture after picture, whatever it processes."""

    boxes: tuple[Boxes, ...]
    fit_wh: tuple[int, int] | None
    name: str = "scripted"
    classes: tuple[str, ...] = ("ball",)
    fingerprint: str = "scripted"
    in_order: bool = True
    batch_size: int = 3

    def open(self):
        """Return the function that takes the boxes off a list."""
        waiting = list(self.boxes)
        return lambda pictures: [waiting.pop(0) for _ in pictures]


NUMBERS = st.floats(-400, 400, width=32) | st.sampled_from([np.nan, np.inf, -np.inf])


@st.composite
def outputs(draw, numbers):
    """Draw boxes for each frame of a clip: left, top, right, bottom."""
    counts = draw(st.lists(st.integers(0, 3), min_size=FRAME_COUNT, max_size=FRAME_COUNT))
    row = st.lists(numbers, min_size=4, max_size=4)
    return [np.array([*draw(st.lists(row, min_size=n, max_size=n))]).reshape(-1, 4) for n in counts]


SIZE_WH, FRAME_COUNT = (160, 96), 20
"""Of the clips with one disc."""


@pytest.fixture(scope="module")
def detected(make_unit, make_video, disc_clips):
    """Return a function from a detector to the detections of all frames of a clip."""

    def run(detector):
        rows = [{"video_id": "v", "pts": 24 * i} for i in range(FRAME_COUNT)]
        video = make_video(disc_clips[0], SIZE_WH)
        unit = make_unit(DETECT, {"frames": FRAMES.from_rows(rows)}, video=video)
        return DETECT.run(replace(unit, resource=DetectorPool(detector, 1))).tables["detections"]

    return run


@settings(max_examples=25, deadline=None)
@given(outputs(NUMBERS), st.sampled_from([None, (80, 80), (50, 31)]))
def test_detections_of_a_model_lie_in_the_picture(detected, xyxy, fit_wh):
    """Whatever a model returns, in pictures of any size, the table has finite boxes inside."""
    inside = np.array([[1, 1, 9, 9]])
    boxes = (np.concatenate([inside, some]) for some in xyxy)
    boxes = (Boxes(b, np.full(len(b), 0.5), np.zeros(len(b), np.int64)) for b in boxes)
    table = detected(Scripted(tuple(boxes), fit_wh))
    check(table, SIZE_WH, least_px=0)
    assert len(table) >= FRAME_COUNT


@settings(max_examples=25, deadline=None)
@given(outputs(st.floats(-400, 400)))
def test_detections_of_a_recording_lie_in_the_picture(detected, tmp_path_factory, xyxy):
    """Imported detections may reach outside in their text, but not in the table."""
    folder = tmp_path_factory.mktemp("texts")
    inside = np.array([[1, 1, 8, 8, 0.9]])
    blocks = [np.column_stack([b[:, :2], abs(b[:, 2:]), np.full(len(b), 0.5)]) for b in xyxy]
    write_detections(folder / "ball" / "v.txt", (np.concatenate([inside, b]) for b in blocks))
    table = detected(RecordedDetector("recorded", ("ball",), folder, "recorded"))
    check(table, SIZE_WH, least_px=0)
    assert len(table) >= FRAME_COUNT


def words(frame, but=()):
    """Return the columns of strings of labels."""
    values = {"state": "positive", "origin": "teacher", "rule": "score", "reason": "was good"}
    values |= {"origin": "person"} if but else {}
    return {name: [value] * len(frame) for name, value in values.items() if name not in but}


@pytest.mark.parametrize(
    ("xyxy", "kept"),
    [
        ((-30.0, 10.0, 30.0, 30.0), True),
        ((-95.0, 10.0, 5.0, 30.0), False),
        ((99.5, 10.0, 110.0, 30.0), False),
        ((120.0, 10.0, 140.0, 30.0), False),
        ((10.0, 10.0, 10.5, 30.0), False),
    ],
)
def test_boxes_that_are_hardly_visible_become_no_labels(call, xyxy, kept):
    """Less than a tenth, or less than a pixel, is dropped; the rest is clipped."""
    detections = rows_of(DETECTIONS, np.zeros(1), np.array([xyxy]), score=[0.9], found_by=[None])
    output = call(CLEAN, {"detections": detections})
    found = output.tables["candidates"].to_pylist()
    assert [(row["x1"], row["x2"]) for row in found] == ([(0, 30)] if kept else [])
    assert output.notes == ({"positive": 1} if kept else {"dropped": 1})
