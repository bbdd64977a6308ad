"""Linking of detections to tracks, offline: it uses the frames before and after.

Within shots, boxes of neighbouring frames that overlap are joined first, all frames at once; then
the pieces are joined over growing gaps, by extrapolating the mean velocity of both pieces; last,
pieces whose course has a kink are split there and joined again, now that all velocities are known.
All steps weigh before and after alike and choose optimally, so a video played backwards gives the
same tracks. Boxes down to a low score take part, but only a strong box makes a track count
(hysteresis, as in ByteTrack, arXiv 2110.06864). No box is dropped or moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from reelabel.config import Settings
from reelabel.data.sequence import Bools, BoxSequence, Floats, Ints, shots, stabilized
from reelabel.temporal.overlaps import Neighbours, consecutive_overlaps
from reelabel.temporal.pieces import Pieces, broken_at_kinks, join_once

_GAPS = (3, 32)
"""Gaps are closed from short to long, so that velocities are known when needed; but not one by
one: an object that was missed for some frames must be able to compete for its next box."""
_TOLERANCES = (0.4, 1.0)
"""Good fits over any gap come before poor fits over short ones, which would take their matches."""
_SKIP_STEP, _SKIP_IOU = 2, 0.45
"""Over one missing frame, boxes that overlap by so much may be one object."""
_MARGIN = 0.25
"""An overlap that exceeds the next best by less is left open until velocities are known."""


class LinkSettings(Settings):
    """How boxes are linked to tracks."""

    strong_score: float = Field(0.5, ge=0, le=1)
    """A track counts as started if one of its boxes has at least this score."""
    weak_score: float = Field(0.1, ge=0, le=1)
    """Boxes below this are not linked; each is a track of its own."""
    min_iou: float = Field(0.5, gt=0, lt=1)
    """Overlap from which boxes of neighbouring frames are joined at once."""
    max_gap: int = Field(30, ge=0)
    """A track continues over at most so many frames without a box, counted in usual steps."""
    class_aware: bool = True
    """Whether a track keeps to one class."""

    @model_validator(mode="after")
    def ordered(self) -> Self:
        """Refuse a weak threshold above the strong one."""
        if self.weak_score > self.strong_score:
            raise ValueError(
                f"expected weak_score <= strong_score, but got {self.weak_score} and "
                f"{self.strong_score}"
            )
        return self


_DEFAULTS = LinkSettings()


@dataclass(frozen=True)
class Tracks:
    """Which detections are one object.

    Attributes:
        track_id: ``(n,)`` the track of each detection, numbered by first appearance from 0.
        started: ``(tracks,)`` whether a track holds a strong box; the others are only weak hints.
    """

    track_id: Ints
    started: Bools

    @property
    def lengths(self) -> Ints:
        """``(tracks,)`` how many detections each track holds."""
        return np.bincount(self.track_id, minlength=len(self.started)).astype(np.int64)


def link(
    boxes: BoxSequence,
    shot_starts: Sequence[int] = (),
    shift_xy: Floats | None = None,
    settings: LinkSettings = _DEFAULTS,
) -> Tracks:
    """Link the detections of one video.

    Args:
        boxes: every detection, weak ones included.
        shot_starts: frames with which a new shot begins; no track crosses one.
        shift_xy: ``(frames, 2)`` camera motion in pixels since the frame before, or None.
        settings: thresholds.

    Returns:
        A track for every detection, single ones too, whatever the order of the rows.

    Raises:
        ValueError: if a frame is negative, or `shift_xy` is too short or not finite.
    """
    if boxes.frame.min(initial=0) < 0:
        raise ValueError(f"frames count from 0, but got {int(boxes.frame.min())}")
    still = stabilized(boxes.xyxy, boxes.frame, shift_xy)
    # A canonical order makes the result independent of the order of the rows; one number per
    # box stands for its four, as each key costs a sort.
    place = boxes.xyxy @ np.sqrt([2.0, 3.0, 5.0, 7.0])
    order = np.lexsort((boxes.score, place, boxes.class_id, boxes.frame))
    usable = order[boxes.score[order] >= settings.weak_score]
    pieces = _pieces(boxes[usable], still[usable], shot_starts, settings)
    root = np.full(len(boxes), -1, np.int64)
    root[usable] = pieces.root
    alone = np.setdiff1d(order, usable, assume_unique=True)
    root[alone] = len(usable) + np.arange(len(alone))
    return _numbered(root, order, boxes, settings)


def _pieces(
    boxes: BoxSequence, still: Floats, shot_starts: Sequence[int], settings: LinkSettings
) -> Pieces:
    kind = boxes.class_id if settings.class_aware else np.zeros(len(boxes), np.int64)
    # Class and shot in one number: only equal ones may be joined.
    key = kind * (len(shot_starts) + 1) + shots(boxes.frame, shot_starts)
    left, right, iou = consecutive_overlaps(boxes.frame, still, key, settings.min_iou)
    clear = _unrivalled(left, right, iou)
    clear &= ~_contested(boxes.frame, still, key, _Links(left, right, iou, clear))
    pieces = Pieces.joined(boxes.frame, still, key, (left[clear], right[clear]))
    gaps = (*(g for g in _GAPS if g <= settings.max_gap), settings.max_gap + 1)
    for tolerance, gap in product(_TOLERANCES, gaps):
        pieces = join_once(pieces, gap, tolerance)
    pieces = broken_at_kinks(pieces)
    for tolerance in _TOLERANCES:
        pieces = join_once(pieces, gaps[-1], tolerance)
    return pieces


class _Links(NamedTuple):
    """Pairs of boxes that may be one object: rows, overlap, and whether no other pair rivals."""

    left: Ints
    right: Ints
    iou: Floats
    clear: Bools


def _contested(frame: Ints, xyxy: Floats, key: Ints, links: _Links) -> Bools:
    """Return which links compete with a box that has no successor, or no predecessor, of its own.

    Where two objects meet and one is missed for a frame, its last box is as good a
    predecessor of the other's next box as that one's own.
    """
    left, right, iou, clear = links
    ended, begun = np.ones(len(frame), bool), np.ones(len(frame), bool)
    ended[left[clear]], begun[right[clear]] = False, False
    into, out_of = np.zeros(len(frame)), np.zeros(len(frame))
    some = Neighbours(_SKIP_STEP, np.flatnonzero(ended), None)
    _, b, overlap = consecutive_overlaps(frame, xyxy, key, _SKIP_IOU, which=some)
    np.maximum.at(into, b, overlap)
    some = Neighbours(_SKIP_STEP, None, np.flatnonzero(begun))
    a, _, overlap = consecutive_overlaps(frame, xyxy, key, _SKIP_IOU, which=some)
    np.maximum.at(out_of, a, overlap)
    contested: Bools = np.maximum(into[right], out_of[left]) > iou - _MARGIN
    return contested


def _unrivalled(left: Ints, right: Ints, iou: Floats) -> Bools:
    """Return which pairs overlap by far more than any other pair that shares a box with them."""
    clear = np.ones(len(iou), bool)
    for side in (left, right):
        rivals = np.flatnonzero(np.bincount(side)[side] > 1) if len(side) else side
        order = rivals[np.lexsort((-iou[rivals], side[rivals]))]
        first = np.diff(side[order], prepend=-1) != 0
        lead = iou[order] - np.append(iou[order][1:], 0)
        clear[order] &= first & (lead >= _MARGIN)
    return clear


def _numbered(root: Ints, order: Ints, boxes: BoxSequence, settings: LinkSettings) -> Tracks:
    _, first, label = np.unique(root[order], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    track_id = np.empty(len(order), np.int64)
    track_id[order] = rank[label]
    started = np.zeros(len(first), bool)
    started[track_id[boxes.score >= settings.strong_score]] = True
    moments = np.sort(track_id * (int(boxes.frame.max(initial=0)) + 1) + boxes.frame)
    # Invariant of this module: every detection has one track, a track one box per frame.
    assert (root >= 0).all()  # noqa: S101 -- a broken invariant is a defect, not an input error
    assert (np.diff(moments) > 0).all()  # noqa: S101 -- the same
    return Tracks(track_id, started)
