"""How many labels of each class a video has: counted when they are made, and added up later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, TRACKER
from reelabel.labels.merging import Labels
from reelabel.labels.stats import two_classes

Notes = Mapping[str, Any]
"""What `counts_of` returned, also after a round trip through JSON."""
_BY_TRACKING, _FRAMES = "by_tracking", "frames"


@dataclass(frozen=True)
class ClassCount:
    """The labels of one class in a round.

    Attributes:
        name: of the class.
        positive: number of positive labels, those by tracking included.
        by_tracking: positive labels that fill a gap of a track.
        ignored: regions without loss.
        negative: hard negatives.
        empty_frames: sampled frames without a positive label of this class.
        frames: number of sampled frames.
    """

    name: str
    positive: int
    by_tracking: int
    ignored: int
    negative: int
    empty_frames: int
    frames: int

    def __str__(self) -> str:
        by = f" ({self.by_tracking} by tracking)" if self.by_tracking else ""
        hard = f", {self.negative} hard negative" if self.negative else ""
        none = f"{self.empty_frames} of {self.frames} sampled frames without a positive"
        return f"{self.name}: {self.positive} positive{by}, {self.ignored} ignore{hard}, {none}"


def counts_of(labels: Labels, names: Sequence[str], sampled_pts: NDArray[np.int64]) -> Notes:
    """Return the counts of one video's labels as JSON values.

    Args:
        labels: of the video.
        names: of its classes, by class id.
        sampled_pts: ``(n,)`` presentation timestamps of its sampled frames.
    """
    positive = labels.state == POSITIVE
    boxes = labels.boxes.boxes
    of_label = np.array(names, np.str_)[boxes.class_id]
    return {
        "sampled_frames": len(sampled_pts),
        "classes": {
            name: _class_counts(labels, of_label == name, sampled_pts)
            for name in np.unique(of_label).tolist()
        },
        "two_classes": [
            [*pair, count]
            for pair, count in two_classes(
                labels.pts[positive], boxes.xyxy[positive], of_label[positive]
            ).items()
        ],
    }


def _class_counts(
    labels: Labels, own: NDArray[np.bool_], sampled_pts: NDArray[np.int64]
) -> dict[str, int]:
    states = labels.state[own]
    positive = own & (labels.state == POSITIVE)
    return {
        **{state: int((states == state).sum()) for state in (POSITIVE, IGNORE, NEGATIVE)},
        _BY_TRACKING: int((labels.origin[positive] == TRACKER).sum()),
        _FRAMES: int(np.isin(sampled_pts, labels.pts[positive]).sum()),
    }


def class_counts(videos: Iterable[Notes], classes: Sequence[str]) -> list[ClassCount]:
    """Return the sums over videos, class by class; classes without labels included.

    Args:
        videos: what `counts_of` returned for each.
        classes: names, in the order of the result.
    """
    total: dict[str, Counter[str]] = {name: Counter() for name in classes}
    frames = 0
    for notes in videos:
        frames += notes.get("sampled_frames", 0)
        for name, counts in notes.get("classes", {}).items():
            total.setdefault(name, Counter()).update(counts)
    return [
        ClassCount(
            name,
            positive=(found := total[name])[POSITIVE],
            by_tracking=found[_BY_TRACKING],
            ignored=found[IGNORE],
            negative=found[NEGATIVE],
            empty_frames=frames - found[_FRAMES],
            frames=frames,
        )
        for name in classes
    ]


def classes_on_one_object(videos: Iterable[Notes]) -> dict[tuple[str, str], int]:
    """Return how many objects have positive labels of two classes, by the pair of classes.

    Args:
        videos: what `counts_of` returned for each.
    """
    found: Counter[tuple[str, str]] = Counter()
    for notes in videos:
        found.update({(a, b): count for a, b, count in notes.get("two_classes", ())})
    return dict(found.most_common())
