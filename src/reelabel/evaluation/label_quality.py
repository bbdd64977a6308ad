"""How good labels are, against ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reelabel.data.boxes import Boxes
from reelabel.data.states import POSITIVE
from reelabel.evaluation.figures import Figure
from reelabel.evaluation.frames import FrameKey, KnownFrame
from reelabel.evaluation.scores import detection_scores


@dataclass(frozen=True)
class LabelQuality:
    """How good labels are against ground truth, in 0..1."""

    precision: Figure
    recall: Figure
    f1: Figure


def label_quality(
    truth: Sequence[KnownFrame], labels: Mapping[FrameKey, Boxes], classes: Sequence[str]
) -> LabelQuality:
    """Return precision, recall and F1 of the positive labels at IoU 0.5, without intervals.

    Args:
        truth: annotated frames.
        labels: those of each frame that has any, in pixels of the video.
        classes: the class names that class ids point into.
    """
    found = [_positive(labels.get(frame.key, Boxes.empty())) for frame in truth]
    overall = detection_scores(truth, found, classes, threshold=0.0).overall
    rates = (overall.precision, overall.recall, overall.f1)
    return LabelQuality(*(Figure.of(rate) for rate in rates))


def _positive(boxes: Boxes) -> Boxes:
    return boxes if boxes.state is None else boxes[boxes.state == POSITIVE]
