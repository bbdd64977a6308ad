"""Flicker: a confident box that no other box supports, although its place could be compared.

The idea is that of arXiv 1808.04285 (`reelabel.temporal.published` is its rule to the letter). What
differs: weak boxes support too (hysteresis); a box supports only if its own track is not expected
elsewhere in that frame; one overlap by chance is not enough; frames without boxes are compared as
well; the neighbourhood follows the camera and the box's track and does not cross cuts; and a place
that cannot be found again is neither support nor evidence. A box about which nothing can be
concluded stays `UNSUPPORTED`: it is ignored, not a hard negative. So is one that is overlapped by
boxes of tracks that are expected elsewhere: where an object turns abruptly, as a kicked ball does,
its track may have been linked wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Floats, Ints
from reelabel.data.states import FLICKER, UNSUPPORTED
from reelabel.temporal.expect import Courses
from reelabel.temporal.pictures import (
    GreyPatch,
    Window,
    box_window,
    find,
)
from reelabel.temporal.video import TrackedVideo


class FlickerSettings(Settings):
    """When a confident box is a flicker: a hard negative."""

    enabled: bool = False
    """Find confident boxes that nothing supports before or after: hard negatives."""
    score: float = Field(0.8, ge=0, le=1)
    """Only boxes with at least this score are tested."""
    support_score: float = Field(0.1, ge=0, le=1)
    """Boxes from this lower score on support them."""
    alpha: int = Field(5, ge=1)
    """How many processed frames before and after are compared."""
    beta: float = Field(0.5, ge=0)
    """By how many box sides the search window is larger than the box, on each side."""
    min_similarity: float = Field(0.5, ge=-1, le=1)
    """Correlation from which a place counts as found again."""
    support_iou: float = Field(0.3, ge=0, lt=1)
    """Overlap above which a box supports, at the same place or where the place was found again."""
    min_support: int = Field(2, ge=1)
    """In so many neighbouring frames a box must support; one is enough where there are fewer than
    twice as many neighbours."""
    min_compared: int = Field(5, ge=1)
    """In so many neighbouring frames the place must be found again; in all of them where there are
    fewer, but never in less than two."""
    min_side_px: float = Field(6.0, ge=0)
    """Boxes with a shorter side are not compared, in pixels."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        """Refuse a supporting threshold above the candidates'."""
        if self.support_score > self.score:
            raise ValueError(
                f"support_score must not be above score, but got {self.support_score} > "
                f"{self.score}"
            )
        return self

    def supported(self, overlap: Iterable[float]) -> bool:
        """Return whether these overlaps, one per neighbouring frame, support a box."""
        overlap = list(overlap)
        needed = self.min_support if len(overlap) >= 2 * self.min_support else 1
        return sum(value > self.support_iou for value in overlap) >= needed


_DEFAULTS = FlickerSettings()


@dataclass(frozen=True)
class Flicker:
    """The evidence about one confident box that no other box supports.

    Attributes:
        row: the detection.
        kind: `FLICKER`, or `UNSUPPORTED` if too few neighbouring frames could be compared.
        score: the detection's score.
        frames: the neighbouring frames in which the place was searched.
        similarity: for each of them the correlation, NaN where it could not be computed.
        overlap: for each the largest overlap with a box, there or where it was found, 0..1.
        found_again: in how many of them the place was found again.
    """

    row: int
    kind: str
    score: float
    frames: tuple[int, ...]
    similarity: tuple[float, ...]
    overlap: tuple[float, ...]
    found_again: int


@dataclass(frozen=True)
class FlickerQuery:
    """Asks for a candidate that no box supports at its own place whether one does elsewhere.

    Attributes:
        row, frame, xyxy, score: the candidate detection.
        near: neighbouring frame -> ``(m, 4)`` boxes whose tracks could be at the candidate's place.
        overlap: neighbouring frame -> largest overlap of those with the candidate, 0..1.
        doubtful: whether boxes of tracks that are expected elsewhere overlap it.
        windows: frame -> window to crop.
    """

    shrink: ClassVar[int] = 1
    row: int
    frame: int
    xyxy: Floats
    score: float
    settings: FlickerSettings
    near: Mapping[int, Floats]
    overlap: Mapping[int, float]
    doubtful: bool
    windows: Mapping[int, Window] = field(default_factory=dict)

    def evaluate(self, patches: Mapping[int, GreyPatch]) -> Flicker | None:
        """Return the evidence, or None if a box was found to support the candidate."""
        window = box_window(self.xyxy)
        template = patches[self.frame].part(window) if self.frame in patches else None
        frames = [t for t in sorted(self.near) if t in patches]
        similarity: list[float] = []
        overlap: list[float] = []
        for t in frames:
            match = find(template, patches[t]) if template is not None else None
            similarity.append(match.similarity if match else float("nan"))
            overlap.append(self.overlap[t])
            if match and match.similarity >= self.settings.min_similarity and len(self.near[t]):
                corner = np.array([match.left, match.top]) - np.maximum(window[:2], 0)
                there = self.xyxy + np.tile(corner, 2)
                overlap[-1] = max(overlap[-1], float(paired_iou(there, self.near[t]).max()))
        if self.settings.supported(overlap):
            return None
        again = sum(value >= self.settings.min_similarity for value in similarity)
        kind = FLICKER if again >= self._needed() and not self.doubtful else UNSUPPORTED
        found = (tuple(frames), tuple(similarity), tuple(overlap))
        return Flicker(self.row, kind, self.score, *found, again)

    def _needed(self) -> int:
        small = (self.xyxy[2:] - self.xyxy[:2]).min() < self.settings.min_side_px
        return (
            len(self.near) + 1 if small else max(2, min(self.settings.min_compared, len(self.near)))
        )


def flicker_queries(
    video: TrackedVideo, settings: FlickerSettings = _DEFAULTS
) -> list[FlickerQuery]:
    """Find the boxes that nothing supports at their own place, and where to search for each.

    Args:
        video: every detection, weak ones included: they are what supports. A box whose track
            continues within `alpha` frames is supported; support does not cross cuts.
        settings: thresholds.

    Returns:
        One query per candidate for `reelabel.temporal.pictures.evaluate_queries`, by row.
    """
    neighbours = _Neighbours(video, settings)
    queries = []
    for row in np.flatnonzero(video.boxes.score >= settings.score).tolist():
        if not neighbours.on_its_track(row):
            query = neighbours.query(row)
            queries += [] if settings.supported(query.overlap.values()) else [query]
    return queries


class _Neighbours:
    """Finds the boxes near one box in time."""

    def __init__(self, video: TrackedVideo, settings: FlickerSettings) -> None:
        self.boxes, self.xyxy, self.shot = video.boxes, video.xyxy, video.shot
        self.track_id, self.settings = video.tracks.track_id, settings
        self.courses = Courses.of(video, settings.support_score)
        usable = np.flatnonzero(self.boxes.score >= settings.support_score)
        self.rows = usable[np.argsort(self.boxes.frame[usable], kind="stable")]
        self.bounds = np.searchsorted(self.boxes.frame[self.rows], np.arange(len(self.shot) + 1))

    def on_its_track(self, row: int) -> bool:
        """Return whether the box lies where its own track is expected."""
        track, t = int(self.track_id[row]), int(self.boxes.frame[row])
        if self.courses.near(track, t, self.settings.alpha) < self.settings.min_support:
            return False
        return self._fits(track, row)

    def _fits(self, track: int, row: int) -> bool:
        expected = self.courses.at(track, int(self.boxes.frame[row]))
        if expected is None:
            return False
        return bool(paired_iou(expected, self.xyxy[row]) > self.settings.support_iou)

    def query(self, row: int) -> FlickerQuery:
        """Return the overlaps around a box, and where to search for it."""
        t, xyxy, settings = int(self.boxes.frame[row]), self.xyxy[row], self.settings
        dilate = settings.beta * float((xyxy[2:] - xyxy[:2]).max())
        first, end = max(0, t - settings.alpha), min(len(self.shot), t + settings.alpha + 1)
        near, overlap, windows = {}, {}, {t: box_window(xyxy)}
        passing: list[float] = []
        elsewhere: dict[int, bool] = {}
        for j in range(first, end):
            if j == t or self.shot[j] != self.shot[t]:
                continue
            moved = xyxy + np.tile(self.courses.path[j] - self.courses.path[t], 2)
            near[j] = self._free(row, j, elsewhere)
            overlap[j] = float(paired_iou(moved, near[j]).max(initial=0.0))
            passing.append(float(paired_iou(moved, self.xyxy[self._at(j)]).max(initial=0.0)))
            windows[j] = box_window(moved, dilate)
        score = float(self.boxes.score[row])
        doubtful = settings.supported(passing)
        return FlickerQuery(row, t, xyxy, score, settings, near, overlap, doubtful, windows)

    def _at(self, frame: int) -> Ints:
        """Return the usable boxes of a frame."""
        return self.rows[self.bounds[frame] : self.bounds[frame + 1]]

    def _free(self, row: int, frame: int, elsewhere: dict[int, bool]) -> Floats:
        """Return the boxes of its class whose tracks could be at the candidate's place."""
        rows = self._at(frame)
        rows = rows[self.boxes.class_id[rows] == self.boxes.class_id[row]]
        t = int(self.boxes.frame[row])
        for track in self.track_id[rows].tolist():
            if track not in elsewhere:
                spans = self.courses.spans(track, t)
                elsewhere[track] = spans and not self._fits(track, row)
        free = [r for r in rows.tolist() if not elsewhere[int(self.track_id[r])]]
        result: Floats = self.xyxy[free]
        return result
