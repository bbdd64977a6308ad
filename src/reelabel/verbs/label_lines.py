"""What a round's labels are, in a line per class: for the terminal, the report and programs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, TRACKER
from reelabel.labels.background import DETECTION, NEAR, NO_EVIDENCE, NOT_PROCESSED, ON_TRACK
from reelabel.labels.stats import two_classes
from reelabel.tables import FRAMES, LABELS, xyxy_of
from reelabel.workspace import Workspace
from reelabel.workspace.results import SplitReport

_WHY = {
    NOT_PROCESSED: "not processed",
    DETECTION: "with a weak detection",
    ON_TRACK: "inside a track",
    NEAR: "near a label",
    NO_EVIDENCE: "without a detector",
}


@dataclass(frozen=True)
class ClassLine:
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
        empty = f"{self.empty_frames} of {self.frames} sampled frames empty"
        return f"{self.name}: {self.positive} positive{by}, {self.ignored} ignore{hard}, {empty}"


def class_lines(workspace: Workspace, number: int, classes: tuple[str, ...]) -> list[ClassLine]:
    """Return the labels of a round, class by class; classes without labels included.

    Args:
        workspace: the workspace.
        number: the round.
        classes: names, in the order of the lines.
    """
    counts: Counter[tuple[str, str]] = Counter()
    tracked: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    frames = 0
    for video_id in workspace.shards(LABELS, number):
        rows = workspace.read(LABELS, video_id, number)
        sampled = workspace.read(FRAMES, video_id).filter(pc.field("kept"))["pts"].to_numpy()
        frames += len(sampled)
        names, states = (np.array(rows[c].to_pylist(), np.str_) for c in ("category", "state"))
        counts.update(zip(names.tolist(), states.tolist(), strict=True))
        positive = states == POSITIVE
        by_tracking = positive & (np.array(rows["origin"].to_pylist(), np.str_) == TRACKER)
        tracked.update(names[by_tracking].tolist())
        pts = rows["pts"].to_numpy()
        for name in np.unique(names).tolist():
            filled[name] += int(np.isin(sampled, pts[positive & (names == name)]).sum())
    return [
        ClassLine(
            name,
            counts[name, POSITIVE],
            tracked[name],
            counts[name, IGNORE],
            counts[name, NEGATIVE],
            frames - filled[name],
            frames,
        )
        for name in classes
    ]


def pictures_sentence(split: SplitReport) -> str:
    """Return how many pictures of a round are labelled, background and left out, and why."""
    count = split.pictures
    words = f"{count['labelled']} labelled pictures, {count['background']} background"
    if not count["unlabelled"]:
        return words
    why = ", ".join(f"{n} {_WHY[reason]}" for reason, n in sorted(split.unlabelled.items()))
    return f"{words}, {count['unlabelled']} unlabelled and left out ({why})"


def classes_on_one_object(labels: pa.Table) -> dict[tuple[str, str], int]:
    """Return how many objects have positive labels of two classes, by the pair of classes.

    Args:
        labels: the labels of all videos of a round.
    """
    found: Counter[tuple[str, str]] = Counter()
    positive = labels.filter(pc.field("state") == POSITIVE)
    for video_id in pc.unique(positive["video_id"]).to_pylist():
        rows = positive.filter(pc.field("video_id") == video_id)
        names = np.array(rows["category"].to_pylist(), np.str_)
        found.update(two_classes(rows["pts"].to_numpy(), xyxy_of(rows), names))
    return dict(found.most_common())
