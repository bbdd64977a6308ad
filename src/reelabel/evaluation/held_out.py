"""What a model keeps of pseudo-labels that were held out of training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, iou
from reelabel.data.states import IGNORE, TRACKER
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.intervals import Ratio
from reelabel.evaluation.matching import ClassMatches

Bools = NDArray[np.bool_]
KEPT_IOU = 0.5
"""A label is kept if a detection overlaps it by this. More would reward a model for the exact edges
of the boxes that the labels come from."""


@dataclass(frozen=True)
class Kept:
    """The labels that one model keeps.

    Attributes:
        labels: kept share of the labels that a model's own detection made.
        gaps: kept share of the labels that fill a gap of a track, which the teacher had missed.
    """

    labels: Ratio
    gaps: Ratio


def working_threshold(matches: Iterable[ClassMatches]) -> float:
    """Return the score at which detections agree best with labels: highest F1 at IoU 0.5.

    Args:
        matches: of each class, against the labels.

    Returns:
        The threshold; 1 if nothing was detected.
    """
    found = list(matches)
    score = np.concatenate([one.score for one in found])
    hit = np.concatenate([one.hit[0] for one in found])
    counts = np.concatenate([~one.unjudged[0] for one in found])
    if not len(score):
        return 1.0
    order = np.argsort(-score, kind="stable")
    true, detected = hit[order].cumsum(), counts[order].cumsum()
    labels = sum(int(one.n_truth.sum()) for one in found)
    return float(score[order][(2 * true / np.maximum(detected + labels, 1)).argmax()])


def kept_labels(
    frames: Sequence[KnownFrame],
    detections: Sequence[Boxes],
    threshold: float,
    *,
    min_iou: float = KEPT_IOU,
) -> Kept:
    """Return which share of the labels a model detects again.

    Args:
        frames: frames with their labels; ignored ones do not count.
        detections: of each frame.
        threshold: weaker detections do not count.
        min_iou: least overlap of a detection with the label.
    """
    labels: list[tuple[float, float]] = []
    gaps: list[tuple[float, float]] = []
    for frame, found in zip(frames, detections, strict=True):
        kept = _kept(frame.boxes, found[found.score >= threshold], min_iou)
        positive, filled = _is_positive(frame.boxes), _fills_gap(frame.boxes)
        for counts, which in ((labels, positive & ~filled), (gaps, positive & filled)):
            counts.append((float((kept & which).sum()), float(which.sum())))
    return Kept(Ratio.of(labels), Ratio.of(gaps))


def _kept(labels: Boxes, found: Boxes, min_iou: float) -> Bools:
    same = labels.class_id[:, None] == found.class_id[None]
    result: Bools = ((iou(labels.xyxy, found.xyxy) >= min_iou) & same).any(axis=1)
    return result


def _is_positive(labels: Boxes) -> Bools:
    if labels.state is None:
        return np.ones(len(labels), bool)
    result: Bools = labels.state != IGNORE
    return result


def _fills_gap(labels: Boxes) -> Bools:
    if labels.origin is None:
        return np.zeros(len(labels), bool)
    result: Bools = labels.origin == TRACKER
    return result
