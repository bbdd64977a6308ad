"""clean  detections -> candidates  N:n  per box: positive, ignore or dropped, with the reason.

What is dropped says nothing (too weak, a worse copy of another box) and stays in `detections`.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from reelabel.config import Settings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.rules import FrameBoxes, RuleSettings, apply_rules
from reelabel.tables import CANDIDATES, DETECTIONS, VIDEOS, xyxy_of


class CleanSettings(Settings):
    """What a box must be like to be taught."""

    score: float = Field(0.5, ge=0, le=1)
    """Positive from this score on."""
    score_per_class: dict[str, float] = Field(default_factory=dict)
    """The same for single classes, such as ball=0.4."""
    floor: float = Field(0.1, ge=0, le=1)
    """Between this and the threshold a box is ignored; below it is background."""
    min_area_px: float | None = Field(None, ge=0)
    """Smallest area in square pixels of the video; smaller ones are ignored."""
    max_area_px: float | None = Field(None, gt=0)
    """Largest area in square pixels of the video; larger ones are ignored."""
    min_area_share: float | None = Field(None, ge=0, le=1)
    """Smallest area as a share of the picture, 0 to 1."""
    max_area_share: float | None = Field(None, gt=0, le=1)
    """Largest area as a share of the picture, 0 to 1."""
    max_aspect: float | None = Field(None, ge=1)
    """Longer side over shorter side, at most."""
    border_px: float | None = Field(None, ge=0)
    """Ignore boxes that come this near to the picture's edge, in pixels."""
    overlap_iou: float | None = Field(0.8, gt=0, le=1)
    """Of boxes of one class that overlap more than this, only the better one stays."""
    overlap_keeps: Literal["score", "area"] = "score"
    """Which of them is better: the one with the higher score, or the larger one."""
    overlap_across_classes: bool = False
    """Compare boxes of different classes too."""
    max_per_frame: int | None = Field(None, ge=1)
    """Boxes per frame and class, at most; the others are ignored."""
    states: dict[str, str] = Field(default_factory=dict)
    """What a rule leads to instead, such as border=dropped or area=negative."""


def clean(unit: Unit) -> Output:
    """Return the detections that stay, each with its state."""
    detections = unit.inputs["detections"]
    boxes = FrameBoxes(
        pts=detections["pts"].to_numpy(),
        xyxy=xyxy_of(detections),
        score=detections["score"].to_numpy().astype(np.float32),
        class_name=np.array(detections["category"].to_pylist(), dtype=str),
        size_wh=(int(unit.video["width"]), int(unit.video["height"])),
    )
    verdicts = apply_rules(boxes, RuleSettings(**unit.settings.model_dump()))
    kept = np.flatnonzero(verdicts.state != "dropped")
    rows = detections.take(pa.array(kept))
    columns: dict[str, Any] = {name: rows[name] for name in DETECTIONS.schema.names}
    columns |= {
        "detection": kept,
        "state": verdicts.state[kept].tolist(),
        "rule": verdicts.rule[kept].tolist(),
        "reason": verdicts.reason[kept].tolist(),
    }
    names, counts = np.unique(verdicts.state, return_counts=True)
    notes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return Output({"candidates": CANDIDATES.build(columns)}, notes)


STAGE = Stage(
    name="clean",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CleanSettings,
    run=clean,
    reads=(VIDEOS, DETECTIONS),
    writes=(CANDIDATES,),
    per_round=True,
)
