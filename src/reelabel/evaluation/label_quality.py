"""How good labels and background pictures are, against ground truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from reelabel.data.boxes import Boxes, iou
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.evaluation.figures import Figure
from reelabel.evaluation.frames import FrameKey, KnownFrame
from reelabel.evaluation.scores import detection_scores

_SAME_IOU = 0.5


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


@dataclass(frozen=True)
class BackgroundQuality:
    """How many pictures that are trained on as background show an object, on ground truth.

    Attributes:
        pictures: background pictures of annotated frames.
        showing: those that show an object.
        uncovered: those of which an object is trained on as background: no region without loss
            overlaps it by an IoU of 0.5.
    """

    pictures: int
    showing: int
    uncovered: int

    def __str__(self) -> str:
        """Return the counts as a sentence."""
        outside = f", {self.uncovered} of them outside ignored regions" if self.showing else ""
        return (
            f"{self.showing} of {self.pictures} background pictures with truth show an "
            f"object{outside}"
        )


def background_quality(
    truth: Sequence[KnownFrame],
    labels: Mapping[FrameKey, Boxes],
    background: Collection[FrameKey],
    n_classes: int,
) -> BackgroundQuality:
    """Return how many background pictures show an object.

    Args:
        truth: annotated frames; one that is annotated for some classes alone and shows none of
            them is left out.
        labels: those of each frame that has any, in pixels of the video.
        background: the frames that are trained on as background.
        n_classes: how many classes there are.
    """
    places = set(background)
    shown = [_shown(frame, n_classes) for frame in truth if frame.key in places]
    keys = [frame.key for frame in truth if frame.key in places]
    known = [(key, boxes) for key, boxes in zip(keys, shown, strict=True) if boxes is not None]
    showing = [(key, boxes) for key, boxes in known if len(boxes)]
    uncovered = sum(_uncovered(boxes, labels.get(key, Boxes.empty())) for key, boxes in showing)
    return BackgroundQuality(len(known), len(showing), uncovered)


def _shown(frame: KnownFrame, n_classes: int) -> Boxes | None:
    """Return the true objects of a frame, None if it is not known whether it shows one."""
    state = frame.boxes.state
    objects = frame.boxes if state is None else frame.boxes[state != IGNORE]
    all_known = frame.complete is None or len(frame.complete) >= n_classes
    return objects if all_known or len(objects) else None


def _uncovered(objects: Boxes, labels: Boxes) -> bool:
    """Return whether no region without loss covers one of the objects."""
    ignored = labels[:0] if labels.state is None else labels[labels.state == IGNORE]
    overlap = iou(objects.xyxy, ignored.xyxy).max(axis=1, initial=0.0)
    return bool((overlap < _SAME_IOU).any())


def _positive(boxes: Boxes) -> Boxes:
    return boxes if boxes.state is None else boxes[boxes.state == POSITIVE]
