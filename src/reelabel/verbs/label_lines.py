"""What a round's labels and its data set are, in a few lines for the terminal and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reelabel.errors import counted
from reelabel.labels.background import DETECTION, NEAR, NO_EVIDENCE, NOT_PROCESSED, ON_TRACK
from reelabel.labels.class_counts import Notes
from reelabel.tables import LABELS
from reelabel.workspace import Workspace
from reelabel.workspace.results import Scores, SplitReport

_WHY = {
    NOT_PROCESSED: "not processed",
    DETECTION: "with a weak detection",
    ON_TRACK: "inside a track",
    NEAR: "near a label",
    NO_EVIDENCE: "without a detector",
}


def label_notes(workspace: Workspace, number: int) -> list[Notes]:
    """Return the counts of a round's labels, video by video; no table is read."""
    receipts = workspace.receipts(LABELS, number)
    return [receipts[v].notes for v in workspace.readable(LABELS, number) if v in receipts]


def data_sentence(number: int, split: SplitReport) -> str:
    """Return what the data set of a round holds: pictures and boxes, or moments, of each side."""
    sides = {name: side for name, side in split.sides.items() if side.images}
    images = sum(side.images for side in sides.values())
    boxes = sum(side.boxes for side in sides.values())
    of_classes = any(side.classes for side in sides.values())
    of_boxes = f"{counted(images, 'picture')}, {counted(boxes, 'box', 'boxes')}"
    what = counted(images, "moment") if of_classes else of_boxes
    each = ", ".join(f"{name} {side.images}" for name, side in sides.items())
    return f"round {number}: {what}{f' ({each})' if each else ''}"


def pictures_sentence(split: SplitReport) -> str:
    """Return how many pictures of a round are labelled, background and left out, and why."""
    count = split.pictures
    words = f"{counted(count['labelled'], 'labelled picture')}, {count['background']} background"
    if not count["unlabelled"]:
        return words
    why = ", ".join(f"{n} {_WHY[reason]}" for reason, n in sorted(split.unlabelled.items()))
    return f"{words}, {count['unlabelled']} unlabelled and left out ({why})"


def box_figures(folder: Path, stage: str) -> dict[str, Any]:
    """Return what a stage of a round that finds boxes found, as JSON values.

    Args:
        folder: of the round.
        stage: `split` has the pictures by kind and why some are left out, `evaluate` the labels by
            rule and the background pictures on truth; others have nothing.

    Raises:
        ShardError: if the file that holds them is damaged.
    """
    if stage == "split" and (split := SplitReport.load(folder)):
        return {**split.pictures, "unlabelled_because": split.unlabelled}
    if stage == "evaluate" and (scores := Scores.load(folder)):
        values = scores.to_json()
        return {key: values[key] for key in ("rules", "background")}
    return {}
