"""Weighted box fusion: one box out of several of the same object.

Source: Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different
object detection models", Image and Vision Computing 107 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.box_groups import group_boxes, mean_boxes, pulls


@dataclass(frozen=True)
class FusedBoxes:
    """Fused boxes, highest score first.

    Attributes:
        xyxy: ``(m, 4)`` float32, the mean of the boxes that were fused, weighted by their scores.
        score: ``(m,)`` float32, the mean of their scores times the share of sources that agreed.
        cluster: ``(n,)`` int64, for each input box the fused box that it went into.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    cluster: NDArray[np.int64]


def fuse_boxes(
    xyxy: NDArray[np.float32],
    score: NDArray[np.float32],
    *,
    n_sources: int,
    iou_threshold: float = 0.55,
) -> FusedBoxes:
    """Fuse the boxes of one class in one picture that several sources gave.

    Boxes are taken by score, highest first (ties by coordinates). Each joins the fused box that
    it overlaps most, if that is more than the threshold, and moves it; else it opens a new one.
    An object that fewer sources found keeps only their share of its score: ``min(T, N) / N``.

    Args:
        xyxy: ``(n, 4)`` float32 of all sources together.
        score: ``(n,)`` float32 in 0..1, already times the weight of its source if it has one.
        n_sources: N, how many sources there are.
        iou_threshold: intersection over union in 0..1 above which two boxes are one object.

    Raises:
        ValueError: if the shapes do not agree or ``n_sources`` is below 1.
    """
    if xyxy.shape != (len(score), 4) or n_sources < 1:
        raise ValueError(f"expected (n, 4) boxes and n scores, got {xyxy.shape}, {score.shape}")
    order = np.lexsort((*xyxy.T[::-1], -score))
    pull = pulls(score[order])
    group = group_boxes(xyxy[order], pull, np.zeros(len(order), np.int64), iou_threshold)
    count = np.bincount(group)
    agreed = np.bincount(group, score[order]) / count * np.minimum(count, n_sources) / n_sources
    best = np.argsort(-agreed, kind="stable")
    cluster = np.zeros(len(score), np.int64)
    cluster[order] = np.argsort(best)[group]
    fused = mean_boxes(xyxy[order], pull, group)[best]
    return FusedBoxes(fused, agreed[best].astype(np.float32), cluster)
