"""Matches of detections and true boxes, frame by frame, and AP and recall of weighted frames.

The matches are those of the COCO evaluation (Lin et al., "Microsoft COCO: Common objects in
context", ECCV 2014), which hotcoco computes. The matches of a frame do not depend on other frames,
so they are made once and added up with any weights: that makes the bootstrap in `intervals` fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

IOU_THRESHOLDS: Floats = np.linspace(0.5, 0.95, 10)
RECALL_THRESHOLDS: Floats = np.linspace(0.0, 1.0, 101)
MAX_FOR_AP = 100
"""So many detections of a frame and class count for AP and AR, by COCO's definition."""
_ELEMENTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class ClassMatches:
    """All detections of one class, highest score first, equal ones in the order of frames.

    Attributes:
        frame: ``(m,)`` int64, position of the frame.
        score: ``(m,)`` float64.
        hit: ``(t, m)`` bool, for each threshold whether it hit a true box.
        unjudged: ``(t, m)`` bool, whether it lies on an ignore region and so does not count.
        rank: ``(m,)`` int64, position among the detections of its frame by score, from 0.
        n_truth: ``(frames,)`` int64, true boxes that count.
    """

    frame: Ints
    score: Floats
    hit: Bools
    unjudged: Bools
    rank: Ints
    n_truth: Ints

    def best(self, most: int) -> ClassMatches:
        """Return the matches of so many detections of each frame at most, by score."""
        kept = self.rank < most
        return ClassMatches(
            self.frame[kept],
            self.score[kept],
            self.hit[:, kept],
            self.unjudged[:, kept],
            self.rank[kept],
            self.n_truth,
        )


def class_matches(
    images: Iterable[Mapping[str, Any]], n_frames: int, n_classes: int
) -> list[ClassMatches]:
    """Return the matches of each class from the evaluation's per-image results.

    Args:
        images: per-image results of hotcoco, over all areas; image and category ids count from 1.
        n_frames: how many frames there are.
        n_classes: how many classes there are.
    """
    found: list[list[Mapping[str, Any]]] = [[] for _ in range(n_classes)]
    for image in sorted(images, key=lambda one: int(one["image_id"])):
        found[image["category_id"] - 1].append(image)
    return [_joined(of_class, n_frames) for of_class in found]


def _joined(images: list[Mapping[str, Any]], n_frames: int) -> ClassMatches:
    shape = (len(IOU_THRESHOLDS), 0)
    n_truth = np.zeros(n_frames, np.int64)
    frame, score = [np.zeros(0, np.int64)], [np.zeros(0)]
    matched, void = [np.zeros(shape, bool)], [np.zeros(shape, bool)]
    rank = [np.zeros(0, np.int64)]
    for image in images:
        at, n = int(image["image_id"]) - 1, len(image["dtScores"])
        n_truth[at] = len(image["gtIgnore"]) - sum(image["gtIgnore"])
        frame.append(np.full(n, at))
        rank.append(np.arange(n))
        score.append(np.array(image["dtScores"], np.float64))
        matched.append(np.array(image["dtMatched"], bool).reshape(len(IOU_THRESHOLDS), n))
        void.append(np.array(image["dtIgnore"], bool).reshape(len(IOU_THRESHOLDS), n))
    scores, unjudged = np.concatenate(score), np.concatenate(void, axis=1)
    order = np.argsort(-scores, kind="stable")
    hit = np.concatenate(matched, axis=1) & ~unjudged
    return ClassMatches(
        np.concatenate(frame)[order],
        scores[order],
        hit[:, order],
        unjudged[:, order],
        np.concatenate(rank)[order],
        n_truth,
    )


def average_precision(matches: ClassMatches, weights: Floats) -> tuple[Floats, Floats]:
    """Return AP and highest recall for each weighting of the frames.

    A weight of 2 counts a frame twice, a weight of 0 leaves it out. Precision is the envelope
    at 101 recalls; NaN where the weights leave no true box. The best `MAX_FOR_AP` detections of a
    frame count.

    Args:
        matches: of one class.
        weights: ``(b, frames)`` float64, 0 or above.

    Returns:
        ``(b, t)`` AP and ``(b, t)`` recall, for each weighting and threshold.
    """
    matches = matches.best(MAX_FOR_AP)
    ap = np.full((len(weights), len(matches.hit)), np.nan)
    recall = np.full_like(ap, np.nan)
    step = max(1, _ELEMENTS_AT_ONCE // max(1, len(matches.score)))
    for start in range(0, len(weights), step):
        part = weights[start : start + step]
        positives = part @ matches.n_truth
        some = np.flatnonzero(positives > 0)
        # One row for each detection: sums run down the rows, over all weightings at once.
        counted = np.ascontiguousarray(part[some].T)[matches.frame]
        judged_sum = counted.cumsum(axis=0)
        for t, (hit, unjudged) in enumerate(zip(matches.hit, matches.unjudged, strict=True)):
            hits, void = np.flatnonzero(hit), np.flatnonzero(unjudged)
            judged = judged_sum[hits] - _before(counted, void, hits)
            one = _interpolated(counted[hits].cumsum(axis=0), judged, positives[some])
            ap[start + some, t], recall[start + some, t] = one
    return ap, recall


def _before(counted: Floats, void: Ints, at: Ints) -> Floats:
    """Return the summed weight of detections ``void`` that come before each of ``at``."""
    sums = np.zeros((len(void) + 1, counted.shape[1]))
    np.cumsum(counted[void], axis=0, out=sums[1:])
    result: Floats = sums[np.searchsorted(void, at)]
    return result


def _interpolated(hits: Floats, judged_sum: Floats, positives: Floats) -> tuple[Floats, Floats]:
    """Return AP and recall at one threshold for each weighting.

    ``hits`` and ``judged_sum`` are ``(h, b)``: how many detections were right and how many were
    judged up to each hit. Precision and recall rise at hits only, so that the other detections
    cannot change the envelope.
    """
    if not len(hits):
        return np.zeros(len(positives)), np.zeros(len(positives))
    precision = hits / (judged_sum + np.spacing(1))
    envelope = np.zeros((len(positives), len(hits) + 1))
    envelope[:, :-1] = np.maximum.accumulate(precision[::-1], axis=0)[::-1].T
    recall = np.ascontiguousarray((hits / positives).T)
    at = np.empty((len(recall), len(RECALL_THRESHOLDS)), np.int64)
    for i, row in enumerate(recall):
        at[i] = np.searchsorted(row, RECALL_THRESHOLDS, side="left")
    return np.take_along_axis(envelope, at, axis=1).mean(axis=1), recall[:, -1]
