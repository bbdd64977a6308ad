"""Gaps: boxes that the detector missed, or was unsure of, inside a track: hard positives.

Where a track goes on with boxes that are weak, sure boxes before and after hold them: no picture
is needed. Where it has none, the last box before the gap is searched forward, the first one after
it backward, if these two are believed, both by normalised cross-correlation near the straight line
between them. Where both lead to the same place and the pictures are alike, the object is there.
Where it is hidden the pictures are not alike, and nothing is claimed. Nor is anything claimed
beside a static repeat (`reelabel.temporal.static`): what fooled the detector there is still there
where it was not fooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence, Floats, Ints, centres, drift
from reelabel.temporal.link import Tracks
from reelabel.temporal.pictures import Grey, Hit, Patch, Window, box_window, find, sweep
from reelabel.temporal.static import StaticRepeat


@dataclass(frozen=True)
class GapSettings:
    """When a gap is filled.

    Attributes:
        max_gap: longer gaps are left open; a weak box is held by sure ones at most so far away.
        min_length: tracks with fewer boxes (to hold weak ones: with fewer sure boxes) are left
            alone.
        sure_score: boxes from this score on are sure.
        beta: by how much the searched place is larger than the box, on each side, in box sides.
        min_similarity: correlation that both searches must reach, -1..1.
        agreement_iou: overlap of the two found boxes from which they agree.
        taken_iou: no box is made where a box that is sure or of a started track overlaps by more.

    Raises:
        ValueError: if a count is below its least sensible value.
    """

    max_gap: int = 15
    min_length: int = 3
    sure_score: float = 0.5
    beta: float = 0.4
    min_similarity: float = 0.6
    agreement_iou: float = 0.5
    taken_iou: float = 0.5

    def __post_init__(self) -> None:
        if self.max_gap < 1 or self.min_length < 2:  # noqa: PLR2004 -- a gap has two ends
            raise ValueError(
                f"expected max_gap >= 1 and min_length >= 2, got {self.max_gap} "
                f"and {self.min_length}"
            )


@dataclass(frozen=True)
class GapBox:
    """A box found inside a gap, and what it rests on.

    Attributes:
        track_id: the track that was interrupted.
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
class HeldBox:
    """A weak detection between sure ones of its track.

    Attributes:
        row: the detection.
        rows: the sure detections before and after it.
    """

    row: int
    rows: tuple[int, int]


def held_boxes(
    boxes: BoxSequence, tracks: Tracks, settings: GapSettings = GapSettings()
) -> list[HeldBox]:
    """Return the weak boxes that sure ones of their track hold from both sides, in row order.

    Raises:
        ValueError: if `tracks` do not fit the boxes.
    """
    if len(tracks.track_id) != len(boxes):
        raise ValueError(f"expected tracks of {len(boxes)} boxes, got {len(tracks.track_id)}")
    order = np.lexsort((boxes.frame, tracks.track_id))
    frame, track = boxes.frame[order], tracks.track_id[order]
    sure = boxes.score[order] >= settings.sure_score
    many = np.bincount(track[sure], minlength=len(tracks.started)) >= settings.min_length
    at = np.arange(len(order))
    before = np.maximum.accumulate(np.where(sure, at, -1))
    after = np.minimum.accumulate(np.where(sure, at, len(order))[::-1])[::-1]
    weak = np.flatnonzero(~sure & many[track] & (before >= 0) & (after < len(order)))
    a, b = before[weak], after[weak]
    near = (frame[weak] - frame[a] <= settings.max_gap) & (
        frame[b] - frame[weak] <= settings.max_gap
    )
    near &= (track[a] == track[weak]) & (track[b] == track[weak])
    found = zip(order[weak[near]], order[a[near]], order[b[near]], strict=True)
    sure_boxes = _ByFrame.of(boxes[np.flatnonzero(boxes.score >= settings.sure_score)])
    held = [HeldBox(int(i), (int(j), int(k))) for i, j, k in found]
    free = [h for h in held if not sure_boxes.crowds(boxes, h.row, settings.taken_iou)]
    return sorted(free, key=lambda h: h.row)


Filled = TypeVar("Filled", GapBox, HeldBox)


def without_repeats(found: Iterable[Filled], repeats: Iterable[StaticRepeat]) -> list[Filled]:
    """Leave out the boxes that rest on those of static repeats."""
    stained = {row for repeat in repeats for row in repeat.rows}
    return [box for box in found if stained.isdisjoint(box.rows)]


@dataclass(frozen=True)
class GapLook:
    """One gap: its two ends, and where to look in each frame between them.

    Attributes:
        share: for each frame between, how much of the gap's time has gone by, 0..1.
        lines: where the straight line between the ends leads, in pixels.
    """

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

    def judge(self, patches: Mapping[int, Patch]) -> list[GapBox]:
        """Return the boxes on which both searches agree."""
        if any(frame not in patches for frame in self.frames):
            return []
        templates = tuple(
            patches[frame].part(box_window(box))
            for frame, box in zip(self.frames, self.ends, strict=True)
        )
        found = (self._between(t, patches[t], templates) for t in self.lines if t in patches)
        return [box for box in found if box is not None]

    def _between(self, t: int, where: Patch, templates: tuple[Patch, ...]) -> GapBox | None:
        forward, backward = (find(template, where) for template in templates)
        if forward is None or backward is None:
            return None
        similarity = (forward.similarity, backward.similarity)
        a, b = _placed(self.ends[0], forward), _placed(self.ends[1], backward)
        agreement = float(paired_iou(a, b))
        xyxy = (1 - self.share[t]) * a + self.share[t] * b
        crowded = paired_iou(xyxy, self.taken[t]).max(initial=0.0) > self.settings.taken_iou
        alike = min(similarity) >= self.settings.min_similarity
        if crowded or not alike or agreement <= self.settings.agreement_iou:
            return None
        score = min(*similarity, self.score)
        return GapBox(self.track_id, t, xyxy, score, self.rows, similarity, agreement)


def _placed(box: Floats, hit: Hit) -> Floats:
    """Return the box moved to where its picture was found."""
    corner = np.maximum(np.floor(box[:2]), 0)
    result: Floats = box + np.tile(np.array([hit.left, hit.top]) - corner, 2)
    return result


def gap_boxes(
    pictures: Iterable[Callable[[], Grey] | Grey], looks: Sequence[GapLook]
) -> list[GapBox]:
    """Look at the pictures of a video, in order from frame 0; return boxes by track and frame."""
    found = [box for boxes in sweep(pictures, looks) for box in boxes]
    return sorted(found, key=lambda box: (box.track_id, box.frame))


def gap_looks(
    boxes: BoxSequence,
    tracks: Tracks,
    shift_xy: Floats | None = None,
    settings: GapSettings = GapSettings(),
    *,
    time: Ints | None = None,
) -> list[GapLook]:
    """Find the gaps of started tracks between believed boxes, and say where to look in each.

    Believed is what is sure, or weak and held by what is.

    Args:
        boxes: every detection, weak ones included.
        tracks: their tracks.
        shift_xy: ``(frames, 2)`` camera motion since the frame before, or None.
        settings: thresholds.
        time: ``(frames,)`` rising, when each frame is shown, in any unit; None if all take as long.

    Raises:
        ValueError: if `tracks` or `shift_xy` do not fit the boxes.
    """
    if len(tracks.track_id) != len(boxes):
        raise ValueError(f"expected tracks of {len(boxes)} boxes, got {len(tracks.track_id)}")
    count = int(boxes.frame.max(initial=-1)) + 1
    way = (drift(shift_xy, count), np.arange(count) if time is None else time)
    rows = np.lexsort((boxes.frame, tracks.track_id))
    track, frame = tracks.track_id[rows], boxes.frame[rows]
    step = frame[1:] - frame[:-1]
    wanted = (track[1:] == track[:-1]) & (step > 1) & (step <= settings.max_gap + 1)
    wanted &= (tracks.started & (tracks.lengths >= settings.min_length))[track[1:]]
    believed = (boxes.score >= settings.sure_score)[rows]
    believed[np.isin(rows, [held.row for held in held_boxes(boxes, tracks, settings)])] = True
    wanted &= believed[1:] & believed[:-1]
    # A weak box of no track says too little to keep an object's place for it.
    speaks = (boxes.score >= settings.sure_score) | tracks.started[tracks.track_id]
    by_frame = _ByFrame.of(boxes[np.flatnonzero(speaks)])
    return [
        _look(boxes, tracks, (int(rows[k]), int(rows[k + 1])), (way, by_frame, settings))
        for k in np.flatnonzero(wanted)
    ]


@dataclass(frozen=True)
class _ByFrame:
    xyxy: Floats
    frame: Ints

    @classmethod
    def of(cls, boxes: BoxSequence) -> _ByFrame:
        order = np.argsort(boxes.frame, kind="stable")
        return cls(boxes.xyxy[order], boxes.frame[order])

    def at(self, frame: int) -> Floats:
        low, high = np.searchsorted(self.frame, [frame, frame + 1])
        return self.xyxy[low:high]

    def crowds(self, boxes: BoxSequence, row: int, least_iou: float) -> bool:
        """Tell whether one of these overlaps a box of the same frame by more than that."""
        overlap = paired_iou(boxes.xyxy[row], self.at(int(boxes.frame[row])))
        return bool(overlap.max(initial=0.0) > least_iou)


def _look(
    boxes: BoxSequence,
    tracks: Tracks,
    rows: tuple[int, int],
    rest: tuple[tuple[Floats, Ints], _ByFrame, GapSettings],
) -> GapLook:
    (path, time), by_frame, settings = rest
    a, b = (int(boxes.frame[row]) for row in rows)
    ends = (boxes.xyxy[rows[0]], boxes.xyxy[rows[1]])
    still = [ends[k] - np.tile(path[t], 2) for k, t in enumerate((a, b))]
    share = {t: float((time[t] - time[a]) / (time[b] - time[a])) for t in range(a + 1, b)}
    lines = {
        t: (1 - done) * still[0] + done * still[1] + np.tile(path[t], 2)
        for t, done in share.items()
    }
    sides = np.maximum(*(end[2:] - end[:2] for end in ends))
    windows = {t: _window(line, sides, settings.beta) for t, line in lines.items()}
    windows |= {a: box_window(ends[0]), b: box_window(ends[1])}
    return GapLook(
        track_id=int(tracks.track_id[rows[0]]),
        rows=rows,
        frames=(a, b),
        ends=ends,
        score=float(boxes.score[list(rows)].min()),
        share=share,
        lines=lines,
        taken={t: by_frame.at(t) for t in lines},
        windows=windows,
        settings=settings,
    )


def _window(line: Floats, sides: Floats, beta: float) -> Window:
    """Return a window around the line's middle that holds the larger end and its surroundings."""
    middle = centres(line)
    half = sides / 2 + beta * sides.max() + 1
    return box_window(np.concatenate((middle - half, middle + half)))
