"""How steady labels are over time: a measure of quality that needs no truth.

It compares two models, or two rounds, on the same footage. It cannot see an object that both miss
throughout, nor a mistake that is made in every frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reelabel.temporal.link import LinkSettings, Tracks
from reelabel.temporal.sequence import BoxSequence, Floats, sizes


@dataclass(frozen=True)
class Consistency:
    """Label quality over time, without truth.

    Attributes:
        boxes: how many strong boxes there are.
        tracks: how many started tracks hold more than one box.
        coverage: share of the frames inside those tracks that carry a box, 0..1; NaN without any.
        flicker_rate: share of strong boxes that stand alone in time, 0..1; NaN without any.
        jitter: median distance of a box's edges from the mean of the boxes one frame before and
            after, in box sizes (square root of the area); NaN if no three boxes follow.
        mean_length: mean number of boxes per track of more than one; NaN without any.
    """

    boxes: int
    tracks: int
    coverage: float
    flicker_rate: float
    jitter: float
    mean_length: float


def consistency(
    boxes: BoxSequence,
    tracks: Tracks,
    strong_score: float = LinkSettings.strong_score,
) -> Consistency:
    """Measure how steady linked detections are.

    Args:
        boxes: the detections of one video.
        tracks: their tracks.
        strong_score: boxes from this score on are counted as labels.

    Raises:
        ValueError: if `tracks` are not those of `boxes`.
    """
    if len(tracks.track_id) != len(boxes):
        raise ValueError(f"expected tracks of {len(boxes)} boxes, got {len(tracks.track_id)}")
    lengths = tracks.lengths
    strong = boxes.score >= strong_score
    long = tracks.started & (lengths > 1)
    first, last = np.full(len(lengths), np.iinfo(np.int64).max), np.full(len(lengths), -1)
    np.minimum.at(first, tracks.track_id, boxes.frame)
    np.maximum.at(last, tracks.track_id, boxes.frame)
    spans = (last - first + 1)[long]
    alone = strong & (lengths[tracks.track_id] == 1)
    return Consistency(
        boxes=int(strong.sum()),
        tracks=int(long.sum()),
        coverage=_ratio(float(lengths[long].sum()), float(spans.sum())),
        flicker_rate=_ratio(float(alone.sum()), float(strong.sum())),
        jitter=_jitter(boxes, tracks),
        mean_length=_ratio(float(lengths[long].sum()), float(long.sum())),
    )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _jitter(boxes: BoxSequence, tracks: Tracks) -> float:
    rows = np.lexsort((boxes.frame, tracks.track_id))
    track, frame = tracks.track_id[rows], boxes.frame[rows]
    follow = (track[2:] == track[:-2]) & (frame[2:] - frame[:-2] == 2)  # noqa: PLR2004 -- t-1, t, t+1
    follow &= tracks.started[track[1:-1]]
    if not follow.any():
        return float("nan")
    xyxy: Floats = boxes.xyxy[rows]
    bend = np.abs(xyxy[1:-1] - (xyxy[2:] + xyxy[:-2]) / 2).mean(axis=1)
    return float(np.median((bend / np.maximum(sizes(xyxy[1:-1]), 1))[follow]))
