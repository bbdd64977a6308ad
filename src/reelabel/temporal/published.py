"""The published flicker miner's rule, reproduced exactly, in one pass over the video.

Source: S. Jin et al., "Unsupervised Hard Example Mining from Videos for Improved Object
Detection", ECCV 2018 (arXiv 1808.04285), in the form in which its miner was published: a confident
box is a hard negative when, in none of the frames within `alpha`, a confident box lies where it
is or where its picture is found again. The quirks are part of the rule and are kept: widths that
count one pixel twice, a window that begins at ``alpha - 1``, frames without boxes that are never
compared, and a place that cannot be found again (occluded, cut) counts as support.
`reelabel.temporal.flicker` is the rule that mends them.

The original compares pictures first and boxes after. As a low similarity supports just as a
box does, a neighbour whose boxes already lie on the candidate supports it whatever its picture
shows; asking the boxes first gives the same output and spares nearly all template searches. Of the
rest most are spared where no box is near and the place, by itself, has plainly not changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.errors import DecodeError, FormatError
from reelabel.temporal.pictures import Grey, LazyGrey
from reelabel.temporal.published_settings import PublishedSettings

BORDER_PX = 50
"""Boxes that reach this near to the picture's edge are kept untested."""
SMALL_AREA_PX2 = 1600
"""Boxes smaller than this are kept untested."""
CERTAIN_SCORE = 0.98
"""Boxes with at least this score are kept untested."""
_DEFAULTS = PublishedSettings()

_STRUCTURE, _DOUBT = 1.0, 0.01
"""A place whose grey levels spread by less is flat; correlations nearer than this are alike."""

_Floats = NDArray[np.float64]
_Match = tuple[float, tuple[int, int]]


class MinedFrame(NamedTuple):
    """One frame with a hard negative, as the published miner lists it.

    Attributes:
        number: the frame, counted from 1.
        boxes: ``(left, top, width, height, flag)``; flag 1 = kept, 0 = hard negative.
    """

    number: int
    boxes: list[tuple[float, float, float, float, int]]


@dataclass(frozen=True)
class _Moment:
    """One frame in the ring: its picture, not yet converted, and its confident boxes (ltrb, s)."""

    picture: LazyGrey
    ltrb: _Floats
    score: _Floats


def mine_published(
    frames: Iterable[Callable[[], Grey] | Grey],
    blocks: Iterable[NDArray[Any]],
    settings: PublishedSettings = _DEFAULTS,
) -> Iterator[MinedFrame]:
    """Yield every frame with a hard negative, in order, while the video is read once.

    Args:
        frames: the pictures in order, uint8 ``(height, width)`` made with OpenCV's BGR to grey, or
            functions that make them when called (only the few that are needed are ever made).
        blocks: for each frame an ``(n, 5)`` array: left, top, width, height in pixels and score.
        settings: the rule's parameters.

    No more than ``2 * alpha + 1`` frames are held at a time.

    Raises:
        FormatError: for a block that is no ``(n, 5)`` array, holds NaN, infinity or a negative
            size, and when the video ends before the blocks do.
        DecodeError: if pictures that are compared differ in size.
    """
    ring: deque[_Moment] = deque(maxlen=2 * settings.alpha + 1)
    for newest, moment in enumerate(_moments(frames, blocks, settings)):
        ring.append(moment)
        at = newest - settings.alpha
        # The window really begins at alpha - 1: the first frames have one predecessor less.
        if at < settings.alpha - 1 or at < 0:
            continue
        here = len(ring) - 1 - settings.alpha
        keep = _kept(ring, here, settings)
        if not all(keep):
            yield MinedFrame(at + 1, _listed(ring[here].ltrb, keep))


def _listed(ltrb: _Floats, keep: Sequence[bool]) -> list[tuple[float, float, float, float, int]]:
    boxes = ltrb.tolist()
    return [
        (left, top, right - left, bottom - top, int(kept))
        for (left, top, right, bottom), kept in zip(boxes, keep, strict=True)
    ]


def _moments(
    frames: Iterable[Callable[[], Grey] | Grey],
    blocks: Iterable[NDArray[Any]],
    settings: PublishedSettings,
) -> Iterator[_Moment]:
    pictures = chain(frames, [None])
    for index, (picture, block) in enumerate(zip_longest(pictures, blocks)):
        if block is None or index == settings.frame_limit:
            return
        if picture is None:
            raise FormatError(
                f"expected one block of detections per frame, but the video ends after {index} "
                f"frames and block {index + 1} follows: are these the detections of this video?"
            )
        checked = _checked(block, index + 1)
        confident = checked[checked[:, 4] >= settings.valid_score]
        ltrb = np.column_stack((confident[:, :2], confident[:, :2] + confident[:, 2:4]))
        yield _Moment(LazyGrey(picture), ltrb, confident[:, 4])


def _checked(block: NDArray[Any], number: int) -> _Floats:
    rows = np.asarray(block, np.float64)
    rows = rows.reshape(0, 5) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != 5:  # noqa: PLR2004 -- left top width height score
        raise FormatError(f"block {number}: expected (n, 5) numbers, but got shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise FormatError(f"block {number}: expected finite numbers, but got NaN or infinity")
    if (rows[:, 2:4] < 0).any():
        raise FormatError(f"block {number}: expected sizes >= 0, but got {rows[:, 2:4].min():g}")
    return rows


def _kept(ring: Sequence[_Moment], here: int, settings: PublishedSettings) -> list[bool]:
    """Return for each box of ``ring[here]`` whether it is kept."""
    moment = ring[here]
    if not len(moment.score):
        return []
    # Previous frames first, then the next; nearest first. It changes the time, never the answer.
    order = [*range(here - 1, -1, -1), *range(here + 1, len(ring))]
    neighbours = [ring[j] for j in order if len(ring[j].score)]
    keep = list(_exempt_by_itself(moment))
    for i in np.flatnonzero(~np.array(keep)):
        keep[i] = _on_the_spot(moment.ltrb[i], neighbours, settings.iou_thr)
    if all(keep):
        return keep
    height, width = moment.picture().shape
    for i in np.flatnonzero(~np.array(keep)):
        box = moment.ltrb[i].tolist()
        outside = box[2] >= width - BORDER_PX or box[3] >= height - BORDER_PX
        keep[i] = outside or _found_again(box, moment, neighbours, settings)
    return keep


def _exempt_by_itself(moment: _Moment) -> list[bool]:
    left, top, right, bottom = moment.ltrb.T
    small = (right - left + 1) * (bottom - top + 1) < SMALL_AREA_PX2
    exempt = (moment.score >= CERTAIN_SCORE) | small | (left < BORDER_PX) | (top < BORDER_PX)
    result: list[bool] = exempt.tolist()
    return result


def _on_the_spot(box: _Floats, neighbours: Sequence[_Moment], iou_thr: float) -> bool:
    return any(_overlap(other.ltrb, box) > iou_thr for other in neighbours)


def _found_again(
    box: list[float], moment: _Moment, neighbours: Sequence[_Moment], settings: PublishedSettings
) -> bool:
    """Return whether some neighbour holds a box where the picture of `box` is found again."""
    picture = moment.picture()
    template = picture[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])]
    # The published miner ends in an error here: a box of no whole pixel cannot be compared.
    if not template.size:
        return True
    region = _region(box, picture.shape, settings.beta)
    corner, structured = (int(box[0]), int(box[1])), float(template.std()) >= _STRUCTURE
    for other in neighbours:
        if other.picture().shape != picture.shape:
            raise DecodeError(
                f"expected pictures of one size, but got {picture.shape} and "
                f"{other.picture().shape} (height, width): cut the video where its size changes"
            )
        far = structured and not _may_support(other.ltrb, region, template.shape, settings.iou_thr)
        if far and _still_there(other.picture(), template, corner, settings.valid_sim_score):
            continue
        similarity, (x, y) = _search(other.picture(), template, region)
        if similarity < settings.valid_sim_score:
            return True
        left, top = region[0] + x, region[1] + y
        tall, wide = template.shape
        spot = np.array([left, top, left + wide, top + tall], np.float64)
        if _overlap(other.ltrb, spot) > settings.iou_thr:
            return True
    return False


def _may_support(
    boxes: _Floats, region: tuple[int, int, int, int], shape: tuple[int, ...], iou_thr: float
) -> bool:
    """Return whether some box could overlap the template, wherever in the region it is found.

    The bound is loose: the template is taken to lie as well for each box as the region allows.
    """
    low = np.array(region[:2]) - 1.0
    high = np.array(region[2:]) + 2.0
    sides = np.minimum(boxes[:, 2:], high) - np.maximum(boxes[:, :2], low) + 1
    own = boxes[:, 2:] - boxes[:, :2] + 1
    whole = np.array([shape[1] + 1.0, shape[0] + 1.0])
    shared = np.maximum(np.minimum(sides, whole), 0).prod(axis=1)
    return bool((shared > iou_thr * (own.prod(axis=1) + whole.prod() - shared)).any())


def _still_there(picture: Grey, template: Grey, corner: tuple[int, int], floor: float) -> bool:
    """Return whether the template is plainly still at its own place.

    Then a search all around would not end below `floor` either, and where it ends does not matter
    if no box is near. The doubtful are searched for: two sums may round in different ways.
    """
    x, y = corner
    place = picture[y : y + template.shape[0], x : x + template.shape[1]]
    if place.shape != template.shape or float(place.std()) < _STRUCTURE:
        return False
    response = cv2.matchTemplate(place, template, cv2.TM_CCOEFF_NORMED)
    return bool(response[0, 0] > floor + _DOUBT)


def _region(box: list[float], shape: tuple[int, ...], beta: float) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    if beta == 0:
        return int(left), int(top), int(right), int(bottom)
    half_wide, half_tall = (right - left + 1) / 2 + beta, (bottom - top + 1) / 2 + beta
    x, y = (left + right) / 2, (top + bottom) / 2
    return (
        int(max(0, x - half_wide)),
        int(max(0, y - half_tall)),
        int(min(shape[1] - 1, x + half_wide)),
        int(min(shape[0] - 1, y + half_tall)),
    )


def _search(picture: Grey, template: Grey, region: tuple[int, int, int, int]) -> _Match:
    left, top, right, bottom = region
    window = picture[top : bottom + 1, left : right + 1]
    response = cv2.matchTemplate(window, template, cv2.TM_CCOEFF_NORMED)
    # Not cv2.minMaxLoc: of equal maxima the first one in row order is wanted.
    place = int(np.argmax(response))
    y, x = divmod(place, response.shape[1])
    return float(response[y, x]), (x, y)


def _overlap(boxes: _Floats, box: _Floats) -> float:
    """Return the largest intersection over union of `boxes` with `box`, borders counted in."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.where((sides < 0).any(axis=1), 0.0, (sides[:, 0] + 1) * (sides[:, 1] + 1))
    areas = (boxes[:, 2] - boxes[:, 0] + 1) * (boxes[:, 3] - boxes[:, 1] + 1)
    union = areas + (box[2] - box[0] + 1) * (box[3] - box[1] + 1) - shared
    return float(np.max(shared / np.where(union == 0, np.inf, union)))
