"""Gaps filled by optical flow: a box that moves with the pixels, from before and from behind.

Between two confident boxes the first is moved forward and the second backward, frame by frame, by
the median of the dense optical flow (DIS, arXiv 1603.03590) inside the box. Where both arrive at
one place and the pictures there are similar to both ends, the object is there: a weak detection at
that place is confirmed, else a box is added. The two may be of one track, or of two that linking
left apart. Boxes need not lie near the straight line between the ends, as for the search in
`reelabel.temporal.gap`: a thrown ball, an animal that turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import Bools, Floats, Ints, centres, rows_by_track, sizes
from reelabel.temporal.gap import (
    BoxesByFrame,
    ConfirmedBox,
    GapBox,
    GapFinder,
    GapQuery,
    GapSettings,
    trusted_boxes,
)
from reelabel.temporal.pictures import GreyPatch, Window, box_window
from reelabel.temporal.video import TrackedVideo

_SIDE_PX = 48  # pictures are reduced until no box is larger: its flow is a median anyway
_CORE = 0.7  # share of each side of a box whose flow counts: less of the background
_MARGIN = 1.5  # box sides around the straight line in which the object may have moved
_MARGIN_PX = 24  # for small boxes: flow needs some picture
_STEP = 1.0  # box sides per frame by which an object moves at most between two tracks
_SIZE_RATIO = 2.0  # of the sides of two boxes of one object
_PARTNERS = 2  # tracks that may continue another one; pictures decide
_SAME_IOU = 0.5  # two boxes of a frame that overlap by more are of one object
_DEFAULTS = GapSettings()
Filled = GapBox | ConfirmedBox


@dataclass(frozen=True)
class FlowAnswer:
    """What optical flow found in one gap."""

    boxes: tuple[Filled, ...] = ()


@dataclass(frozen=True)
class FlowQuery:
    """One gap that is filled by optical flow.

    Attributes:
        gap: its ends and the frames between them.
        weak: frame -> rows and boxes ``(m, 4)`` of the weak detections in it.
        shrink: by how much the pictures are reduced.
        windows: frame -> window to crop, in pixels of the reduced pictures.
    """

    gap: GapQuery
    weak: Mapping[int, tuple[Ints, Floats]]
    shrink: int
    windows: Mapping[int, Window]

    def evaluate(self, patches: Mapping[int, GreyPatch]) -> FlowAnswer:
        """Return the boxes at which both directions arrive."""
        a, b = self.gap.frames
        if any(t not in patches for t in range(a, b + 1)):
            return FlowAnswer()
        ends = [end / self.shrink for end in self.gap.ends]
        forward = _moved(ends[0], [patches[t] for t in range(a, b)])
        backward = _moved(ends[1], [patches[t] for t in range(b, a, -1)])
        pairs = zip(forward, list(backward)[::-1], strict=True)
        around = [patches[t].part(box_window(end)) for t, end in zip((a, b), ends, strict=True)]
        found = (
            self._between(t, pair, patches[t], around)
            for t, pair in zip(range(a + 1, b), pairs, strict=True)
        )
        return FlowAnswer(tuple(box for box in found if box is not None))

    def _between(
        self, t: int, places: tuple[Floats, Floats], patch: GreyPatch, ends: list[GreyPatch]
    ) -> Filled | None:
        """Return what both places in a frame imply, the pictures of the ends being given."""
        gap, settings = self.gap, self.gap.settings
        agreement = float(paired_iou(*places))
        if not agreement > settings.agreement_iou:
            return None
        here = [patch.part(box_window(place)) for place in places]
        forward, backward = (_similarity(*pair) for pair in zip(ends, here, strict=True))
        if min(forward, backward) < settings.flow_similarity:
            return None
        xyxy = ((1 - gap.share[t]) * places[0] + gap.share[t] * places[1]) * self.shrink
        if paired_iou(xyxy, gap.taken[t]).max(initial=0.0) > settings.taken_iou:
            return None
        return self._filled(t, xyxy, agreement, (forward, backward))

    def _filled(
        self, t: int, xyxy: Floats, agreement: float, similarity: tuple[float, float]
    ) -> Filled:
        gap = self.gap
        rows, boxes = self.weak[t]
        overlap = paired_iou(xyxy, boxes)
        if overlap.max(initial=0.0) > gap.settings.taken_iou:
            return ConfirmedBox(int(rows[overlap.argmax()]), gap.rows, agreement)
        score = min(*similarity, gap.score)
        return GapBox(gap.track_id, t, xyxy, score, gap.rows, similarity, agreement)


def flow_queries(video: TrackedVideo, settings: GapSettings = _DEFAULTS) -> list[FlowQuery]:
    """Return the gaps in tracks and between them that optical flow may fill."""
    trusted = trusted_boxes(video, settings)
    finder = GapFinder(video, BoxesByFrame.of(video, trusted), settings)
    weak = BoxesByFrame.of(video, ~trusted)
    pairs = sorted({*_inside(video, trusted, settings), *_across(video, trusted, settings)})
    return [_query(finder.query(rows), weak) for rows in pairs]


def without_doubles(
    found: Iterable[Filled], known: Iterable[Filled], video: TrackedVideo
) -> list[Filled]:
    """Return boxes that are at no known one; of those at one place the one with best agreement.

    Args:
        found: by optical flow.
        known: found without it.
        video: that both are of.
    """
    taken: dict[int, list[Floats]] = {}
    for one in known:
        frame, xyxy = _place(one, video)
        taken.setdefault(frame, []).append(xyxy)
    kept: list[Filled] = []
    for one in sorted(found, key=lambda one: (-(one.agreement or 0.0), one.rows)):
        frame, xyxy = _place(one, video)
        others = taken.setdefault(frame, [])
        if not paired_iou(xyxy, np.reshape(others, (-1, 4))).max(initial=0.0) > _SAME_IOU:
            others.append(xyxy)
            kept.append(one)
    return kept


def _place(one: Filled, video: TrackedVideo) -> tuple[int, Floats]:
    """Return frame and box."""
    if isinstance(one, GapBox):
        return one.frame, one.xyxy
    return int(video.boxes.frame[one.row]), video.xyxy[one.row]


def _inside(
    video: TrackedVideo, trusted: Bools, settings: GapSettings
) -> Iterator[tuple[int, int]]:
    """Yield the trusted boxes of one track around frames without one."""
    frame = video.boxes.frame
    for rows in _chains(video, trusted, settings):
        step = np.diff(frame[rows])
        for k in np.flatnonzero((step > 1) & (step <= settings.max_frames + 1)):
            yield int(rows[k]), int(rows[k + 1])


def _across(
    video: TrackedVideo, trusted: Bools, settings: GapSettings
) -> Iterator[tuple[int, int]]:
    """Yield the last box of a track and the first of another that may continue it."""
    chains = _chains(video, trusted, settings)
    if not chains:
        return
    first, last = (np.array([rows[i] for rows in chains], np.int64) for i in (0, -1))
    order = np.argsort(video.boxes.frame[first], kind="stable")
    first = first[order]
    begins = video.boxes.frame[first]
    for row in last.tolist():
        end = int(video.boxes.frame[row])
        low, high = np.searchsorted(begins, [end + 2, end + settings.max_frames + 2])
        for other in _continuations(video, row, first[low:high]):
            yield row, other


def _chains(video: TrackedVideo, trusted: Bools, settings: GapSettings) -> list[Ints]:
    """Return the trusted rows of each started track that is long enough, in order of frame."""
    tracks = video.tracks
    enough = tracks.started & (tracks.lengths >= settings.min_length)
    rows = np.flatnonzero(trusted & enough[tracks.track_id])
    by_track = rows_by_track(tracks.track_id[rows], video.boxes.frame[rows])
    return [rows[some] for some in by_track]


def _continuations(video: TrackedVideo, row: int, others: Ints) -> list[int]:
    """Return the nearest of some later boxes that may be the object of a box."""
    boxes, path, xyxy = video.boxes, video.path, video.xyxy
    steps = boxes.frame[others] - boxes.frame[row]
    moved = path[boxes.frame[others]] - path[boxes.frame[row]]
    apart = np.linalg.norm(centres(xyxy[others]) - moved - centres(xyxy[row]), axis=1)
    own, size = sizes(xyxy[row]), sizes(xyxy[others])
    ratio = np.maximum(size, own) / np.maximum(np.minimum(size, own), 1e-6)
    near = (apart <= _STEP * steps * np.minimum(size, own)) & (ratio <= _SIZE_RATIO)
    near &= boxes.class_id[others] == boxes.class_id[row]
    near &= video.shot[boxes.frame[others]] == video.shot[boxes.frame[row]]
    fitting = np.flatnonzero(near)
    nearest: list[int] = others[fitting[np.argsort(apart[fitting], kind="stable")]].tolist()
    return nearest[:_PARTNERS]


def _query(gap: GapQuery, weak: BoxesByFrame) -> FlowQuery:
    a, b = gap.frames
    side = max(float((end[2:] - end[:2]).max()) for end in gap.ends)
    shrink = max(1, int(np.ceil(side / _SIDE_PX)))
    ends = {a: gap.ends[0], b: gap.ends[1]}
    lines = {t: line / shrink for t, line in {**ends, **gap.lines}.items()}
    margin = max(_MARGIN * side / shrink, _MARGIN_PX)
    windows = {}
    for t in range(a, b + 1):
        near = np.array([lines[other] for other in (t - 1, t, t + 1) if other in lines])
        around = np.concatenate([near[:, :2].min(axis=0), near[:, 2:].max(axis=0)])
        windows[t] = box_window(around, margin)
    return FlowQuery(gap, {t: weak.rows_at(t) for t in gap.lines}, shrink, windows)


def _moved(box: Floats, patches: list[GreyPatch]) -> Iterator[Floats]:
    """Yield the box moved from each patch to the next by the flow between them."""
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for before, after in pairwise(patches):
        box = box + np.tile(_shift(box, *_common(before, after), flow), 2)
        yield box


def _shift(box: Floats, before: GreyPatch, after: GreyPatch, flow: cv2.DISOpticalFlow) -> Floats:
    """Return by how many pixels a box moves, ``(2,)``; 0 where there is no picture."""
    if min(before.pixels.shape) < _MARGIN_PX:
        return np.zeros(2)
    field = flow.calc(before.pixels, after.pixels, None)
    corner = np.array([before.left, before.top])
    middle, half = centres(box) - corner, (box[2:] - box[:2]) * _CORE / 2
    left, top, right, bottom = np.round([*(middle - half), *(middle + half)]).astype(int).tolist()
    inside = field[max(top, 0) : max(bottom, top + 1, 0), max(left, 0) : max(right, left + 1, 0)]
    result: Floats = np.zeros(2)
    return np.median(inside.reshape(-1, 2), axis=0).astype(np.float64) if inside.size else result


def _common(first: GreyPatch, second: GreyPatch) -> tuple[GreyPatch, GreyPatch]:
    """Return the part of two patches that both show."""
    sides = [
        (one.left, one.top, one.left + one.pixels.shape[1], one.top + one.pixels.shape[0])
        for one in (first, second)
    ]
    low, high = np.max(sides, axis=0), np.min(sides, axis=0)
    window = (int(low[0]), int(low[1]), int(high[2]), int(high[3]))
    return first.part(window), second.part(window)


def _similarity(template: GreyPatch, patch: GreyPatch) -> float:
    """Return the correlation of two patches, the second at the size of the first; -1 if flat."""
    if template.flat or patch.flat:
        return -1.0
    same = cv2.resize(patch.pixels, template.pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    response: NDArray[Any] = cv2.matchTemplate(same, template.pixels, cv2.TM_CCOEFF_NORMED)
    return float(np.clip(response[0, 0], -1, 1))
