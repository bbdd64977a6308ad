"""Weighted box fusion: one box out of several of the same object.

Source: Solovyev, Wang and Gabruseva, "Weighted boxes fusion: Ensembling boxes from different
object detection models", Image and Vision Computing 107 (2021).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import iou


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
    members: list[list[int]] = []
    fused = np.zeros((len(score), 4), np.float32)
    for i in order:
        at = _joins(xyxy[i], fused[: len(members)], iou_threshold)
        if at == len(members):
            members.append([])
        members[at].append(int(i))
        fused[at] = _mean(xyxy[members[at]], score[members[at]])
    return _collect(fused[: len(members)], score, members, n_sources)


def _joins(box: NDArray[np.float32], fused: NDArray[np.float32], least: float) -> int:
    """Return the fused box that this one belongs to, or a new number."""
    if not len(fused):
        return 0
    overlap = iou(box[None], fused)[0]
    best = int(overlap.argmax())
    return best if overlap[best] > least else len(fused)


def _mean(xyxy: NDArray[np.float32], score: NDArray[np.float32]) -> NDArray[np.float32]:
    # Scores of 0 must not lead to a division by 0.
    weight = np.maximum(score.astype(np.float64), 1e-9)[:, None]
    result: NDArray[np.float32] = ((xyxy * weight).sum(axis=0) / weight.sum()).astype(np.float32)
    return result


def _collect(
    xyxy: NDArray[np.float32],
    score: NDArray[np.float32],
    members: list[list[int]],
    n_sources: int,
) -> FusedBoxes:
    means = [score[m].mean() * min(len(m), n_sources) / n_sources for m in members]
    fused_score = np.array(means, np.float32)
    order = np.argsort(-fused_score, kind="stable")
    cluster = np.zeros(len(score), np.int64)
    for new, old in enumerate(order):
        cluster[members[old]] = new
    return FusedBoxes(xyxy[order], fused_score[order], cluster)
