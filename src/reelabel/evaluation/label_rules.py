"""What the labels of each rule are worth on ground truth, and what a round gained and lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Boxes, Ints, area, intersection, iou
from reelabel.data.sequence import BoxSequence, covered
from reelabel.data.states import IGNORE
from reelabel.evaluation.frames import KnownFrame

RIGHT: Final = 1
WRONG: Final = 0
UNKNOWN: Final = -1
"""What truth implies about a label: a true box of its own, none, or nothing."""
_SAME_IOU = 0.5


@dataclass(frozen=True)
class RuledLabels:
    """Positive labels of one video.

    Attributes:
        boxes: ``(n,)`` labels with time stamps as frames.
        rule: ``(n,)`` strings, the rule that made each.
    """

    boxes: BoxSequence
    rule: NDArray[np.object_]


@dataclass(frozen=True)
class VideoLabels:
    """The positive labels of one video, and its annotated frames.

    Attributes:
        now: of this round.
        before: of the round before, None in the first.
        truth: its annotated frames.
    """

    now: RuledLabels
    before: RuledLabels | None
    truth: Sequence[KnownFrame]


@dataclass(frozen=True)
class LabelCount:
    """How many labels there are, and how many in annotated frames are right and wrong.

    Attributes:
        count: in all frames.
        right: those with a true box of their own, at IoU 0.5.
        wrong: the others in annotated frames.
    """

    count: int = 0
    right: int = 0
    wrong: int = 0


@dataclass(frozen=True)
class RuleQuality:
    """The positive labels that a rule made.

    Attributes:
        rule: its name.
        labels: of this round.
        gained: those that overlap no label of the round before; None in the first round.
        lost: labels of the round before that overlap none of this one; None in the first round.
    """

    rule: str
    labels: LabelCount
    gained: LabelCount | None = None
    lost: LabelCount | None = None


def rule_quality(videos: Iterable[VideoLabels]) -> tuple[RuleQuality, ...]:
    """Return the labels of each rule, over all videos; the rule with the most labels first.

    Two labels overlap if they are of one frame and class and have an IoU of 0.5.
    """
    sums: Counter[tuple[str, str, str]] = Counter()
    later = False
    for video in videos:
        later |= video.before is not None
        sums.update(_counted(video))
    rules = {rule for _, rule, _ in sums}
    found = [
        RuleQuality(
            rule,
            _count(sums, "labels", rule),
            _count(sums, "gained", rule) if later else None,
            _count(sums, "lost", rule) if later else None,
        )
        for rule in sorted(rules)
    ]
    return tuple(sorted(found, key=lambda one: -one.labels.count))


def _count(sums: Mapping[tuple[str, str, str], int], part: str, rule: str) -> LabelCount:
    return LabelCount(*(sums.get((part, rule, what), 0) for what in ("count", "right", "wrong")))


def _counted(video: VideoLabels) -> Iterator[tuple[str, str, str]]:
    """Yield part, rule and "count", and "right" or "wrong", for each label of each part."""
    yield from _outcomes("labels", video.now, video.truth, np.ones(len(video.now.boxes), bool))
    if video.before is not None:
        gained = ~_again(video.now.boxes, video.before.boxes)
        lost = ~_again(video.before.boxes, video.now.boxes)
        yield from _outcomes("gained", video.now, video.truth, gained)
        yield from _outcomes("lost", video.before, video.truth, lost)


def _outcomes(
    part: str, labels: RuledLabels, truth: Sequence[KnownFrame], which: Bools
) -> Iterator[tuple[str, str, str]]:
    judged = judged_labels(labels.boxes, truth)
    for rule, outcome in zip(labels.rule[which].tolist(), judged[which].tolist(), strict=True):
        yield part, rule, "count"
        if outcome != UNKNOWN:
            yield part, rule, "right" if outcome == RIGHT else "wrong"


def _again(boxes: BoxSequence, others: BoxSequence) -> Bools:
    """Return which boxes overlap one of the others of their frame and class: ``(n,)``."""
    found = np.zeros(len(boxes), bool)
    for class_id in np.intersect1d(boxes.class_id, others.class_id):
        own = boxes.class_id == class_id
        found[own] = covered(boxes[own], others[others.class_id == class_id], _SAME_IOU)
    return found


def judged_labels(labels: BoxSequence, truth: Sequence[KnownFrame]) -> Ints:
    """Return what truth implies about each label: ``(n,)`` `RIGHT`, `WRONG` or `UNKNOWN`.

    Labels of a frame take true boxes of their class one to one at IoU 0.5, the higher score first.
    Unknown are labels of frames and classes that are not annotated, and those without a true box
    that lie by half in an ignored region.

    Args:
        labels: ``(n,)`` positive labels of one video, with time stamps as frames.
        truth: its annotated frames.
    """
    result = np.full(len(labels), UNKNOWN, np.int64)
    order = np.lexsort((-labels.score, labels.frame))
    frame = labels.frame[order]
    for known in truth:
        rows = order[slice(*np.searchsorted(frame, [known.pts, known.pts + 1]))]
        for class_id in np.unique(labels.class_id[rows]):
            if known.complete is None or class_id in known.complete:
                own = rows[labels.class_id[rows] == class_id]
                result[own] = _judged(labels.boxes[own], _of_class(known.boxes, int(class_id)))
    return result


def _of_class(boxes: Boxes, class_id: int) -> Boxes:
    return boxes[boxes.class_id == class_id]


def _judged(labels: Boxes, truth: Boxes) -> Ints:
    """Return the same for labels of one frame and class, the highest score first."""
    crowd = np.zeros(len(truth), bool) if truth.state is None else truth.state == IGNORE
    overlap = iou(labels.xyxy, truth.xyxy[~crowd])
    result = np.full(len(labels), WRONG, np.int64)
    for row in range(len(labels)):
        best = int(overlap[row].argmax()) if overlap.shape[1] else -1
        if best >= 0 and overlap[row, best] >= _SAME_IOU:
            result[row] = RIGHT
            overlap[:, best] = 0.0
        elif _in_region(labels[row : row + 1], truth[crowd]):
            result[row] = UNKNOWN
    return result


def _in_region(label: Boxes, regions: Boxes) -> bool:
    """Return whether at least half of a label lies in one region."""
    inside = intersection(label.xyxy, regions.xyxy)[0] / np.maximum(area(label.xyxy), 1e-9)
    return bool((inside >= _SAME_IOU).any())
