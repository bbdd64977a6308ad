"""merge  candidates -> labels  N:n  with the labels of the round before, and with people's.

Class by class and frame by frame: the new round wins where it found something, the old one fills
the frames that the new one missed, and what people drew is never changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import iou
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, PREVIOUS, TEACHER
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.merging import LabelRows, merge_labels
from reelabel.tables import CANDIDATES, IMPORTED, IMPORTED_FRAMES, LABELS, xyxy_columns, xyxy_of


class MergeSettings(Settings):
    """What becomes of boxes that two rounds disagree on."""

    policy: Literal["new", "old", "higher_score", "fuse", "ignore"] = "new"
    """Where both rounds found something in a frame: take the new one's boxes, the old one's, the
    surer of each pair, both fused by score, or ignore what they do not agree on."""
    match_iou: float = Field(0.5, gt=0, le=1)
    """From this overlap on two boxes are the same object."""
    max_age: int = Field(2, ge=0)
    """Rounds after which an old box that no round found again becomes a region to ignore."""


MergeUnit = Unit[MergeSettings, None]


def merge(unit: MergeUnit) -> Output:
    """Return the labels of one video."""
    drawn = unit.rows(IMPORTED_FRAMES).to_pylist()
    new = _free(_rows(unit.rows(CANDIDATES), unit.round_number), drawn)
    old = _free(_rows(unit.rows(LABELS, previous=True), None), drawn)
    fixed = _rows(unit.rows(IMPORTED), unit.round_number)
    parts = [
        _one_class(name, old, new, fixed, unit=unit)
        for name in sorted({*old.class_name, *new.class_name, *fixed.class_name})
    ]
    merged = _tidy(LabelRows.joined([*parts, new[np.zeros(len(new), bool)]]))
    positive = merged.state == POSITIVE
    notes = {
        "labelled_frames": len(np.unique(merged.pts[positive])),
        "positives": int(positive.sum()),
    }
    return Output({"labels": _table(unit, merged)}, notes)


def _free(rows: LabelRows, drawn: list[dict[str, Any]]) -> LabelRows:
    """Return the rows of frames and classes of which no person has spoken."""
    spoken = {f["pts"]: f["complete"] for f in drawn}
    free = [
        pts not in spoken or (spoken[pts] is not None and name not in spoken[pts])
        for pts, name in zip(rows.pts.tolist(), rows.class_name.tolist(), strict=True)
    ]
    return rows[np.array(free, bool)]


def _one_class(
    name: str, old: LabelRows, new: LabelRows, fixed: LabelRows, *, unit: MergeUnit
) -> LabelRows:
    """Merge one class; a frame in which a person drew it is the person's."""
    s = unit.settings
    old, new, fixed = (rows[rows.class_name == name] for rows in (old, new, fixed))
    old = old[~np.isin(old.pts, fixed.pts)]
    new = new[~np.isin(new.pts, fixed.pts)]
    found = np.unique(new.pts[new.state == POSITIVE])
    filled = np.isin(old.pts, found, invert=True) & (old.state == POSITIVE)
    # What time has unmasked since does not come back.
    filled &= ~_lies_under(old, new[new.state == NEGATIVE], s.match_iou)
    old = _aged(old, unit.round_number - old.round > s.max_age)
    # A doubtful new box must not silence an old one, nor lie under the old one that fills in.
    doubtful = new[np.isin(new.pts, found, invert=True)]
    kept = doubtful[~_lies_under(doubtful, old[filled], s.match_iou)]
    both = merge_labels(
        old[np.isin(old.pts, found)],
        new[np.isin(new.pts, found)],
        policy=s.policy,
        match_iou=s.match_iou,
    )
    return LabelRows.joined([fixed, both, kept, _said_before(old[filled])])


def _lies_under(rows: LabelRows, others: LabelRows, match_iou: float) -> NDArray[np.bool_]:
    """Tell which rows lie over one of the others in the same frame."""
    result = np.zeros(len(rows), bool)
    mine, theirs = (np.argsort(some.pts, kind="stable") for some in (rows, others))
    # Frame by frame: all pairs of a long video would not fit into memory.
    for pts in np.intersect1d(rows.pts, others.pts):
        a, b = (
            order[slice(*np.searchsorted(some.pts[order], (pts, pts + 1)))]
            for some, order in ((rows, mine), (others, theirs))
        )
        result[a] = (iou(rows.xyxy[a], others.xyxy[b]) >= match_iou).any(axis=1)
    return result


def _said_before(rows: LabelRows) -> LabelRows:
    """Return rows of earlier rounds that fill a frame; what once decided them still stands."""
    reasons = [
        f"of round {n}, not found again; {r}" for n, r in zip(rows.round, rows.reason, strict=True)
    ]
    return replace(
        rows,
        origin=np.array([PREVIOUS] * len(rows), dtype="U16"),
        reason=np.array(reasons, dtype=str),
    )


def _aged(old: LabelRows, worn: NDArray[np.bool_]) -> LabelRows:
    """Doubt what was not seen for too many rounds."""
    return replace(old, state=np.where(worn, IGNORE, old.state))


def _rows(table: pa.Table, number: int | None) -> LabelRows:
    """Return a table's rows; `number` is their round where the table does not say."""

    def text(name: str, otherwise: str) -> NDArray[np.str_]:
        known = name in table.column_names
        return np.array(table[name].to_pylist() if known else [otherwise] * len(table), dtype=str)

    rounds = table["round"].to_numpy() if number is None else np.full(len(table), number)
    return LabelRows(
        pts=table["pts"].to_numpy(),
        xyxy=xyxy_of(table),
        score=table["score"].to_numpy().astype(np.float32),
        class_name=text("category", ""),
        state=text("state", POSITIVE),
        origin=text("origin", TEACHER),
        round=rounds.astype(np.int64),
        rule=text("rule", "imported"),
        reason=text("reason", "brought in"),
    )


def _tidy(rows: LabelRows) -> LabelRows:
    """Return the rows in an order that depends on nothing but themselves."""
    x1, y1, x2, y2 = rows.xyxy.T
    return rows[np.lexsort((rows.state, rows.class_name, y2, x2, y1, x1, rows.pts))]


def _table(unit: MergeUnit, rows: LabelRows) -> pa.Table:
    tables = [unit.rows(CANDIDATES), unit.rows(LABELS, previous=True), unit.rows(IMPORTED)]
    index = {
        p: i
        for t in tables
        for p, i in zip(t["pts"].to_pylist(), t["frame_index"].to_pylist(), strict=True)
    }
    columns: dict[str, Any] = {
        "video_id": [unit.video.video_id] * len(rows),
        "pts": rows.pts,
        "frame_index": [index[int(pts)] for pts in rows.pts],
        "category": rows.class_name.tolist(),
        "score": rows.score,
        **xyxy_columns(rows.xyxy),
        "state": rows.state.tolist(),
        "origin": rows.origin.tolist(),
        "round": rows.round,
        "rule": rows.rule.tolist(),
        "reason": rows.reason.tolist(),
    }
    return LABELS.build(columns)


STAGE = Stage(
    name="merge",
    arrow=(__doc__ or "").splitlines()[0],
    settings=MergeSettings,
    run=merge,
    reads=(CANDIDATES,),
    reads_previous=(LABELS,),
    optional=(IMPORTED, IMPORTED_FRAMES),
    writes=(LABELS,),
    per_round=True,
    version=3,
)
