"""What temporal evidence changes about the decisions of the box rules.

| kind | about | leads to |
|---|---|---|
| `gap` | a weak detection that its track confirms | positive, if no other rule ignores it |
| `gap` | a box that the detector missed | an added positive |
| `unsupported` | a confident detection without support | ignore |
| `flicker`, `static` | a detection that is a repeated or isolated error | negative |
| `smooth` | the place of a detection | moved, if the smoothed box is near |

A gap stands only between boxes that the rules themselves keep as positives.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Floats, Ints, visible_parts
from reelabel.data.states import (
    DROPPED,
    FLICKER,
    GAP,
    NEGATIVE,
    POSITIVE,
    SMOOTH,
    UNSUPPORTED,
)
from reelabel.errors import MissingInput
from reelabel.labels.rules import EVIDENCE_STATES, Decisions, RuleInput, RuleSettings, apply_rules
from reelabel.tables import EVIDENCE, xyxy_of
from reelabel.tables.columns import Texts, texts_of

READ_EVIDENCE = tuple(
    name for name in EVIDENCE.schema.names if name not in {"track_id", "sigma", "frames"}
)
"""The columns of the table `evidence` that decisions rest on."""


@dataclass(frozen=True)
class Evidence:
    """Temporal evidence about one video.

    Attributes:
        kind: ``(m,)`` one of `reelabel.data.states.EVIDENCE_KINDS`.
        row: ``(m,)`` int64, of an added box its row in `added_rows`; else of no meaning.
        detection: ``(m,)`` int64, the detection that it is about, -1 for an added box.
        xyxy: ``(m, 4)`` float32, clipped to the picture.
        visible: ``(m,)`` whether enough of the box lies in the picture.
        similarity: ``(m,)`` float32 of a smoothed box, its overlap with the detection, 0..1; NaN
            where there is none.
        between: ``(m,)`` objects, tuples of detections that a gap lies between.
        reason: ``(m,)`` strings.
    """

    kind: Texts
    row: Ints
    detection: Ints
    xyxy: Floats
    visible: Bools
    similarity: Floats
    between: NDArray[np.object_]
    reason: Texts

    @classmethod
    def of(cls, table: pa.Table, detections: pa.Table, size_wh: tuple[int, int]) -> Evidence:
        """Return the rows of the table `evidence`.

        Args:
            table: the evidence about one video, with the columns `READ_EVIDENCE`.
            detections: the detections that it must be about.
            size_wh: width and height of the pictures in pixels.

        Raises:
            MissingInput: if it is about other detections, because mining them failed.
        """
        row, pts = table["detection"].to_numpy(), table["pts"].to_numpy()
        about = row >= 0
        fits = row.max(initial=-1) < len(detections)
        if not fits or (detections["pts"].to_numpy()[row[about]] != pts[about]).any():
            raise MissingInput("the evidence is about other detections: run  reelabel mine  again")
        return cls(
            texts_of(table, "kind"),
            np.cumsum(~about) - 1,
            row.astype(np.int64),
            *visible_parts(xyxy_of(table), size_wh),
            table["similarity"].to_numpy().astype(np.float32),
            _ends(table),
            texts_of(table, "reason"),
        )

    def __getitem__(self, which: Bools) -> Evidence:
        if which.all():
            return self
        kept = np.flatnonzero(which)
        return Evidence(
            self.kind[kept],
            self.row[kept],
            self.detection[kept],
            self.xyxy[kept],
            self.visible[kept],
            self.similarity[kept],
            self.between[kept],
            self.reason[kept],
        )

    def of_kinds(self, kinds: Collection[str]) -> Evidence:
        """Return the evidence of some kinds; `unsupported` belongs to `flicker`."""
        wanted = [*kinds, *([UNSUPPORTED] if FLICKER in kinds else [])]
        return self[np.isin(self.kind, wanted)]

    def about_detections(self, kind: str) -> Evidence:
        """Return the evidence of one kind about detections."""
        return self[(self.kind == kind) & (self.detection >= 0)]

    def between_positives(self, decisions: Decisions, *, added: bool) -> Evidence:
        """Return the evidence without gaps whose ends are not all positive.

        Args:
            decisions: about the ``(n,)`` detections.
            added: whether gaps with added boxes are tested, or those about detections.
        """
        good = decisions.state == POSITIVE
        tested = (self.kind == GAP) & ((self.detection < 0) == added)
        stands = ~tested
        for i in np.flatnonzero(tested):
            stands[i] = all(good[end] for end in self.between[i])
        return self[stands]


def added_rows(evidence: pa.Table) -> pa.Table:
    """Return the rows of the table `evidence` that are about added boxes."""
    return evidence.filter(pc.less(evidence["detection"], 0))


def _ends(table: pa.Table) -> NDArray[np.object_]:
    """Return the detections that each row's gap lies between; none for other evidence."""
    found = np.full(len(table), None, object)
    found.fill(())
    rows = np.flatnonzero(table["between"].is_valid().to_numpy())
    for row, ends in zip(
        rows.tolist(), table["between"].take(pa.array(rows)).to_pylist(), strict=True
    ):
        found[row] = tuple(ends)
    return found


def decide_by_rules(
    boxes: RuleInput, evidence: Evidence, settings: RuleSettings
) -> tuple[Decisions, Evidence]:
    """Apply the box rules; detections that their track confirms need no score.

    Args:
        boxes: the ``(n,)`` detections of one video.
        evidence: about them.
        settings: the rules.

    Returns:
        The decisions, and the evidence without confirmations that do not stand.
    """
    decisions = apply_rules(boxes, settings)
    evidence = evidence.between_positives(decisions, added=False)
    confirmed = np.zeros(len(boxes.boxes), bool)
    confirmed[evidence.about_detections(GAP).detection] = True
    if confirmed.any():
        decisions = apply_rules(boxes, settings, confirmed)
    return decisions, evidence


def decide_by_evidence(
    decisions: Decisions, evidence: Evidence, settings: RuleSettings
) -> Decisions:
    """Return what the evidence changes about ``(n,)`` decisions of the rules.

    Evidence for a hard negative outweighs a rule that ignores a box; all other evidence changes
    positive boxes only.
    """
    state, rule, reason = decisions.copies()
    for kind, usual in EVIDENCE_STATES.items():
        found = evidence.about_detections(kind)
        for i, why in zip(found.detection.tolist(), found.reason.tolist(), strict=True):
            if state[i] == POSITIVE or (usual == NEGATIVE and state[i] != DROPPED):
                state[i], rule[i], reason[i] = settings.states.get(kind, usual), kind, why
    return Decisions(state, rule, reason)


def smoothed_places(xyxy: Floats, evidence: Evidence, least_iou: float) -> Floats:
    """Return boxes at their smoothed places where those are near: ``(n, 4)`` -> ``(n, 4)``.

    Args:
        xyxy: the detections, clipped to the picture.
        evidence: about them.
        least_iou: overlap in 0..1, before clipping, from which a smoothed box is near.
    """
    found = evidence.about_detections(SMOOTH)
    near = found.visible & (found.similarity >= least_iou)
    result = xyxy.copy()
    result[found.detection[near]] = found.xyxy[near]
    return result
