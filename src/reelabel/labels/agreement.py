"""Agreement: how far detections agree with pseudo-labels.

The arithmetic is that of `scores`, the name is not: a teacher's labels are no truth, and a student
that repeats its teacher's errors agrees with it perfectly. So nothing here is called AP.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reelabel.labels.scores import ClassScores, coco_scores


@dataclass(frozen=True)
class ClassAgreement:
    """Agreement on one class, or over all; in 0..1, NaN if there is no label.

    Attributes:
        agreement: mean over IoU 0.50:0.95; agreement50, agreement75: at one IoU.
        f1: at the working threshold and IoU 0.5.
        only_labels: share of labels without a detection at the working threshold.
        only_detections: share of detections at the working threshold without a label.
    """

    agreement: float
    agreement50: float
    agreement75: float
    f1: float
    only_labels: float
    only_detections: float


@dataclass(frozen=True)
class Agreement:
    """Agreement of detections with pseudo-labels.

    Attributes:
        overall: over all classes.
        per_class: class name -> agreement.
        intervals: ``agreement``, ``agreement50``, ``agreement75`` and ``f1`` -> lower and upper
            bound at 95 %; empty if none were asked for.
        unit: what the intervals were drawn over ("video", "time block", "picture"), or None.
    """

    overall: ClassAgreement
    per_class: dict[str, ClassAgreement]
    intervals: dict[str, tuple[float, float]]
    unit: str | None


def agreement(
    labels: Mapping[str, Any],
    detections: Iterable[Mapping[str, Any]],
    *,
    threshold: float = 0.5,
    n_resamples: int = 0,
    seed: int = 0,
) -> Agreement:
    """Return how far detections agree with pseudo-labels.

    Args:
        labels: pseudo-labels as a COCO data set; ignore regions as ``iscrowd``.
        detections: COCO results.
        threshold: the working threshold.
        n_resamples: bootstrap resamples for intervals; 0 for none.
        seed: of the bootstrap.

    Raises:
        UsageError: as `coco_scores`.
    """
    scores = coco_scores(
        labels, detections, threshold=threshold, n_resamples=n_resamples, seed=seed
    )
    bounds = scores.intervals()
    renamed = {m.replace("ap", "agreement"): bounds[m] for m in _MEASURES if m in bounds}
    per_class = {name: _renamed(one) for name, one in scores.per_class.items()}
    unit = scores.resamples.unit if scores.resamples else None
    return Agreement(_renamed(scores.overall), per_class, renamed, unit)


_MEASURES = ("ap", "ap50", "ap75", "f1")


def _renamed(one: ClassScores) -> ClassAgreement:
    return ClassAgreement(
        agreement=one.ap,
        agreement50=one.ap50,
        agreement75=one.ap75,
        f1=one.f1,
        only_labels=1 - one.recall,
        only_detections=1 - one.precision,
    )
