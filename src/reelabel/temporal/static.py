"""Static repeats: one weak, blinking box at one place over a picture that never changes.

A box that always lies where it lies may be a parked car: repetition alone condemns nobody. What is
asked is why the box comes and goes. At a real object it comes and goes with the object, and then
the picture changes; or the object moves at some time, and then a track leaves the place. A place
is called a static repeat only if all of these hold:

1. the camera stands still, and boxes of one class repeat there in nearly the same position, in
   many frames;
2. they blink: fewer frames carry one than not, between the first and the last of them; frames in
   which a track passes right over the place count for nothing;
3. they are unsure: their median score is low;
4. no track of boxes that move ever begins, ends or rests at the place: what only passes, passes;
5. the picture of the place is equal in frames with the box, in frames without it, and at the far
   ends of the shot, as far as nothing passes before it.

A real object that a weak model sees only now and then, and that never moves, meets all five. No
rule on boxes and pictures can tell it from a stain; that is why the evidence says what it rests
on, and why a person's verdict outranks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Bools, BoxSequence, Floats, Ints, centres, shots, sizes
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import Grey, Patch, Window, box_window, find, sweep

_STANDS_IOU = 0.3
"""A track that begins or ends with so much overlap with a place may have stood there."""
_APART_PX = 1e7
"""So far from each other boxes of different classes are taken to lie."""


@dataclass(frozen=True)
class StaticSettings:
    """When repeats are condemned (the rule stands in the module's docstring).

    Attributes:
        same_iou: overlap with the place's median box from which a box belongs to it.
        min_repeats: so many boxes at least.
        max_fill: share of frames between the first and the last that carry a box, at most.
        max_score: median score, at most.
        moving: a track moves if two of its boxes lie this many box sizes from its median place.
        max_camera_px: no frame of the shot may be shifted by more than this.
        min_similarity: correlation of the place with itself at other times, at least.
        samples: in so many frames of each kind the place is looked at.
    """

    same_iou: float = 0.7
    min_repeats: int = 6
    max_fill: float = 0.5
    max_score: float = 0.6
    moving: float = 0.5
    max_camera_px: float = 1.0
    min_similarity: float = 0.9
    samples: int = 4


@dataclass(frozen=True)
class StaticRepeat:
    """A place where the same mistake is made again and again, and what that rests on.

    Attributes:
        rows: the detections.
        xyxy: ``(4,)`` their median box in pixels.
        fill: share of frames that carry one, 0..1.
        score: their median score.
        frames: where the place was looked at.
        similarity: correlation with the first of them, for each.
    """

    rows: tuple[int, ...]
    xyxy: Floats
    fill: float
    score: float
    frames: tuple[int, ...]
    similarity: tuple[float, ...]


@dataclass(frozen=True)
class StaticLook:
    """A place to compare with itself over time."""

    rows: tuple[int, ...]
    xyxy: Floats
    fill: float
    score: float
    windows: Mapping[int, Window]
    min_similarity: float

    def judge(self, patches: Mapping[int, Patch]) -> StaticRepeat | None:
        """Return the evidence, or None if the picture changed or cannot be compared."""
        frames = sorted(patches)
        if len(frames) < len(self.windows):
            return None
        # The search region is the template's own size: the place is compared with itself.
        hits = [find(patches[frames[0]], patches[frame]) for frame in frames]
        similarity = tuple(hit.similarity if hit else float("nan") for hit in hits)
        if not all(value >= self.min_similarity for value in similarity):
            return None
        return StaticRepeat(self.rows, self.xyxy, self.fill, self.score, tuple(frames), similarity)


def static_repeats(
    pictures: Iterable[Callable[[], Grey] | Grey], looks: Sequence[StaticLook]
) -> list[StaticRepeat]:
    """Look at the pictures of a video, in order from frame 0; return evidence by first row."""
    return sorted((e for e in sweep(pictures, looks) if e is not None), key=lambda e: e.rows)


def static_looks(
    boxes: BoxSequence,
    tracks: Tracks,
    frames: int,
    *,
    shot_starts: Sequence[int] = (),
    shift_xy: Floats | None = None,
    about: Ints | None = None,
    settings: StaticSettings = StaticSettings(),
) -> list[StaticLook]:
    """Find places that meet points 1 to 4 of the rule, and say when to look at each.

    Args:
        boxes: every detection of a video.
        tracks: their tracks.
        frames: how many frames the video has.
        shot_starts: first frames of new shots; each shot is judged by itself.
        shift_xy: ``(frames, 2)`` camera motion since the frame before, or None.
        about: rows; only places of at least one of them are looked at. None = all.
        settings: thresholds.

    Raises:
        ValueError: if `tracks` do not fit the boxes or a box lies behind the end.
    """
    if len(tracks.track_id) != len(boxes) or boxes.frame.max(initial=-1) >= frames:
        raise ValueError(f"expected tracks of {len(boxes)} boxes within {frames} frames")
    shot = shots(np.arange(frames), shot_starts)
    moving = _moving(boxes, tracks, settings)
    order = np.argsort(shot[boxes.frame], kind="stable")
    inside = np.split(order, np.flatnonzero(np.diff(shot[boxes.frame][order])) + 1)
    looks = []
    for rows in inside if len(boxes) else []:
        number = shot[boxes.frame[rows[0]]]
        span = np.arange(*np.searchsorted(shot, [number, number + 1]))
        # The first frame's shift leads over the cut and says nothing about this shot.
        if (
            shift_xy is not None
            and np.abs(shift_xy[span[1:]]).max(initial=0) > settings.max_camera_px
        ):
            continue
        courses = _Courses.of(boxes, tracks, rows[moving[rows]])
        for place in _places(boxes, rows[~moving[rows]], settings):
            if about is None or np.isin(place, about).any():
                look = _look(boxes, place, (span, courses, settings))
                looks += [look] if look else []
    return looks


@dataclass(frozen=True)
class _Courses:
    """The boxes of a shot's tracks that move, in order of track, then frame.

    Attributes:
        xyxy, frame: the boxes and their frames.
        begins: ``(n,)`` whether a track begins with a box.
    """

    xyxy: Floats
    frame: Ints
    begins: Bools

    @classmethod
    def of(cls, boxes: BoxSequence, tracks: Tracks, rows: Ints) -> _Courses:
        """Sort the boxes in these rows."""
        rows = rows[np.lexsort((boxes.frame[rows], tracks.track_id[rows]))]
        begins = np.diff(tracks.track_id[rows], prepend=-1) != 0
        return cls(boxes.xyxy[rows], boxes.frame[rows], begins)

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
        """Return the frames of a span in which no track overlaps a place by more than this."""
        near = paired_iou(place, self.xyxy) > min_iou
        # Between two boxes of a track it is on its way from the one to the other.
        way = np.flatnonzero(~self.begins & (near | np.roll(near, 1)))
        hidden = [np.arange(self.frame[k - 1], self.frame[k] + 1) for k in way]
        return np.setdiff1d(span, np.concatenate([self.frame[near], *hidden]))


def _moving(boxes: BoxSequence, tracks: Tracks, settings: StaticSettings) -> Bools:
    """Return which boxes belong to a track that leaves its place.

    Two of its boxes must lie elsewhere: a single one may have been linked by mistake.
    """
    track, middle = tracks.track_id, centres(boxes.xyxy)
    ordered = np.stack([way[np.lexsort((way, track))] for way in middle.T], axis=1)
    first = np.searchsorted(np.sort(track), track)
    last = np.searchsorted(np.sort(track), track, side="right") - 1
    median = (ordered[(first + last) // 2] + ordered[(first + last + 1) // 2]) / 2
    far = np.hypot(*(middle - median).T) / np.maximum(sizes(boxes.xyxy), 1)
    away = np.bincount(track[far > settings.moving], minlength=len(tracks.started))
    result: Bools = (away >= 2)[track]  # noqa: PLR2004 -- see above
    return result


def _places(boxes: BoxSequence, rows: Ints, settings: StaticSettings) -> Iterator[Ints]:
    """Yield groups of boxes of one class that lie on each other, the most certain box first."""
    from scipy.spatial import cKDTree  # noqa: PLC0415 -- slow to import

    rows = rows[np.lexsort((rows, -boxes.score[rows]))]
    xyxy, class_id = boxes.xyxy[rows], boxes.class_id[rows]
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
        alike = near[paired_iou(xyxy[k], xyxy[near]) >= settings.same_iou]
        left[k] = left[alike] = False
        if len(alike) >= settings.min_repeats:
            yield np.sort(rows[alike])


def _look(
    boxes: BoxSequence, rows: Ints, rest: tuple[Ints, _Courses, StaticSettings]
) -> StaticLook | None:
    span, courses, settings = rest
    place = np.median(boxes.xyxy[rows], axis=0)
    if courses.stand(place, settings):
        return None
    # A box where something passes may be that something's.
    free = courses.clear(place, span, _STANDS_IOU)
    rows = rows[np.isin(boxes.frame[rows], free)]
    present = np.unique(boxes.frame[rows])
    if len(present) < settings.min_repeats:
        return None
    between = free[(free >= present[0]) & (free <= present[-1])]
    fill, score = len(present) / len(between), float(np.median(boxes.score[rows]))
    if score > settings.max_score or fill > settings.max_fill:
        return None
    moments = _moments(courses.clear(place, span, 0), present, settings.samples)
    if not moments:
        return None
    windows = dict.fromkeys(sorted(moments), box_window(place))
    found = tuple(rows.tolist())
    return StaticLook(found, place, fill, score, windows, settings.min_similarity)


def _moments(clear: Ints, present: Ints, samples: int) -> set[int]:
    """Return frames with and without a box, and the ends; none if nothing could be compared."""
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
