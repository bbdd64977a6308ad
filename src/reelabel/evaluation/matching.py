"""Which detection hits which true box, picture by picture, and what follows for AP and recall.

The rules are those of the COCO evaluation (Lin et al., "Microsoft COCO: Common objects in
context", ECCV 2014, and its published evaluation code): per class and picture the detections are
taken by score, highest first; each takes the free true box that it overlaps most, if that reaches
the threshold; a crowd region takes any number, and what it takes counts neither way. The matches
of a picture do not depend on other pictures, so they are made once and added up with any weights:
that is what makes the bootstrap in `intervals` fast.
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
_ELEMENTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class ClassMatches:
    """All detections of one class, highest score first, equal ones in the order of pictures.

    Attributes:
        picture: ``(m,)`` int64, position of the picture.
        score: ``(m,)`` float64.
        hit: ``(t, m)`` bool, for each threshold whether it hit a true box.
        unjudged: ``(t, m)`` bool, whether it lies on a crowd region and so does not count.
        n_truth: ``(pictures,)`` int64, true boxes that count.
    """

    picture: Ints
    score: Floats
    hit: Bools
    unjudged: Bools
    n_truth: Ints


@dataclass(frozen=True)
class Boxes:
    """Boxes of many pictures and classes, as columns.

    Attributes:
        picture: ``(n,)`` int64, position of the picture.
        category: ``(n,)`` int64.
        xywh: ``(n, 4)`` float64 in pixels.
        value: ``(n,)`` float64, the score of a detection, 1 for a crowd region of the truth.
    """

    picture: Ints
    category: Ints
    xywh: Floats
    value: Floats

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]], position: Mapping[Any, int], key: str) -> Boxes:
        """Return the columns of COCO rows; ``key`` names the value, 0 where a row has none."""
        rows = list(rows)
        return cls(
            np.array([position[row["image_id"]] for row in rows], np.int64),
            np.array([row["category_id"] for row in rows], np.int64),
            np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4),
            np.array([row.get(key, 0) for row in rows], np.float64),
        )

    def __getitem__(self, which: Ints | Bools | slice) -> Boxes:
        return Boxes(self.picture[which], self.category[which], self.xywh[which], self.value[which])


def match(
    truth: Boxes, detections: Boxes, *, categories: Iterable[int], n_pictures: int
) -> dict[int, ClassMatches]:
    """Return the matches of each category at `IOU_THRESHOLDS`, at most 100 detections a picture."""
    return {
        category: _match_class(
            truth[truth.category == category],
            detections[detections.category == category],
            n_pictures,
        )
        for category in categories
    }


def match_picture(iou: Floats, crowd: Bools, thresholds: Floats) -> tuple[Bools, Bools]:
    """Match the detections of one picture and class, which come highest score first.

    Args:
        iou: ``(d, g)`` overlap of each detection with each true box; for a crowd region the share
            of the detection that lies in it.
        crowd: ``(g,)`` bool.
        thresholds: ``(t,)`` least overlap of a hit.

    Returns:
        ``(t, d)`` bool twice: which detections hit a true box, and which lie on a crowd region.
    """
    least = np.minimum(thresholds, 1 - 1e-10)[:, None]
    close = iou >= least.min()
    if not crowd.any() and close.sum(axis=0).max(initial=0) <= 1 >= close.sum(axis=1).max(
        initial=0
    ):
        # No two compete: each hits what it overlaps.
        return iou.max(axis=1, initial=0) >= least, np.zeros((len(thresholds), len(iou)), bool)
    hit = np.zeros((len(thresholds), len(iou)), bool)
    unjudged = np.zeros_like(hit)
    real = np.flatnonzero(~crowd)
    free = np.ones((len(thresholds), len(real)), bool)
    for d in np.flatnonzero(close.any(axis=1)):
        open_to = free & (iou[d, real] >= least)
        hit[:, d] = open_to.any(axis=1)
        unjudged[:, d] = ~hit[:, d] & (iou[d, crowd] >= least).any(axis=1)
        if hit[:, d].any():
            # Of equal overlaps the last one is taken, as the published code does.
            value = np.where(open_to, iou[d, real], -1)[:, ::-1]
            taken = len(real) - 1 - value.argmax(axis=1)
            free[hit[:, d], taken[hit[:, d]]] = False
    return hit, unjudged


def average_precision(matches: ClassMatches, weights: Floats) -> tuple[Floats, Floats]:
    """Return AP and highest recall for each weighting of the pictures.

    A weight of 2 counts a picture twice, a weight of 0 leaves it out. Precision is the envelope
    at 101 recalls; NaN where the weights leave no true box.

    Args:
        matches: of one class.
        weights: ``(b, pictures)`` float64, 0 or above.

    Returns:
        ``(b, t)`` AP and ``(b, t)`` recall, for each weighting and threshold.
    """
    ap = np.full((len(weights), len(matches.hit)), np.nan)
    recall = np.full_like(ap, np.nan)
    step = max(1, _ELEMENTS_AT_ONCE // max(1, len(matches.score)))
    for start in range(0, len(weights), step):
        part = weights[start : start + step]
        positives = part @ matches.n_truth
        some = np.flatnonzero(positives > 0)
        # One row for each detection: sums run down the rows, over all weightings at once.
        counted = np.ascontiguousarray(part[some].T)[matches.picture]
        said = counted.cumsum(axis=0)
        for t, (hit, unjudged) in enumerate(zip(matches.hit, matches.unjudged, strict=True)):
            hits, void = np.flatnonzero(hit), np.flatnonzero(unjudged)
            judged = said[hits] - _before(counted, void, hits)
            one = _interpolated(counted[hits].cumsum(axis=0), judged, positives[some])
            ap[start + some, t], recall[start + some, t] = one
    return ap, recall


def _before(counted: Floats, void: Ints, at: Ints) -> Floats:
    """Return the summed weight of detections ``void`` that come before each of ``at``."""
    sums = np.zeros((len(void) + 1, counted.shape[1]))
    np.cumsum(counted[void], axis=0, out=sums[1:])
    result: Floats = sums[np.searchsorted(void, at)]
    return result


def _interpolated(hits: Floats, said: Floats, positives: Floats) -> tuple[Floats, Floats]:
    """Return AP and recall at one threshold for each weighting.

    ``hits`` and ``said`` are ``(h, b)``: how many detections were right and how many were judged
    up to each hit. Precision and recall rise at hits only, so that the other detections cannot
    change the envelope.
    """
    if not len(hits):
        return np.zeros(len(positives)), np.zeros(len(positives))
    precision = hits / (said + np.spacing(1))
    envelope = np.zeros((len(positives), len(hits) + 1))
    envelope[:, :-1] = np.maximum.accumulate(precision[::-1], axis=0)[::-1].T
    recall = np.ascontiguousarray((hits / positives).T)
    at = np.empty((len(recall), len(RECALL_THRESHOLDS)), np.int64)
    for i, row in enumerate(recall):
        at[i] = np.searchsorted(row, RECALL_THRESHOLDS, side="left")
    return np.take_along_axis(envelope, at, axis=1).mean(axis=1), recall[:, -1]


def _match_class(truth: Boxes, detections: Boxes, n_pictures: int) -> ClassMatches:
    detections = _capped(detections)
    truth = truth[np.argsort(truth.picture, kind="stable")]
    crowd = truth.value > 0
    shape = (len(IOU_THRESHOLDS), len(detections.value))
    hit, unjudged = np.zeros(shape, bool), np.zeros(shape, bool)
    pictures = np.intersect1d(truth.picture, detections.picture)
    of_truth = np.searchsorted(truth.picture, [pictures, pictures + 1])
    of_said = np.searchsorted(detections.picture, [pictures, pictures + 1])
    for (g0, g1), (d0, d1) in zip(of_truth.T, of_said.T, strict=True):
        iou = _iou(detections.xywh[d0:d1], truth.xywh[g0:g1], crowd[g0:g1])
        hit[:, d0:d1], unjudged[:, d0:d1] = match_picture(iou, crowd[g0:g1], IOU_THRESHOLDS)
    order = np.argsort(-detections.value, kind="stable")
    return ClassMatches(
        detections.picture[order],
        detections.value[order],
        hit[:, order],
        unjudged[:, order],
        np.bincount(truth.picture[~crowd], minlength=n_pictures),
    )


def _capped(detections: Boxes, most: int = 100) -> Boxes:
    """Return the best detections of each picture, picture by picture, highest score first."""
    ordered = detections[np.lexsort((-detections.value, detections.picture))]
    first = np.searchsorted(ordered.picture, ordered.picture)
    return ordered[np.arange(len(first)) - first < most]


def _iou(said: Floats, truth: Floats, crowd: Bools) -> Floats:
    """Return overlap in float64, for crowd regions as a share of the detection."""
    low = np.maximum(said[:, None, :2], truth[None, :, :2])
    high = np.minimum((said[:, :2] + said[:, 2:])[:, None], (truth[:, :2] + truth[:, 2:])[None])
    sides = np.clip(high - low, 0, None)
    shared = sides[..., 0] * sides[..., 1]
    own = (said[:, 2] * said[:, 3])[:, None]
    union = np.where(crowd[None], own, own + (truth[:, 2] * truth[:, 3])[None] - shared)
    result: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)
    return result
