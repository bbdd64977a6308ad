"""clean  evidence -> candidates  N:n  per box: positive, ignore, negative or dropped, and why.

Dropped boxes become no labels (too weak, a worse copy of another box) and stay in `detections`.
Temporal evidence is applied after the rules: a flicker or a static repeat is a hard negative, a
confident box without support is ignored, a box found in a gap of a track is added, a weak one that
its track confirms is positive, and a smoothed box replaces the detection where it is near. Every
box is clipped to the picture. The student of few drawn boxes (detector `none`) labels no more boxes
per frame than people drew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Placement
from reelabel.data.states import NEGATIVE, POSITIVE
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import UsageError, nearest
from reelabel.labels.candidates import Candidates, CandidateSettings, find_candidates
from reelabel.labels.density import FoundBoxes, density_threshold
from reelabel.labels.evidence import READ_EVIDENCE, Evidence, added_rows, decide_by_rules
from reelabel.labels.full_frames import decide_in_full_frames
from reelabel.labels.outliers import Crops, ignore_outliers
from reelabel.labels.rules import Decisions, RuleInput
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Embedder, Image
from reelabel.models.registry import load_embedder
from reelabel.short_names import NO_DETECTOR
from reelabel.tables import (
    CANDIDATES,
    DETECTIONS,
    EVIDENCE,
    FRAMES,
    IMPORTED,
    IMPORTED_FRAMES,
    SEEN,
    VIDEOS,
)
from reelabel.tables.boxes import boxes_of, class_names
from reelabel.workspace import fingerprint


@dataclass(frozen=True)
class CleanModels:
    """What is made once for all videos.

    Attributes:
        embedder: compares crops; None if they are not compared.
        thresholds: `score_per_class` and `floor` in place of those of the settings, if raised.
    """

    embedder: Embedder | None
    thresholds: Mapping[str, Any]


CleanUnit = Unit[CandidateSettings, CleanModels | None]


def clean(unit: CleanUnit) -> Output:
    """Return the detections that stay, each with its state, and the boxes that are added."""
    detections = unit.rows(DETECTIONS)
    found, added = _candidates(unit, detections)
    notes = found.counts() | _found_by(detections["found_by"], found.decisions)
    return Output({"candidates": found.table(detections, added)}, notes)


def _candidates(unit: CleanUnit, detections: pa.Table) -> tuple[Candidates, pa.Table]:
    """Return what becomes of the detections, and the evidence whose boxes may be added."""
    s, size_wh = _used_settings(unit), unit.video.size_wh
    names = class_names(detections)
    boxes = RuleInput(boxes_of(detections, names), names, size_wh)
    table = unit.rows(EVIDENCE, columns=READ_EVIDENCE)
    evidence = Evidence.of(table, detections, size_wh).of_kinds(s.use_evidence)
    table = added_rows(table)  # the others are as large as all detections
    decisions, evidence = decide_by_rules(boxes, evidence, s)
    if s.full_frames and s.max_per_frame:
        most, state = s.max_per_frame, s.full_frames
        decisions = decide_in_full_frames(boxes.boxes, decisions, most, state)
    if s.outliers.enabled:
        crops = _crops(unit, boxes, decisions)
        decisions = ignore_outliers(decisions, crops, s.outliers, unit.project.seed)
    return find_candidates(boxes, decisions, evidence, s), table


def _found_by(names: pa.ChunkedArray, decisions: Decisions) -> dict[str, dict[str, int]]:
    """Return how many positive boxes each of several fused teachers found; nothing of one."""
    kept = names.take(np.flatnonzero(decisions.state == POSITIVE)).drop_null()
    counts = {row["values"]: row["counts"] for row in kept.value_counts().to_pylist()}
    return {"found_by": counts} if counts else {}


def _used_settings(unit: CleanUnit) -> CandidateSettings:
    """Return the settings with the thresholds that were raised for the density of drawn boxes."""
    if unit.resource is None:
        return unit.settings
    return unit.settings.model_copy(update=dict(unit.resource.thresholds))


def _crops(unit: CleanUnit, boxes: RuleInput, decisions: Decisions) -> Crops:
    """Return the embedded crops of positive boxes in frames that have a picture."""
    if unit.resource is None or unit.resource.embedder is None:
        raise AssertionError("crops are compared without an embedder")
    embedder = unit.resource.embedder
    embed = embedder.open()
    rows, vectors = [], []
    for row, crop in _cropped(unit, boxes, np.flatnonzero(decisions.state == POSITIVE)):
        rows.append(row)
        vectors.append(np.asarray(embed([crop])[0], np.float32))
    stacked = np.stack(vectors) if vectors else np.zeros((0, embedder.dimensions), np.float32)
    at = np.array(rows, np.int64)
    return Crops(at, boxes.boxes.class_id[at], stacked)


def _cropped(
    unit: CleanUnit, boxes: RuleInput, rows: NDArray[np.int64]
) -> Iterator[tuple[int, Image]]:
    """Yield boxes with the part of their frame's picture that they cover, frame by frame."""
    frames = {f["pts"]: f for f in unit.rows(FRAMES).to_pylist() if f["kept"]}
    pts = boxes.boxes.frame[rows]
    for frame in (frames[p] for p in np.unique(pts).tolist() if p in frames):
        picture = read_rgb(unit.inputs.path(frame["picture"]))
        placement = Placement.of_frame(frame)
        inside = rows[pts == frame["pts"]]
        placed = placement.to_picture(boxes.boxes.xyxy[inside])
        height, width = picture.shape[:2]
        corners = np.clip(placed, 0, [width, height] * 2).astype(int).tolist()
        for row, (x1, y1, x2, y2) in zip(inside.tolist(), corners, strict=True):
            yield row, picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def models(context: Context[CandidateSettings]) -> Resource[CleanModels | None]:
    """Return the embedder that crops are compared with, if they are, and the thresholds.

    Raises:
        UsageError: if a class has a score of its own that is no class of the workspace.
    """
    settings, classes = context.settings, context.project.classes
    for name in settings.score_per_class:
        if name not in classes:
            hint = nearest(name, classes)
            raise UsageError(f"clean.score_per_class names '{name}', which is no class{hint}")
    found = load_embedder("tiny") if settings.outliers.enabled else None
    raised = _raised(context)
    if found is None and not raised:
        return Resource(None)
    values = (found.fingerprint if found else "") + (fingerprint(raised) if raised else "")
    return Resource(CleanModels(found, raised), values)


def _raised(context: Context[CandidateSettings]) -> dict[str, Any]:
    """Return the thresholds that rise because a student of few boxes finds more than was drawn."""
    s, per_frame = context.settings, dict[str, float]()
    if context.project.detector == NO_DETECTOR and context.round_number > 0:
        per_frame = _drawn_per_frame(context)
    if s.drawn_density is None or not per_frame:
        return {}
    frames = sum(len(context.inputs.rows(SEEN, v)) for v in context.inputs.readable_ids(SEEN))
    scores, floors = dict(s.score_per_class), []
    for name in (name for name in context.project.classes if name in per_frame):
        found, allowed = _found(context, name), s.drawn_density * per_frame[name] * frames
        best = found if s.max_per_frame is None else found.best_of_frames(s.max_per_frame)
        scores[name] = max(scores.get(name, s.score), density_threshold(best, allowed))
        floors.append(density_threshold(found, 2 * allowed))
    # There is one floor for all classes: the lowest, as a box above its own may be an object.
    floor = max(s.floor, min(floors, default=0.0))
    return {"score_per_class": scores, "floor": floor, "full_frames": s.full_frames or NEGATIVE}


def _drawn_per_frame(context: Context[CandidateSettings]) -> dict[str, float]:
    """Return how many boxes of each class people drew per frame that they annotated."""
    inputs, counts, frames = context.inputs, Counter[str](), 0
    for video_id in inputs.readable_ids(IMPORTED_FRAMES):
        frames += len(inputs.rows(IMPORTED_FRAMES, video_id))
        rows = inputs.rows(IMPORTED, video_id)
        counts.update(rows.filter(pc.field("state") == POSITIVE)["category"].to_pylist())
    return {name: count / frames for name, count in counts.items()}


def _found(context: Context[CandidateSettings], name: str) -> FoundBoxes:
    """Return what the teacher found of a class, in all videos."""
    inputs = context.inputs
    tables = (inputs.rows(DETECTIONS, v) for v in inputs.readable_ids(DETECTIONS))
    own = (table.filter(pc.field("category") == name) for table in tables)
    return FoundBoxes.joined(
        FoundBoxes(rows["score"].to_numpy(), rows["pts"].to_numpy()) for rows in own
    )


STAGE = Stage(
    name="clean",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CandidateSettings,
    run=clean,
    reads=(VIDEOS, FRAMES, DETECTIONS),
    optional=(EVIDENCE, SEEN, IMPORTED, IMPORTED_FRAMES),
    writes=(CANDIDATES,),
    project_keys=("seed", "detector"),
    per_round=True,
    version=5,
    resource=models,
)
