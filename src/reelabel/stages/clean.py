"""clean  evidence -> candidates  N:n  per box: positive, ignore, negative or dropped, and why.

Dropped boxes become no labels (too weak, a worse copy of another box) and stay in `detections`.
Temporal evidence is applied after the rules: a flicker or a static repeat is a hard negative, a
confident box without support is ignored, a box found in a gap of a track is added, a weak one that
its track confirms is positive, and a smoothed box replaces the detection where it is near. Every
box is clipped to the picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Placement
from reelabel.data.states import POSITIVE
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import UsageError, nearest
from reelabel.labels.candidates import CandidateSettings, find_candidates
from reelabel.labels.evidence import Evidence, decide_by_rules
from reelabel.labels.outliers import Crops, ignore_outliers
from reelabel.labels.rules import Decisions, RuleInput
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Embedder, Image
from reelabel.models.registry import load_embedder
from reelabel.tables import CANDIDATES, DETECTIONS, EVIDENCE, FRAMES, VIDEOS
from reelabel.tables.boxes import boxes_of, class_names

CleanUnit = Unit[CandidateSettings, Embedder | None]


def clean(unit: CleanUnit) -> Output:
    """Return the detections that stay, each with its state, and the boxes that are added."""
    detections, s, size_wh = unit.rows(DETECTIONS), unit.settings, unit.video.size_wh
    names = class_names(detections)
    boxes = RuleInput(boxes_of(detections, names), names, size_wh)
    table = unit.rows(EVIDENCE)
    evidence = Evidence.of(table, detections, size_wh).of_kinds(s.use_evidence)
    decisions, evidence = decide_by_rules(boxes, evidence, s)
    if s.outliers.enabled:
        crops = _crops(unit, boxes, decisions)
        decisions = ignore_outliers(decisions, crops, s.outliers, unit.project.seed)
    found = find_candidates(boxes, decisions, evidence, s)
    return Output({"candidates": found.table(detections, table)}, found.counts())


def _crops(unit: CleanUnit, boxes: RuleInput, decisions: Decisions) -> Crops:
    """Return the embedded crops of positive boxes in frames that have a picture."""
    if unit.resource is None:
        raise AssertionError("crops are compared without an embedder")
    embed = unit.resource.open()
    rows, vectors = [], []
    for row, crop in _cropped(unit, boxes, np.flatnonzero(decisions.state == POSITIVE)):
        rows.append(row)
        vectors.append(np.asarray(embed([crop])[0], np.float32))
    stacked = np.stack(vectors) if vectors else np.zeros((0, unit.resource.dimensions), np.float32)
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


def embedder(context: Context[CandidateSettings]) -> Resource[Embedder | None]:
    """Return the embedder that crops are compared with, if they are compared at all.

    Raises:
        UsageError: if a class has a score of its own that is no class of the workspace.
    """
    settings, classes = context.settings, context.project.classes
    for name in settings.score_per_class:
        if name not in classes:
            hint = nearest(name, classes)
            raise UsageError(f"clean.score_per_class names '{name}', which is no class{hint}")
    if not settings.outliers.enabled:
        return Resource(None)
    found = load_embedder("tiny")
    return Resource(found, found.fingerprint)


STAGE = Stage(
    name="clean",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CandidateSettings,
    run=clean,
    reads=(VIDEOS, FRAMES, DETECTIONS),
    optional=(EVIDENCE,),
    writes=(CANDIDATES,),
    project_keys=("seed",),
    per_round=True,
    version=5,
    resource=embedder,
)
