"""Boxes as the numbers of a text file, and back: one entry for each box.

Files hold decimal numbers, `Boxes` float32. Here is the border: what is read or written lies inside
its picture and has an area after rounding to `reelabel.data.dataset.DIGITS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, cast

import numpy as np

from reelabel.data.boxes import Boxes, Floats
from reelabel.data.dataset import DIGITS, Dataset, ImageEntry, fitted
from reelabel.data.states import POSITIVE, State

Four = tuple[float, float, float, float]
NO_TRACK = -1
"""Track of a box that has none, beside boxes that have one."""


@dataclass(frozen=True)
class Entry:
    """One box of a file.

    Attributes:
        xyxy: left, top, right, bottom in pixels.
        class_id: position of its class in `Dataset.classes`.
        score: 0..1; None if unknown.
        state: positive, ignore or negative.
        origin: one of `reelabel.data.states.Origin`; empty if unknown.
        track_id: number of its track, from 0 up; None if it has none.
        extra: further values.
    """

    xyxy: Four
    class_id: int
    score: float | None = None
    state: State = POSITIVE
    origin: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    track_id: int | None = None

    @classmethod
    def from_xywh(cls, xywh: Four, class_id: int, **rest: Any) -> Self:
        """Return an entry of a box given as left, top, width, height."""
        x, y, w, h = xywh
        return cls((x, y, x + w, y + h), class_id, **rest)

    @property
    def xywh(self) -> Four:
        """Left, top, width, height, rounded to `DIGITS`."""
        x1, y1, x2, y2 = self.xyxy
        return x1, y1, round(x2 - x1, DIGITS), round(y2 - y1, DIGITS)


def to_entries(boxes: Boxes, size_wh: tuple[int, int] = (0, 0)) -> list[Entry]:
    """Return boxes as entries: rounded, clipped to the picture, without those of no area.

    Args:
        boxes: in pixels of the picture.
        size_wh: size of the picture; 0 where it is unknown, then it has no right or bottom edge.
    """
    xyxy, kept = fitted(boxes.xyxy, size_wh)
    scores = scores_of(boxes.score)
    return [_entry(boxes, i, xyxy[i].tolist(), scores[i]) for i in np.flatnonzero(kept).tolist()]


def as_entries(boxes: Boxes) -> list[Entry]:
    """Return boxes as entries, as they stand: `to_boxes` gives them back."""
    scores = [None if math.isnan(each) else each for each in boxes.score.tolist()]
    corners = boxes.xyxy.tolist()
    return [_entry(boxes, i, corners[i], scores[i]) for i in range(len(boxes))]


def _entry(boxes: Boxes, i: int, xyxy: list[float], score: float | None) -> Entry:
    left, top, right, bottom = xyxy
    return Entry(
        (left, top, right, bottom),
        int(boxes.class_id[i]),
        score,
        POSITIVE if boxes.state is None else cast("State", str(boxes.state[i])),
        "" if boxes.origin is None else str(boxes.origin[i]),
        {} if boxes.extra is None else boxes.extra[i],
        None if boxes.track_id is None or boxes.track_id[i] < 0 else int(boxes.track_id[i]),
    )


def scores_of(score: Floats) -> list[float | None]:
    """Return scores ``(n,)`` as a file holds them, None where there is none."""
    # The shortest text that means this number, so that 0.4 is not written as 0.4000000059604645.
    found = score.astype(np.str_).astype(np.float64).tolist()
    return [None if math.isnan(each) else each for each in found]


def to_boxes(entries: Sequence[Entry]) -> Boxes:
    """Return entries as boxes, as they stand."""
    has_state = any(entry.state != POSITIVE for entry in entries)
    has_origin = any(entry.origin for entry in entries)
    has_extra = any(entry.extra for entry in entries)
    tracks = [NO_TRACK if entry.track_id is None else entry.track_id for entry in entries]
    return Boxes(
        np.array([entry.xyxy for entry in entries], np.float32).reshape(-1, 4),
        np.array([math.nan if e.score is None else e.score for e in entries], np.float32),
        np.array([entry.class_id for entry in entries], np.int64),
        track_id=np.array(tracks, np.int64) if max(tracks, default=NO_TRACK) >= 0 else None,
        state=np.array([entry.state for entry in entries], np.str_) if has_state else None,
        origin=np.array([entry.origin for entry in entries], np.str_) if has_origin else None,
        extra=np.array([entry.extra for entry in entries], np.object_) if has_extra else None,
    )


def dataset_of(
    classes: Sequence[str], images: Sequence[ImageEntry], entries: Iterable[Sequence[Entry]]
) -> Dataset:
    """Return what a reader found as a data set, boxes clipped to their pictures.

    Args:
        classes: class names.
        images: the pictures.
        entries: the boxes of each picture.
    """
    boxes = tuple(map(to_boxes, entries))
    return Dataset(tuple(classes), tuple(images), boxes).clipped()
