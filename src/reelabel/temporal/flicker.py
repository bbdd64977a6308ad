"""Flicker: a confident box that nothing supports, although its place could be compared.

The idea is that of arXiv 1808.04285 (`reelabel.temporal.published` is its rule to the letter). What
differs: weak boxes support too (hysteresis); a box supports only if its own track is not somewhere
else at that moment; one overlap by chance is not enough; frames without boxes are looked at as
well; the neighbourhood follows the camera and the box's track and does not cross cuts; and a place
that cannot be found again is no support but says nothing. A box about which nothing can be said
stays `UNSUPPORTED`, which is a doubt and no verdict. So does one that is overlapped by boxes of
tracks that are elsewhere: where an object turns at once, as a kicked ball does, its track may have
been led astray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence, Floats, Ints, drift, shots
from reelabel.temporal.expect import Courses
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import Grey, Patch, Window, box_window, find, sweep

FLICKER = "flicker"
UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class FlickerSettings:
    """When a box is a flicker.

    Attributes:
        score: only boxes with at least this score are asked about.
        support_score: boxes from this lower score on support them.
        alpha: how many frames before and after are looked at.
        beta: by how much the searched place is larger than the box, on each side, in box sides.
        min_similarity: correlation from which a place counts as found again, -1..1.
        support_iou: overlap above which a box supports, at the same place or where it was found.
        min_support: in so many neighbours a box must support; one is enough where there are fewer
            than twice as many neighbours.
        min_compared: in so many neighbours the place must have been found again; in all of them
            where there are fewer, but never in less than two.
        min_side_px: smaller boxes are not compared.

    Raises:
        ValueError: if the supporting threshold is above the candidates', or alpha is not positive.
    """

    score: float = 0.8
    support_score: float = 0.1
    alpha: int = 5
    beta: float = 0.5
    min_similarity: float = 0.5
    support_iou: float = 0.3
    min_support: int = 2
    min_compared: int = 5
    min_side_px: float = 6.0

    def __post_init__(self) -> None:
        if self.support_score > self.score:
            raise ValueError(
                f"support_score must not be above score, got {self.support_score} > {self.score}"
            )
        counts = (self.alpha, self.min_compared, self.min_support)
        if min(counts) < 1:
            raise ValueError(f"alpha, min_compared and min_support must be >= 1, got {counts}")

    def supported(self, overlap: Iterable[float]) -> bool:
        """Return whether these overlaps, one per neighbour, support a box."""
        overlap = list(overlap)
        needed = self.min_support if len(overlap) >= 2 * self.min_support else 1
        return sum(value > self.support_iou for value in overlap) >= needed


@dataclass(frozen=True)
class Flicker:
    """What time says about one confident box that no other box supports.

    Attributes:
        row: the detection.
        kind: `FLICKER`, or `UNSUPPORTED` if too few neighbours could be compared.
        score: the detection's score.
        frames: the neighbours in which the place was searched.
        similarity: for each of them the correlation, NaN where it could not be computed.
        overlap: for each the largest overlap with a box, there or where it was found, 0..1.
    """

    row: int
    kind: str
    score: float
    frames: tuple[int, ...]
    similarity: tuple[float, ...]
    overlap: tuple[float, ...]


@dataclass(frozen=True)
class FlickerLook:
    """A candidate that no box supports where it lies; pictures say whether one does elsewhere.

    It is doubtful if boxes overlap it that are of tracks which are elsewhere at that moment.
    """

    row: int
    frame: int
    xyxy: Floats
    score: float
    settings: FlickerSettings
    near: Mapping[int, Floats]
    overlap: Mapping[int, float]
    doubtful: bool
    windows: Mapping[int, Window] = field(default_factory=dict)

    def judge(self, patches: Mapping[int, Patch]) -> Flicker | None:
        """Return the evidence, or None if a box was found to support the candidate."""
        window = box_window(self.xyxy)
        template = patches[self.frame].part(window) if self.frame in patches else None
        frames = [t for t in sorted(self.near) if t in patches]
        similarity: list[float] = []
        overlap: list[float] = []
        for t in frames:
            hit = find(template, patches[t]) if template is not None else None
            similarity.append(hit.similarity if hit else float("nan"))
            overlap.append(self.overlap[t])
            if hit and hit.similarity >= self.settings.min_similarity and len(self.near[t]):
                corner = np.array([hit.left, hit.top]) - np.maximum(window[:2], 0)
                there = self.xyxy + np.tile(corner, 2)
                overlap[-1] = max(overlap[-1], float(paired_iou(there, self.near[t]).max()))
        if self.settings.supported(overlap):
            return None
        compared = sum(value >= self.settings.min_similarity for value in similarity)
        certain = compared >= self._needed() and not self.doubtful
        kind = FLICKER if certain else UNSUPPORTED
        return Flicker(self.row, kind, self.score, tuple(frames), tuple(similarity), tuple(overlap))

    def _needed(self) -> int:
        small = (self.xyxy[2:] - self.xyxy[:2]).min() < self.settings.min_side_px
        return (
            len(self.near) + 1 if small else max(2, min(self.settings.min_compared, len(self.near)))
        )


def flickers(
    pictures: Iterable[Callable[[], Grey] | Grey], looks: Sequence[FlickerLook]
) -> list[Flicker]:
    """Look at the pictures of a video, in order from frame 0, and return the evidence by row."""
    return sorted((e for e in sweep(pictures, looks) if e is not None), key=lambda e: e.row)


def flicker_looks(
    boxes: BoxSequence,
    tracks: Tracks,
    frames: int,
    *,
    shot_starts: Sequence[int] = (),
    shift_xy: Floats | None = None,
    settings: FlickerSettings = FlickerSettings(),
) -> list[FlickerLook]:
    """Find the boxes that nothing supports where they lie, and say where to look for each.

    Args:
        boxes: every detection, weak ones included: they are what supports.
        tracks: their tracks; a box whose track goes on within `alpha` frames is supported.
        frames: how many frames the video has.
        shot_starts: first frames of new shots; support does not cross them.
        shift_xy: ``(frames, 2)`` camera motion since the frame before, or None.
        settings: thresholds.

    Returns:
        One look per candidate for `reelabel.temporal.pictures.sweep`, in order of rows.

    Raises:
        ValueError: if `tracks` or `shift_xy` do not fit the boxes, or a box lies behind the end.
    """
    _check(boxes, tracks, frames)
    courses = Courses.of(boxes, tracks, drift(shift_xy, frames), settings.support_score)
    neighbours = _Neighbours(
        boxes, tracks, shots(np.arange(frames), shot_starts), (courses, settings)
    )
    looks = []
    for row in np.flatnonzero(boxes.score >= settings.score).tolist():
        if not neighbours.carried(row):
            look = neighbours.look(row)
            looks += [] if settings.supported(look.overlap.values()) else [look]
    return looks


def _check(boxes: BoxSequence, tracks: Tracks, frames: int) -> None:
    if len(tracks.track_id) != len(boxes):
        raise ValueError(f"expected tracks of {len(boxes)} boxes, got {len(tracks.track_id)}")
    if len(boxes) and boxes.frame.max() >= frames:
        raise ValueError(
            f"expected boxes within {frames} frames, but one lies in frame {boxes.frame.max()}"
        )


class _Neighbours:
    """Answers what stands near one box in time."""

    def __init__(
        self,
        boxes: BoxSequence,
        tracks: Tracks,
        shot: Ints,
        rest: tuple[Courses, FlickerSettings],
    ) -> None:
        self.boxes, self.track_id, self.shot = boxes, tracks.track_id, shot
        self.courses, settings = rest
        self.settings = settings
        usable = np.flatnonzero(boxes.score >= settings.support_score)
        self.rows = usable[np.argsort(boxes.frame[usable], kind="stable")]
        self.bounds = np.searchsorted(boxes.frame[self.rows], np.arange(len(shot) + 1))

    def carried(self, row: int) -> bool:
        """Return whether the box lies where its own track is expected."""
        track, t = int(self.track_id[row]), int(self.boxes.frame[row])
        if self.courses.near(track, t, self.settings.alpha) < self.settings.min_support:
            return False
        return self._fits(track, row)

    def _fits(self, track: int, row: int) -> bool:
        expected = self.courses.at(track, int(self.boxes.frame[row]))
        if expected is None:
            return False
        return bool(paired_iou(expected, self.boxes.xyxy[row]) > self.settings.support_iou)

    def look(self, row: int) -> FlickerLook:
        """Return the overlaps around a box, and where to look for it."""
        t, xyxy, settings = int(self.boxes.frame[row]), self.boxes.xyxy[row], self.settings
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
            passing.append(float(paired_iou(moved, self.boxes.xyxy[self._at(j)]).max(initial=0.0)))
            windows[j] = box_window(moved, dilate)
        score = float(self.boxes.score[row])
        doubtful = settings.supported(passing)
        return FlickerLook(row, t, xyxy, score, settings, near, overlap, doubtful, windows)

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
        result: Floats = self.boxes.xyxy[free]
        return result
