"""Rows of truth and labels as the frames that models are compared on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.boxes import Boxes
from reelabel.data.states import GAP, IGNORE, NEGATIVE, POSITIVE, PREVIOUS, TRACKER
from reelabel.evaluation.frames import FrameKey, KnownFrame
from reelabel.evaluation.label_rules import RuledLabels
from reelabel.labels.merging import MERGED_BY
from reelabel.tables import CORNERS
from reelabel.tables.boxes import boxes_of


def boxes_by_pts(table: pa.Table, names: Sequence[str]) -> dict[int, Boxes]:
    """Return the boxes of each frame, by time stamp.

    Args:
        table: one video's rows of any table of boxes; labels that fill a gap of a track get the
            tracker as origin.
        names: class names by class id.

    Raises:
        ShardError: if a class name is not among `names`.
    """
    found = boxes_of(table, names)
    order = np.argsort(found.frame, kind="stable")
    pts, boxes = found.frame[order], _with_tracker(found.boxes, table)[order]
    ends = [*(np.flatnonzero(np.diff(pts)) + 1).tolist(), len(pts)]
    starts = [0, *ends[:-1]]
    return {int(pts[a]): boxes[a:b] for a, b in zip(starts, ends, strict=True) if b > a}


def _with_tracker(boxes: Boxes, table: pa.Table) -> Boxes:
    """Return the boxes with the tracker as origin of those that the rule `gap` made."""
    if boxes.origin is None or "rule" not in table.column_names or not len(boxes):
        return boxes
    filled = np.array(table["rule"].to_pylist(), np.str_) == GAP
    return replace(boxes, origin=np.where(filled, TRACKER, boxes.origin))


def truth_frames(
    video_id: str, frames: pa.Table, truth: pa.Table, names: Sequence[str]
) -> list[KnownFrame]:
    """Return the annotated frames of a video with their true boxes; crowds are ignored regions.

    Args:
        video_id: the video.
        frames: its rows of the table `truth_frames`.
        truth: its rows of the table `truth`.
        names: class names by class id.
    """
    ids = {name: i for i, name in enumerate(names)}
    crowd = truth["crowd"].to_numpy(zero_copy_only=False)
    state = pa.array(np.where(crowd, IGNORE, POSITIVE).tolist(), pa.string())
    boxes = boxes_by_pts(truth.append_column("state", state), names)
    return [
        KnownFrame(
            video_id,
            row["pts"],
            boxes.get(row["pts"], Boxes.empty()),
            None if row["complete"] is None else frozenset(ids[name] for name in row["complete"]),
        )
        for row in frames.to_pylist()
    ]


def ruled_labels(labels: pa.Table, candidates: pa.Table, names: Sequence[str]) -> RuledLabels:
    """Return the positive labels of a video with the rule that made each.

    A label that merging took over as it was has the rule of its candidate; one that fills in from
    an earlier round has the rule "previous".

    Args:
        labels: the video's rows of the table `labels`.
        candidates: its rows of the table `candidates` of the same round.
        names: class names by class id.
    """
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    made = dict(zip(_places(candidates), candidates["rule"].to_pylist(), strict=True))
    rule = np.array(positive["rule"].to_pylist(), object)
    for i, place in enumerate(_places(positive)):
        if str(rule[i]).startswith(MERGED_BY):
            rule[i] = made.get(place, rule[i])
    rule[np.array(positive["origin"].to_pylist(), np.str_) == PREVIOUS] = PREVIOUS
    return RuledLabels(boxes_of(positive, names), rule)


def _places(table: pa.Table) -> Iterator[tuple[object, ...]]:
    """Yield frame, class and corners of each row."""
    columns = (table[name].to_pylist() for name in ("pts", "category", *CORNERS))
    return zip(*columns, strict=True)


def label_frames(keys: Iterable[FrameKey], labels: Mapping[FrameKey, Boxes]) -> list[KnownFrame]:
    """Return frames with their labels in place of true boxes; hard negatives are no objects.

    Args:
        keys: the frames.
        labels: those of each frame that has any.
    """
    return [KnownFrame(*key, _without(labels.get(key, Boxes.empty()), NEGATIVE)) for key in keys]


def _without(boxes: Boxes, state: str) -> Boxes:
    return boxes if boxes.state is None else boxes[boxes.state != state]
