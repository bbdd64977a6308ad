"""The labels of a round: its candidates merged with the round before and with imported labels.

Class by class and frame by frame: the new round replaces the old one where it found something, the
old one fills the frames that the new one missed, and what people drew is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import area, clip, visible_parts
from reelabel.data.sequence import covered
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, PREVIOUS
from reelabel.labels.merging import Labels, in_order, merge_labels


class MergeSettings(Settings):
    """What becomes of boxes on which two rounds disagree."""

    policy: Literal["new", "old", "higher_score", "fuse", "ignore"] = "new"
    """Where both rounds found something in a frame: take the new one's boxes, the old one's, the
    higher score of each pair, both fused by score, or ignore where they do not agree."""
    match_iou: float = Field(0.5, gt=0, le=1)
    """From this overlap on two boxes are the same object."""
    max_age: int = Field(2, ge=0)
    """Rounds after which an old box that no round found again becomes a region to ignore."""


_DEFAULTS = MergeSettings()


@dataclass(frozen=True)
class Rounds:
    """What the labels of one video are merged from.

    Attributes:
        number: the new round.
        new: its candidates.
        old: the labels of the round before.
        imported: labels that a person or another program made.
        complete: time stamp of each frame that a person annotated -> the classes that are complete
            in it, None for all.
        names: class names by class id.
        size_wh: width and height of the pictures in pixels.
    """

    number: int
    new: Labels
    old: Labels
    imported: Labels
    complete: Mapping[int, Sequence[str] | None]
    names: Sequence[str]
    size_wh: tuple[int, int]


def merge_rounds(rounds: Rounds, settings: MergeSettings = _DEFAULTS) -> Labels:
    """Return the labels of one video, in the picture, by frame and place."""
    new, old = (_unannotated(_visible(part, rounds), rounds) for part in (rounds.new, rounds.old))
    inside = clip(rounds.imported.boxes.xyxy, rounds.size_wh)
    imported = rounds.imported.changed(xyxy=inside)[area(inside) > 0]
    parts = []
    for class_id in range(len(rounds.names)):
        of_class = (part[part.boxes.class_id == class_id] for part in (old, new, imported))
        parts.append(_ClassMerger(rounds, settings, *of_class).merged())
    return in_order(Labels.concatenated(parts))


def _visible(labels: Labels, rounds: Rounds) -> Labels:
    xyxy, visible = visible_parts(labels.boxes.xyxy, rounds.size_wh)
    return labels.changed(xyxy=xyxy)[visible]


def _unannotated(labels: Labels, rounds: Rounds) -> Labels:
    """Return the labels of frames and classes that no person has annotated completely."""
    if not rounds.complete:
        return labels
    keys = zip(labels.pts.tolist(), labels.boxes.class_id.tolist(), strict=True)
    annotated = [_is_complete(rounds, pts, rounds.names[class_id]) for pts, class_id in keys]
    return labels[~np.array(annotated, bool)]


def _is_complete(rounds: Rounds, pts: int, name: str) -> bool:
    """Return whether a person annotated all objects of a class in a frame."""
    if pts not in rounds.complete:
        return False
    classes = rounds.complete[pts]
    return classes is None or name in classes


@dataclass(frozen=True)
class _ClassMerger:
    """Merges the labels of one class; a frame in which a person drew it is the person's."""

    rounds: Rounds
    settings: MergeSettings
    old: Labels
    new: Labels
    imported: Labels

    def merged(self) -> Labels:
        old = self.old[~np.isin(self.old.pts, self.imported.pts)]
        new = self.new[~np.isin(self.new.pts, self.imported.pts)]
        match_iou = self.settings.match_iou
        found = np.unique(new.pts[new.state == POSITIVE])
        filled = np.isin(old.pts, found, invert=True) & (old.state == POSITIVE)
        # Boxes under new hard negatives are dropped.
        filled &= ~covered(old.boxes, new[new.state == NEGATIVE].boxes, match_iou)
        old = self._aged(old)
        # An ignored new box must not replace an old one, nor lie under the old one that fills in.
        doubtful = new[np.isin(new.pts, found, invert=True)]
        kept = doubtful[~covered(doubtful.boxes, old[filled].boxes, match_iou)]
        both = merge_labels(
            old[np.isin(old.pts, found)],
            new[np.isin(new.pts, found)],
            self.rounds.names,
            policy=self.settings.policy,
            match_iou=match_iou,
        )
        return Labels.concatenated([self.imported, both, kept, _of_rounds_before(old[filled])])

    def _aged(self, old: Labels) -> Labels:
        """Ignore what was not found for too many rounds."""
        age = self.rounds.number - old.round
        return old.changed(state=np.where(age > self.settings.max_age, IGNORE, old.state))


def _of_rounds_before(labels: Labels) -> Labels:
    """Return labels of earlier rounds that fill a frame; what decided them once still stands."""
    reasons = [
        f"of round {number}, not found again; {reason}"
        for number, reason in zip(labels.round, labels.reason, strict=True)
    ]
    origin = np.full(len(labels), PREVIOUS)
    return replace(labels.changed(origin=origin), reason=np.array(reasons, object))
