"""Boxes of the same objects as groups, and the mean box of each.

The grouping of weighted boxes fusion: Solovyev, Wang, Gabruseva, "Weighted boxes fusion: Ensembling
boxes from different object detection models", Image and Vision Computing 107, 2021
(https://arxiv.org/abs/1910.13302).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats, Ints, paired_iou

Doubles = NDArray[np.float64]

_LEAST_WEIGHT = float(np.finfo(np.float32).tiny)


def pulls(score: NDArray[np.floating], trust: Doubles | float = 1.0) -> Doubles:
    """Return how much each box moves the mean of its group: ``(n,)``, its score times its trust.

    Above 0, so that boxes of score 0 have a mean too.
    """
    result: Doubles = trust * np.maximum(score, _LEAST_WEIGHT).astype(np.float64)
    return result


def group_boxes(xyxy: Floats, pull: Doubles, class_id: Ints, iou_threshold: float) -> Ints:
    """Return the group of each box, numbered from 0 in the order of their first box: ``(n,)``.

    Each box, in the order given, joins the group of its class whose mean box it overlaps most, if
    that is more than the threshold, and moves it; else it begins a new one.

    Args:
        xyxy: ``(n, 4)``.
        pull: ``(n,)`` above 0, the weight of each box in the mean of its group.
        class_id: ``(n,)``.
        iou_threshold: intersection over union in 0..1.
    """
    group = np.zeros(len(xyxy), np.int64)
    mean, total = np.zeros((len(xyxy), 4)), np.zeros(len(xyxy))
    class_of = np.full(len(xyxy), -1)
    n = 0
    for i, (box, weight) in enumerate(zip(xyxy, pull, strict=True)):
        overlap = np.where(class_of[:n] == class_id[i], paired_iou(mean[:n], box), -1.0)
        best = int(overlap.argmax()) if n else 0
        group[i] = best if n and overlap[best] > iou_threshold else n
        n = max(n, int(group[i]) + 1)
        class_of[group[i]] = class_id[i]
        total[group[i]] += weight
        mean[group[i]] += (box - mean[group[i]]) * (weight / total[group[i]])
    return group


def mean_boxes(xyxy: Floats, pull: Doubles, group: Ints) -> Floats:
    """Return the weighted mean box of each group: ``(groups, 4)`` float32."""
    n = int(group.max(initial=-1)) + 1
    sums = [np.bincount(group, pull * side, n) for side in xyxy.T.astype(np.float64)]
    mean: Floats = (np.stack(sums, axis=1) / np.bincount(group, pull, n)[:, None]).astype("f4")
    return mean
