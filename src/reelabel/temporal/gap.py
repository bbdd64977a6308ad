"""Gaps: boxes that the detector missed, or gave a low score, inside a track: hard positives.

Where a track continues with weak boxes, confident boxes before and after confirm them: no picture
is needed. Where it has no box, the last box before the gap is searched forward and the first one
after it backward, if both are confident or confirmed, by normalised cross-correlation near the
straight line between them. Where both searches lead to the same place and the pictures are similar,
the object is there. Where it is occluded the pictures are not similar, and no box is added. Nor is
one added at a static repeat (`reelabel.temporal.static`): the same background causes the same error.
Optical flow fills what this search leaves open (`reelabel.temporal.flow`).
"""  # noqa: E501 -- a module name at the end of a line

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Bools, Floats, Ints, centres
from reelabel.temporal.pictures import (
    GreyPatch,
    Match,
    Window,
    box_window,
    find,
)
from reelabel.temporal.static import StaticRepeat
from reelabel.temporal.video import TrackedVideo


class GapSettings(Settings):
    """When a gap of a track is filled: a hard positive."""

    enabled: bool = True
    """Find the boxes that the detector missed or gave a low score inside a track: hard positives.
    At static repeats no gap is filled."""
    max_frames: int = Field(15, ge=1)
    """Longer gaps are left open, in processed frames; confident boxes confirm a weak one at most
    so far away."""
    min_length: int = Field(3, ge=2)
    """Tracks with fewer boxes (to confirm weak ones: with fewer confident boxes) are left alone."""
    confident_score: float = Field(0.5, ge=0, le=1)
    """Boxes from this score on are confident; weaker ones between them are confirmed by them."""
    beta: float = Field(0.4, ge=0)
    """By how many box sides the search window is larger than the box, on each side."""
    min_similarity: float = Field(0.6, ge=-1, le=1)
    """Correlation that the searches from both sides must reach."""
    agreement_iou: float = Field(0.5, ge=0, lt=1)
    """Overlap of the two places that were found, above which they agree."""
    taken_iou: float = Field(0.5, ge=0, lt=1)
    """No box is added where a box that is confident or of a started track overlaps by more."""
    flow: bool = True
    """Fill gaps by optical flow too, between boxes of one track or of two that may be one."""
    flow_similarity: float = Field(0.4, ge=-1, le=1)
    """Correlation with both ends that a place must have to which optical flow leads."""


_DEFAULTS = GapSettings()


@dataclass(frozen=True)
class GapBox:
    """A box found inside a gap, and what it rests on.

    Attributes:
        track_id: the track that has the gap.
        frame: the frame without a detection.
        xyxy: ``(4,)`` the found box in pixels.
        score: the least of both correlations and of the scores of the boxes around the gap.
        rows: the detections before and after the gap.
        similarity: correlation of the forward and of the backward search.
        agreement: overlap of what both found, 0..1.
    """

    track_id: int
    frame: int
    xyxy: Floats
    score: float
    rows: tuple[int, int]
    similarity: tuple[float, float]
    agreement: float


@dataclass(frozen=True)
class ConfirmedBox:
    """A weak detection between confident ones of its track.

    Attributes:
        row: the detection.
        rows: the confident detections before and after it.
        agreement: overlap of the places to which optical flow leads from them, 0..1; None if their
            track confirms it.
    """

    row: int
    rows: tuple[int, int]
    agreement: float | None = None


def confirmed_boxes(video: TrackedVideo, settings: GapSettings = _DEFAULTS) -> list[ConfirmedBox]:
    """Return the weak boxes between confident ones of their track, by row."""
    boxes, tracks = video.boxes, video.tracks
    order = np.lexsort((boxes.frame, tracks.track_id))
    frame, track = boxes.frame[order], tracks.track_id[order]
    confident = boxes.score[order] >= settings.confident_score
    enough = np.bincount(track[confident], minlength=len(tracks.started)) >= settings.min_length
    at = np.arange(len(order))
    before = np.maximum.accumulate(np.where(confident, at, -1))
    after = np.minimum.accumulate(np.where(confident, at, len(order))[::-1])[::-1]
    weak = np.flatnonzero(~confident & enough[track] & (before >= 0) & (after < len(order)))
    a, b = before[weak], after[weak]
    near = (frame[weak] - frame[a] <= settings.max_frames) & (
        frame[b] - frame[weak] <= settings.max_frames
    )
    near &= (track[a] == track[weak]) & (track[b] == track[weak])
    if not near.any():
        return []
    found = zip(order[weak[near]], order[a[near]], order[b[near]], strict=True)
    rivals = BoxesByFrame.of(video, boxes.score >= settings.confident_score)
    confirmed = [ConfirmedBox(int(i), (int(j), int(k))) for i, j, k in found]
    free = [c for c in confirmed if not rivals.overlap(video, c.row) > settings.taken_iou]
    return sorted(free, key=lambda c: c.row)


def trusted_boxes(video: TrackedVideo, settings: GapSettings = _DEFAULTS) -> Bools:
    """Return which boxes are confident, or weak and confirmed: ``(n,)``."""
    trusted: Bools = video.boxes.score >= settings.confident_score
    trusted[[box.row for box in confirmed_boxes(video, settings)]] = True
    return trusted


Filled = TypeVar("Filled", bound=GapBox | ConfirmedBox)


def without_repeats(found: Iterable[Filled], repeats: Iterable[StaticRepeat]) -> list[Filled]:
    """Leave out the boxes that rest on detections of static repeats."""
    repeated = {row for repeat in repeats for row in repeat.rows}
    return [box for box in found if repeated.isdisjoint(box.rows)]


@dataclass(frozen=True)
class GapQuery:
    """One gap: its two ends, and where to search in each frame between them.

    Attributes:
        track_id: the track that has the gap.
        rows, frames, ends: detection, frame and ``(4,)`` box before and after the gap.
        score: the lower score of both.
        share: for each frame between, how much of the gap's time has gone by, 0..1.
        lines: for each, the box interpolated linearly between the ends, ``(4,)`` pixels.
        taken: for each, ``(m, 4)`` boxes that already cover an object.
        windows: frame -> window to crop.
    """

    shrink: ClassVar[int] = 1
    track_id: int
    rows: tuple[int, int]
    frames: tuple[int, int]
    ends: tuple[Floats, Floats]
    score: float
    share: Mapping[int, float]
    lines: Mapping[int, Floats]
    taken: Mapping[int, Floats]
    windows: Mapping[int, Window]
    settings: GapSettings

    def evaluate(self, patches: Mapping[int, GreyPatch]) -> list[GapBox]:
        """Return the boxes on which both searches agree."""
        if any(frame not in patches for frame in self.frames):
            return []
        templates = tuple(
            patches[frame].part(box_window(box))
            for frame, box in zip(self.frames, self.ends, strict=True)
        )
        found = (self._between(t, patches[t], templates) for t in self.lines if t in patches)
        return [box for box in found if box is not None]

    def _between(self, t: int, where: GreyPatch, templates: tuple[GreyPatch, ...]) -> GapBox | None:
        forward, backward = (find(template, where) for template in templates)
        if forward is None or backward is None:
            return None
        similarity = (forward.similarity, backward.similarity)
        a, b = _placed(self.ends[0], forward), _placed(self.ends[1], backward)
        agreement = float(paired_iou(a, b))
        xyxy = (1 - self.share[t]) * a + self.share[t] * b
        taken = paired_iou(xyxy, self.taken[t]).max(initial=0.0) > self.settings.taken_iou
        similar = min(similarity) >= self.settings.min_similarity
        if taken or not similar or agreement <= self.settings.agreement_iou:
            return None
        score = min(*similarity, self.score)
        return GapBox(self.track_id, t, xyxy, score, self.rows, similarity, agreement)


def _placed(box: Floats, match: Match) -> Floats:
    """Return the box moved to where its picture was found."""
    corner = np.maximum(np.floor(box[:2]), 0)
    result: Floats = box + np.tile(np.array([match.left, match.top]) - corner, 2)
    return result


def gap_queries(video: TrackedVideo, settings: GapSettings = _DEFAULTS) -> list[GapQuery]:
    """Find the gaps of started tracks, and where to search in each.

    Only gaps between boxes that are confident, or weak and confirmed, are searched.
    """
    boxes, tracks = video.boxes, video.tracks
    rows = np.lexsort((boxes.frame, tracks.track_id))
    track, frame = tracks.track_id[rows], boxes.frame[rows]
    step = frame[1:] - frame[:-1]
    searched = (track[1:] == track[:-1]) & (step > 1) & (step <= settings.max_frames + 1)
    searched &= (tracks.started & (tracks.lengths >= settings.min_length))[track[1:]]
    trusted = trusted_boxes(video, settings)[rows]
    searched &= trusted[1:] & trusted[:-1]
    # A weak box of no track does not show that the place belongs to another object.
    objects = (boxes.score >= settings.confident_score) | tracks.started[tracks.track_id]
    finder = GapFinder(video, BoxesByFrame.of(video, objects), settings)
    return [finder.query((int(rows[k]), int(rows[k + 1]))) for k in np.flatnonzero(searched)]


@dataclass(frozen=True)
class BoxesByFrame:
    """Boxes in order of frame."""

    xyxy: Floats
    frame: Ints
    rows: Ints

    @classmethod
    def of(cls, video: TrackedVideo, which: Bools) -> BoxesByFrame:
        """Return the chosen boxes of a video."""
        rows = np.flatnonzero(which)
        rows = rows[np.argsort(video.boxes.frame[rows], kind="stable")]
        return cls(video.xyxy[rows], video.boxes.frame[rows], rows)

    def at(self, frame: int) -> Floats:
        """Return the boxes ``(m, 4)`` of a frame."""
        low, high = np.searchsorted(self.frame, [frame, frame + 1])
        return self.xyxy[low:high]

    def rows_at(self, frame: int) -> tuple[Ints, Floats]:
        """Return the rows ``(m,)`` and the boxes ``(m, 4)`` of a frame."""
        low, high = np.searchsorted(self.frame, [frame, frame + 1])
        return self.rows[low:high], self.xyxy[low:high]

    def overlap(self, video: TrackedVideo, row: int) -> float:
        """Return the largest overlap of a detection with one of these boxes in its frame, 0..1."""
        found = paired_iou(video.xyxy[row], self.at(int(video.boxes.frame[row])))
        return float(found.max(initial=0.0))


@dataclass(frozen=True)
class GapFinder:
    """Makes the query of one gap.

    Attributes:
        objects: the boxes that already cover an object.
    """

    video: TrackedVideo
    objects: BoxesByFrame
    settings: GapSettings

    def query(self, rows: tuple[int, int]) -> GapQuery:
        """Return where to search between two detections of a track."""
        boxes, path, pts = self.video.boxes, self.video.path, self.video.pts
        a, b = (int(boxes.frame[row]) for row in rows)
        ends = (self.video.xyxy[rows[0]], self.video.xyxy[rows[1]])
        still = [ends[k] - np.tile(path[t], 2) for k, t in enumerate((a, b))]
        share = {t: float((pts[t] - pts[a]) / (pts[b] - pts[a])) for t in range(a + 1, b)}
        lines = {
            t: (1 - done) * still[0] + done * still[1] + np.tile(path[t], 2)
            for t, done in share.items()
        }
        sides = np.maximum(*(end[2:] - end[:2] for end in ends))
        windows = {t: _window(line, sides, self.settings.beta) for t, line in lines.items()}
        windows |= {a: box_window(ends[0]), b: box_window(ends[1])}
        return GapQuery(
            track_id=int(self.video.tracks.track_id[rows[0]]),
            rows=rows,
            frames=(a, b),
            ends=ends,
            score=float(boxes.score[list(rows)].min()),
            share=share,
            lines=lines,
            taken={t: self.objects.at(t) for t in lines},
            windows=windows,
            settings=self.settings,
        )


def _window(line: Floats, sides: Floats, beta: float) -> Window:
    """Return a window around the line's centre that contains the larger end and its margin."""
    centre = centres(line)
    half = sides / 2 + beta * sides.max() + 1
    return box_window(np.concatenate((centre - half, centre + half)))
