"""Weighted boxes fusion: the boxes of several detectors in one picture as those of one.

Source: Solovyev, Wang, Gabruseva, "Weighted boxes fusion: Ensembling boxes from different object
detection models" (https://arxiv.org/abs/1910.13302). What confirms a box differs: detectors are
counted, not boxes, so that a detector with two boxes on one object does not confirm itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reelabel.data.box_groups import Doubles, group_boxes, mean_boxes, pulls
from reelabel.data.boxes import Bools, Boxes


@dataclass(frozen=True)
class FoundTogether:
    """Boxes, and which detectors found each.

    Attributes:
        boxes: ``(n,)``, highest score first.
        found_by: ``(n, detectors)`` bool.
    """

    boxes: Boxes
    found_by: Bools


def fuse(
    found: Sequence[Boxes], weights: Doubles, has_class: Bools, iou_threshold: float
) -> FoundTogether:
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
    pull = pulls(boxes.score, trust)
    group = group_boxes(boxes.xyxy, pull, boxes.class_id, iou_threshold)
    n = int(group.max(initial=-1)) + 1
    found_by = np.zeros((n, len(found)), np.bool_)
    found_by[group, detector] = True
    class_id = np.zeros(n, np.int64)
    class_id[group] = boxes.class_id
    share = (found_by @ weights) / (weights @ has_class)[class_id]
    score = np.bincount(group, trust * boxes.score, n) / np.bincount(group, trust, n) * share
    best = np.argsort(-score, kind="stable")
    fused = Boxes(mean_boxes(boxes.xyxy, pull, group), score.astype(np.float32), class_id)
    return FoundTogether(fused[best], found_by[best])
