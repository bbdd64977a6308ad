"""How far a model agrees with itself: boxes of a frame against boxes of its mirror image.

A detector that localises well finds the same box in a picture and in its mirror image; where it
guesses, the two differ. That needs no labels, so it is independent of the model that made them. It
cannot detect errors that both views share, such as boxes that are always too large: `box_shift`
measures how far two models differ in that way, not which of them is right.

Two models are compared on the objects that both find. A model that finds harder objects too is
less consistent on these, and would otherwise score worse for finding more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes, iou
from reelabel.evaluation.intervals import Ratio

LEAST_SCORE = 0.05
"""Weaker boxes are left out: how many there are depends on the floor of the detector."""
LEAST_IOU = 0.5
"""Boxes that overlap less are not of the same object."""


@dataclass(frozen=True)
class Views:
    """What a model finds in frames and in their mirror images.

    Attributes:
        direct: the detections of each frame.
        mirrored: those of its mirror image, mapped back to the frame.
    """

    direct: tuple[Boxes, ...]
    mirrored: tuple[Boxes, ...]

    @classmethod
    def of(cls, direct: Sequence[Boxes], mirrored: Sequence[Boxes]) -> Views:
        """Return the views without their weakest boxes."""
        return cls(*(tuple(b[b.score >= LEAST_SCORE] for b in view) for view in (direct, mirrored)))


def consistency(views: Views) -> Ratio:
    """Return the mean IoU of a box with its counterpart in the other view, weighted by score.

    A box without a counterpart counts as 0. The ratio is in 0..1.
    """
    parts = []
    for a, b in zip(views.direct, views.mirrored, strict=True):
        agreed = float(a.score @ _counterpart(a, b) + b.score @ _counterpart(b, a))
        parts.append((agreed, float(a.score.sum() + b.score.sum())))
    return Ratio.of(parts)


def consistency_gain(first: Views, second: Views) -> Ratio:
    """Return how much more consistent the second model is on the objects that both find: -1..1.

    An object counts once for each view in which both find it, weighted by the geometric mean of
    their scores.
    """
    frames = zip(first.direct, first.mirrored, second.direct, second.mirrored, strict=True)
    parts = []
    for a, a_mirrored, b, b_mirrored in frames:
        views = (_gained(a, a_mirrored, b, b_mirrored), _gained(a_mirrored, a, b_mirrored, b))
        parts.append((sum(part for part, _ in views), sum(weight for _, weight in views)))
    return Ratio.of(parts)


def box_shift(first: Views, second: Views) -> float:
    """Return how far the boxes of two models differ systematically, on the objects both find.

    That is the sum of four means, weighted by score: the displacement of the centre along x and y,
    and the logarithms of the ratios of width and height, each as an absolute value and relative to
    the box. Errors without a direction cancel; NaN without shared objects.
    """
    changes, weights = [np.zeros((0, 4))], [np.zeros(0)]
    for a, b in zip(first.direct, second.direct, strict=True):
        i, j = _shared(a, b)
        changes.append(_change(a.xyxy[i].astype(np.float64), b.xyxy[j].astype(np.float64)))
        weights.append(np.sqrt(a.score[i] * b.score[j]))
    weight = np.concatenate(weights)
    if not weight.sum():
        return float("nan")
    return float(np.abs(weight @ np.concatenate(changes) / weight.sum()).sum())


def _change(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return displacement and log ratio of the sides of boxes that stand opposite: ``(n, 4)``."""
    sides, other = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    moved = (b[:, :2] + b[:, 2:] - a[:, :2] - a[:, 2:]) / 2 / sides
    return np.column_stack((moved, np.log(other / sides)))


def _gained(a: Boxes, a_other: Boxes, b: Boxes, b_other: Boxes) -> tuple[float, float]:
    """Return the weighted gain over the objects that both models find in a view, and the weight."""
    i, j = _shared(a, b)
    gain = _counterpart(b, b_other)[j] - _counterpart(a, a_other)[i]
    weight = np.sqrt(a.score[i] * b.score[j])
    return float(weight @ gain), float(weight.sum())


def _shared(a: Boxes, b: Boxes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of boxes that are each other's best match: ``(n,)`` twice."""
    overlap = _overlap(a, b)
    if not overlap.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = overlap.argmax(axis=1)
    i = np.arange(len(a))
    mutual = (overlap.argmax(axis=0)[best] == i) & (overlap[i, best] >= LEAST_IOU)
    return i[mutual], best[mutual]


def _counterpart(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """Return the IoU of each box of ``a`` with the best one of ``b``, 0 where there is none."""
    best = _overlap(a, b).max(axis=1, initial=0)
    result: NDArray[np.float32] = np.where(best >= LEAST_IOU, best, 0).astype(np.float32)
    return result


def _overlap(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    result: NDArray[np.float32] = iou(a.xyxy, b.xyxy) * (a.class_id[:, None] == b.class_id[None])
    return result
