"""Weighted boxes fusion: the boxes of several detectors in one picture as those of one.

Source: Solovyev, Wang, Gabruseva, "Weighted boxes fusion: Ensembling boxes from different object
detection models" (https://arxiv.org/abs/1910.13302). What confirms a box differs: detectors are
counted, not boxes, so that a detector with two boxes on one object does not confirm itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Boxes, Floats, Ints, paired_iou

Doubles = NDArray[np.float64]

_LEAST_WEIGHT = float(np.finfo(np.float32).tiny)  # so that boxes of score 0 have a mean too


@dataclass(frozen=True)
class FusedBoxes:
    """Boxes, and which detectors found each.

    Attributes:
        boxes: ``(n,)``, highest score first.
        found_by: ``(n, detectors)`` bool.
    """

    boxes: Boxes
    found_by: Bools


def fuse(
    found: Sequence[Boxes], weights: Doubles, has_class: Bools, iou_threshold: float
) -> FusedBoxes:
    """Return what several detectors find in a picture, each object once.

    Boxes in the order of their weighted scores, highest first, join the group of their class whose
    mean box they overlap most, or begin one. A group becomes its mean box, weighted by weight and
    score; its score is the weighted mean score, times the share of the weights of those detectors
    that have a box in it.

    Args:
        found: the boxes of each detector, with class ids that mean the same.
        weights: ``(detectors,)`` of each detector, above 0.
        has_class: ``(detectors, classes)``, whether a detector knows a class; one at least does.
        iou_threshold: a box joins a group if their overlap is above this, 0..1.
    """
    boxes = Boxes.concatenated([Boxes(b.xyxy, b.score, b.class_id) for b in found])
    detector = np.repeat(np.arange(len(found)), list(map(len, found)))
    order = np.argsort(-weights[detector] * boxes.score, kind="stable")
    boxes, detector = boxes[order], detector[order]
    trust = weights[detector]
    pull = trust * np.maximum(boxes.score, _LEAST_WEIGHT)
    group = _groups(boxes, pull, iou_threshold)
    n = int(group.max(initial=-1)) + 1
    found_by = np.zeros((n, len(found)), np.bool_)
    found_by[group, detector] = True
    class_id = np.zeros(n, np.int64)
    class_id[group] = boxes.class_id
    share = (found_by @ weights) / (weights @ has_class)[class_id]
    score = np.bincount(group, trust * boxes.score, n) / np.bincount(group, trust, n) * share
    best = np.argsort(-score, kind="stable")
    fused = Boxes(_means(boxes, pull, group, n), score.astype(np.float32), class_id)
    return FusedBoxes(fused[best], found_by[best])


def _groups(boxes: Boxes, pull: Doubles, iou_threshold: float) -> Ints:
    """Return the group of each box, numbered from 0: ``(n,)``."""
    group = np.zeros(len(boxes), np.int64)
    mean, total = np.zeros((len(boxes), 4)), np.zeros(len(boxes))
    class_id = np.full(len(boxes), -1)
    n = 0
    for i, (xyxy, weight) in enumerate(zip(boxes.xyxy, pull, strict=True)):
        overlap = np.where(class_id[:n] == boxes.class_id[i], paired_iou(mean[:n], xyxy), -1.0)
        best = int(overlap.argmax()) if n else 0
        group[i] = best if n and overlap[best] > iou_threshold else n
        n = max(n, int(group[i]) + 1)
        class_id[group[i]] = boxes.class_id[i]
        total[group[i]] += weight
        mean[group[i]] += (xyxy - mean[group[i]]) * (weight / total[group[i]])
    return group


def _means(boxes: Boxes, pull: Doubles, group: Ints, n: int) -> Floats:
    """Return the weighted mean box of each group: ``(n, 4)``."""
    sums = [np.bincount(group, pull * side, n) for side in boxes.xyxy.T.astype(np.float64)]
    mean: Floats = (np.stack(sums, axis=1) / np.bincount(group, pull, n)[:, None]).astype("f4")
    return mean
