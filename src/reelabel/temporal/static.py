"""Static repeats: one weak, blinking box at one place over a picture that never changes.

A box that always lies at one place may be a parked car: repetition alone is not sufficient. The
test is why the box comes and goes. At a real object it comes and goes with the object, and then the
picture changes; or the object moves at some time, and then a track leaves the place. A place is a
static repeat only if all of these hold:

1. the camera stands still, and boxes of one class repeat there in nearly the same position, in
   many frames;
2. they blink: fewer frames have one than not, between the first and the last of them; frames in
   which a track passes right over the place are not counted;
3. their scores are low: the median is under a limit;
4. no track of boxes that move ever begins, ends or rests at the place: passing tracks are ignored;
5. the picture of the place is equal in frames with the box, in frames without it, and at both
   ends of the shot, as far as nothing passes in front of it.

A real object that a weak model detects only now and then, and that never moves, meets all five. No
rule on boxes and pictures can distinguish it from a background error; that is why the evidence
lists what it rests on, and why a person's verdict outranks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Bools, Floats, Ints, centres, sizes
from reelabel.temporal.pictures import (
    GreyPatch,
    Window,
    box_window,
    find,
)
from reelabel.temporal.video import TrackedVideo

_STANDS_IOU = 0.3
"""A track that begins or ends with so much overlap with a place may have stood there."""
_APART_PX = 1e7
"""So far from each other boxes of different classes are placed."""


class StaticSettings(Settings):
    """When boxes are a static repeat: hard negatives (see `reelabel.temporal.static`)."""

    enabled: bool = False
    """Find the same weak, blinking box at the same unchanging place: hard negatives."""
    same_iou: float = Field(0.7, gt=0, lt=1)
    """Overlap with the place's most confident box from which a box belongs to it."""
    min_repeats: int = Field(6, ge=2)
    """So many boxes at one place, at least."""
    max_fill: float = Field(0.5, gt=0, le=1)
    """Share of the frames between the first and the last that have one, at most."""
    max_score: float = Field(0.6, ge=0, le=1)
    """Their median score, at most."""
    moving: float = Field(0.5, ge=0)
    """A track moves if two of its boxes lie this many box sizes from its median place."""
    max_camera_px: float = Field(1.0, ge=0)
    """No frame of the shot may be shifted by more than this, in pixels."""
    min_similarity: float = Field(0.9, ge=-1, le=1)
    """Correlation of the place with itself at other times, at least."""
    samples: int = Field(4, ge=1, le=1000)
    """In so many frames with the box, and in so many without, the place is compared."""


_DEFAULTS = StaticSettings()


@dataclass(frozen=True)
class StaticRepeat:
    """A place where the same error is made again and again, and what that rests on.

    Attributes:
        rows: the detections.
        xyxy: ``(4,)`` their median box in pixels.
        fill: share of frames that have one, 0..1.
        score: their median score.
        frames: where the place was compared.
        similarity: correlation with the first of them, for each.
    """

    rows: tuple[int, ...]
    xyxy: Floats
    fill: float
    score: float
    frames: tuple[int, ...]
    similarity: tuple[float, ...]


@dataclass(frozen=True)
class StaticQuery:
    """A place to compare with itself over time; attributes as in `StaticRepeat`."""

    shrink: ClassVar[int] = 1
    rows: tuple[int, ...]
    xyxy: Floats
    fill: float
    score: float
    windows: Mapping[int, Window]
    min_similarity: float

    def evaluate(self, patches: Mapping[int, GreyPatch]) -> StaticRepeat | None:
        """Return the evidence, or None if the picture changed or cannot be compared."""
        frames = sorted(patches)
        if len(frames) < len(self.windows):
            return None
        # The search region is the template's own size: the place is compared with itself.
        matches = [find(patches[frames[0]], patches[frame]) for frame in frames]
        similarity = tuple(match.similarity if match else float("nan") for match in matches)
        if not all(value >= self.min_similarity for value in similarity):
            return None
        return StaticRepeat(self.rows, self.xyxy, self.fill, self.score, tuple(frames), similarity)


def static_queries(
    video: TrackedVideo,
    settings: StaticSettings = _DEFAULTS,
    *,
    about: Ints | None = None,
) -> list[StaticQuery]:
    """Find places that meet points 1 to 4 of the rule, and when to compare each.

    Args:
        video: every detection, with tracks; each shot is tested by itself.
        settings: thresholds.
        about: ``(k,)`` rows; only places of at least one of them are tested. None = all.
    """
    boxes, shot = video.boxes, video.shot
    moving = _moving(video, settings)
    order = np.argsort(shot[boxes.frame], kind="stable")
    inside = np.split(order, np.flatnonzero(np.diff(shot[boxes.frame][order])) + 1)
    queries: list[StaticQuery] = []
    for rows in inside if len(boxes) else []:
        number = shot[boxes.frame[rows[0]]]
        span = np.arange(*np.searchsorted(shot, [number, number + 1]))
        if not _camera_is_still(video, span, settings):
            continue
        scene = _Shot(video, span, _Courses.of(video, rows[moving[rows]]), settings)
        for place in _places(video, rows[~moving[rows]], settings):
            if about is None or np.isin(place, about).any():
                query = scene.query(place)
                queries += [query] if query else []
    return queries


def _camera_is_still(video: TrackedVideo, span: Ints, settings: StaticSettings) -> bool:
    # The first frame's shift crosses the cut and does not belong to this shot.
    return bool(
        video.shift_xy is None
        or np.abs(video.shift_xy[span[1:]]).max(initial=0) <= settings.max_camera_px
    )


@dataclass(frozen=True)
class _Courses:
    """The boxes of a shot's tracks that move, in order of track, then frame.

    Attributes:
        xyxy: ``(n, 4)`` the boxes; frame: ``(n,)`` their frames.
        begins: ``(n,)`` whether a track begins with a box.
    """

    xyxy: Floats
    frame: Ints
    begins: Bools

    @classmethod
    def of(cls, video: TrackedVideo, rows: Ints) -> _Courses:
        """Sort the boxes in these rows."""
        boxes, track_id = video.boxes, video.tracks.track_id
        rows = rows[np.lexsort((boxes.frame[rows], track_id[rows]))]
        begins = np.diff(track_id[rows], prepend=-1) != 0
        return cls(video.xyxy[rows], boxes.frame[rows], begins)

    def stand(self, place: Floats, settings: StaticSettings) -> bool:
        """Return whether a track begins, ends or rests at a place."""
        if not len(self.frame):
            return False
        overlap = paired_iou(place, self.xyxy)
        tips = self.begins | np.roll(self.begins, -1)
        there = (overlap >= settings.same_iou).astype(np.int64)
        resting = np.add.reduceat(there, np.flatnonzero(self.begins))
        here = (overlap[tips] > _STANDS_IOU).any() or (resting >= settings.min_repeats).any()
        return bool(here)

    def clear(self, place: Floats, span: Ints, min_iou: float) -> Ints:
        """Return the frames of a span in which no track overlaps a place by more than `min_iou`."""
        near = paired_iou(place, self.xyxy) > min_iou
        # Between two boxes a track moves from the one to the other.
        moving = np.flatnonzero(~self.begins & (near | np.roll(near, 1)))
        hidden = [np.arange(self.frame[k - 1], self.frame[k] + 1) for k in moving]
        return np.setdiff1d(span, np.concatenate([self.frame[near], *hidden]))


def _moving(video: TrackedVideo, settings: StaticSettings) -> Bools:
    """Return which boxes belong to a track that leaves its place.

    Two of its boxes must lie elsewhere: a single one may have been linked by mistake.
    """
    track, centre = video.tracks.track_id, centres(video.xyxy)
    ordered = np.stack([axis[np.lexsort((axis, track))] for axis in centre.T], axis=1)
    first = np.searchsorted(np.sort(track), track)
    last = np.searchsorted(np.sort(track), track, side="right") - 1
    median = (ordered[(first + last) // 2] + ordered[(first + last + 1) // 2]) / 2
    far = np.hypot(*(centre - median).T) / np.maximum(sizes(video.xyxy), 1)
    away = np.bincount(track[far > settings.moving], minlength=len(video.tracks.started))
    result: Bools = (away >= 2)[track]  # noqa: PLR2004 -- see above
    return result


def _places(video: TrackedVideo, rows: Ints, settings: StaticSettings) -> Iterator[Ints]:
    """Yield groups of boxes of one class that lie on each other, the most confident box first."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 -- slow to import

    rows = rows[np.lexsort((rows, -video.boxes.score[rows]))]
    xyxy, class_id = video.xyxy[rows], video.boxes.class_id[rows]
    places = np.column_stack((xyxy, class_id * _APART_PX))
    # Boxes that overlap by r have no edge further apart than (1 / r - 1) of a longer side.
    reach = (1 / settings.same_iou - 1) * (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0)
    tree = cKDTree(places)
    farthest = tree.query(places, [settings.min_repeats], p=np.inf)[0][:, 0]
    left = np.ones(len(rows), bool)
    for k in np.flatnonzero(farthest <= reach).tolist():
        if not left[k]:
            continue
        near = np.sort(tree.query_ball_point(places[k], reach[k], p=np.inf))
        near = near[left[near]]
        same = near[paired_iou(xyxy[k], xyxy[near]) >= settings.same_iou]
        left[k] = left[same] = False
        if len(same) >= settings.min_repeats:
            yield np.sort(rows[same])


@dataclass(frozen=True)
class _Shot:
    """One shot in which places are tested.

    Attributes:
        span: ``(frames,)`` the frames of the shot.
        courses: the boxes of its tracks that move.
    """

    video: TrackedVideo
    span: Ints
    courses: _Courses
    settings: StaticSettings

    def query(self, rows: Ints) -> StaticQuery | None:
        """Return when to compare the place of some boxes, None if points 2 to 4 are not met."""
        boxes, settings = self.video.boxes, self.settings
        place = np.median(self.video.xyxy[rows], axis=0)
        if self.courses.stand(place, settings):
            return None
        # A box where a track passes may belong to the passing track.
        free = self.courses.clear(place, self.span, _STANDS_IOU)
        rows = rows[np.isin(boxes.frame[rows], free)]
        present = np.unique(boxes.frame[rows])
        if len(present) < settings.min_repeats:
            return None
        between = free[(free >= present[0]) & (free <= present[-1])]
        # Single precision, as scores are stored: a stored 0.6 does not exceed a limit of 0.6.
        fill, score = len(present) / len(between), np.median(boxes.score[rows])
        if score > settings.max_score or fill > settings.max_fill:
            return None
        moments = _moments(self.courses.clear(place, self.span, 0), present, settings.samples)
        if not moments:
            return None
        windows = dict.fromkeys(sorted(moments), box_window(place))
        found = tuple(rows.tolist())
        return StaticQuery(found, place, fill, float(score), windows, settings.min_similarity)


def _moments(clear: Ints, present: Ints, samples: int) -> set[int]:
    """Return frames with and without a box, and the ends; none if nothing can be compared."""
    with_box = np.intersect1d(clear, present)
    between = clear[(clear > present[0]) & (clear < present[-1])]
    without = np.setdiff1d(between, present)
    if not len(with_box) or not len(without):
        return set()
    ends: list[int] = clear[[0, -1]].tolist()
    return {*ends, *_spread(with_box, samples), *_spread(without, samples)}


def _spread(frames: Ints, samples: int) -> list[int]:
    """Return up to `samples` frames, evenly spread over those given."""
    at = np.unique(np.linspace(0, len(frames) - 1, min(samples, len(frames))).round().astype(int))
    result: list[int] = frames[at].tolist()
    return result
