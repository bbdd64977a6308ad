"""Candidates: the detections of one video with their states, and the boxes that evidence adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from reelabel.data.boxes import Bools, Floats, visible_parts
from reelabel.data.states import (
    DROPPED,
    GAP,
    POSITIVE,
    TEACHER,
    TRACKER,
    USABLE_EVIDENCE,
    Decision,
    UsableEvidence,
)
from reelabel.labels.evidence import Evidence, decide_by_evidence, smoothed_places
from reelabel.labels.outliers import OutlierSettings
from reelabel.labels.rules import Decisions, RuleInput, RuleSettings
from reelabel.tables import CANDIDATES, joined, xyxy_columns
from reelabel.tables.columns import chosen_texts


class CandidateSettings(RuleSettings):
    """The rules and the evidence that decide about each detection."""

    use_evidence: tuple[UsableEvidence, ...] = USABLE_EVIDENCE
    """Which of the evidence that `mine` found counts."""
    smooth_iou: float = Field(0.85, ge=0, le=1)
    """A smoothed box replaces the detection if they overlap by this; where they are further apart
    the object's motion deviates from the model."""
    drawn_density: float | None = Field(0.7, gt=0, le=10)
    """Where drawn boxes take the place of a detector: the threshold rises until a frame has on
    average at most so many detections for each box that people drew per frame, and `floor` until it
    has twice as many; none: both stay."""
    full_frames: Decision | None = None
    """State of boxes below the threshold in a frame that has `max_per_frame` positives of their
    class; none: ignore, but negative where drawn boxes take the place of a detector."""
    outliers: OutlierSettings = OutlierSettings()
    """Boxes whose crop looks unlike the others of their class."""

    renamed: ClassVar[Mapping[str, str]] = {
        "hear": "use_evidence",
        "outliers": "outliers.enabled, outliers.method",
        "outlier_deviations": "outliers.deviations",
    }


@dataclass(frozen=True)
class Candidates:
    """What becomes of the detections of one video, and what is added.

    Attributes:
        decisions: about the ``(n,)`` detections.
        xyxy: ``(n, 4)`` float32, their boxes: in the picture, smoothed where that is near.
        moved: ``(n,)`` whether a box was smoothed.
        added: the evidence whose boxes are added.
        added_state: the state of the added boxes.
    """

    decisions: Decisions
    xyxy: Floats
    moved: Bools
    added: Evidence
    added_state: str

    def table(self, detections: pa.Table, evidence: pa.Table) -> pa.Table:
        """Return the table `candidates`: detections that are not dropped, then added boxes.

        Args:
            detections: the ``(n,)`` rows that the decisions are about.
            evidence: the rows that `added` points into (`reelabel.labels.evidence.added_rows`).
        """
        return joined(CANDIDATES, [self._kept(detections), self._added(evidence)])

    def counts(self) -> dict[str, int]:
        """Return how many detections have each state, and how many boxes were added."""
        result = dict(sorted(Counter(self.decisions.state.tolist()).items()))
        return result | ({"from_gaps": len(self.added.row)} if len(self.added.row) else {})

    def _kept(self, detections: pa.Table) -> pa.Table:
        kept = np.flatnonzero(self.decisions.state != DROPPED)
        shared = ["video_id", "pts", "frame_index", "category", "score"]
        rows = detections.select(shared).take(pa.array(kept))
        rule, moved = self.decisions.rule[kept], self.moved[kept]
        ending = chosen_texts(("", "; smoothed"), moved.astype(np.int64))
        reason = pa.array(self.decisions.reason[kept], pa.string())
        return CANDIDATES.build({
            **{name: rows[name] for name in shared},
            **xyxy_columns(self.xyxy[kept]),
            "detection": kept,
            "state": self.decisions.state[kept],
            "origin": chosen_texts((TEACHER, TRACKER), (rule == GAP).astype(np.int64)),
            "rule": rule,
            "reason": pc.binary_join_element_wise(reason, ending, ""),
        })

    def _added(self, evidence: pa.Table) -> pa.Table:
        rows = evidence.take(pa.array(self.added.row))
        shared = [name for name in CANDIDATES.schema.names if name in rows.column_names]
        values = {"state": self.added_state, "origin": TRACKER, "rule": GAP}
        return CANDIDATES.build({
            **{name: rows[name] for name in shared},
            **{name: [value] * len(rows) for name, value in values.items()},
            **xyxy_columns(self.added.xyxy),
        })


def find_candidates(
    boxes: RuleInput, decisions: Decisions, evidence: Evidence, settings: CandidateSettings
) -> Candidates:
    """Let evidence change the decisions and the places of boxes, and add boxes.

    Args:
        boxes: the ``(n,)`` detections of one video.
        decisions: what the rules decided about them (`reelabel.labels.evidence.decide_by_rules`).
        evidence: the evidence that is used and stands so far.
        settings: the same rules, and how near a smoothed box must be.
    """
    evidence = evidence.between_positives(decisions, added=True)
    decisions = decide_by_evidence(decisions, evidence, settings)
    inside, _ = visible_parts(boxes.boxes.xyxy, boxes.size_wh)
    smoothed = smoothed_places(inside, evidence, settings.smooth_iou)
    moved: Bools = (smoothed != inside).any(axis=1) & (decisions.state == POSITIVE)
    state = settings.states.get(GAP, POSITIVE)
    from_gaps = (evidence.kind == GAP) & (evidence.detection < 0) & evidence.visible
    added = evidence[from_gaps & (state != DROPPED)]
    xyxy = np.where(moved[:, None], smoothed, inside)
    return Candidates(decisions, xyxy, moved, added, state)
