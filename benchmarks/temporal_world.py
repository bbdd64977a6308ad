"""A small world with known truth: textured objects over a textured ground, filmed and detected.

Objects move, hide behind pillars, come and go with cuts; the camera may pan. A detector looks at
it that misses boxes, shakes them, invents some, and is unsure of its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.temporal.sequence import BoxSequence, paired_iou

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SIZE_WH = (480, 320)
_MARGIN = 200


@dataclass(frozen=True)
class Level:
    """How hard the world is.

    Attributes:
        name: how the level is called in tables.
        drop: share of visible boxes that the detector misses.
        clutter: false boxes per visible true box.
        cuts: how many cuts there are.
        pan_px: how far the camera moves per frame.
        noise: standard deviation of box edges, as a share of the box's side.
    """

    name: str
    drop: float = 0.0
    clutter: float = 0.0
    cuts: int = 0
    pan_px: float = 0.0
    noise: float = 0.03


LEVELS = (
    Level("easy", 0.0, 0.05),
    Level("drop 10 %", 0.1, 0.05),
    Level("drop 20 %", 0.2, 0.1),
    Level("drop 40 %", 0.4, 0.2),
    Level("cuts", 0.2, 0.1, cuts=4),
    Level("pan", 0.2, 0.1, pan_px=4.0),
    Level("all", 0.4, 0.2, cuts=4, pan_px=4.0),
)


@dataclass(frozen=True)
class World:
    """What happened, what was filmed, and what the detector said.

    Attributes:
        frame, identity, xyxy: the truth, one row per object and frame in which it is visible.
        pictures: uint8 ``(height, width)`` per frame.
        boxes: the detections.
        source: ``(n,)`` the truth row of each detection, -1 = invented.
        shot_starts, shift_xy: cuts and the camera's true motion.
    """

    frame: Ints
    identity: Ints
    xyxy: Floats
    pictures: list[NDArray[np.uint8]]
    boxes: BoxSequence
    source: Ints
    shot_starts: list[int]
    shift_xy: Floats


def make(level: Level, seed: int, frames: int = 240, objects: int = 6) -> World:
    """Make a world of one level."""
    rng = np.random.default_rng(seed)
    starts = np.linspace(0, frames, level.cuts + 2).astype(int)
    parts = [_shot(rng, level, int(b - a), objects) for a, b in pairwise(starts)]
    pictures = [picture for part in parts for picture in part[0]]
    truth = [_truth(part[1], part[2], int(at), k * objects) for k, (part, at) in enumerate(
        zip(parts, starts, strict=False)
    )]  # fmt: skip
    frame, identity, xyxy = (np.concatenate(column) for column in zip(*truth, strict=True))
    shift = np.tile([-level.pan_px, 0.0], (frames, 1))
    shift[starts[:-1]] = 0
    boxes, source = _detect(rng, level, (frame, xyxy), frames)
    shot_starts = starts[1:-1].tolist()
    return World(frame, identity, xyxy, pictures, boxes, source, shot_starts, shift)


def _texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """Return structure of several sizes around a grey value of its own."""
    layers = [
        cv2.resize(rng.normal(0, 25, (max(2, height // k), max(2, width // k))), (width, height))
        for k in (4, 12, 40)
    ]
    return np.clip(sum(layers) + rng.uniform(80, 170), 0, 255).astype(np.uint8)


def _shot(
    rng: np.random.Generator, level: Level, frames: int, objects: int
) -> tuple[list[NDArray[np.uint8]], Floats, NDArray[np.bool_]]:
    """Film one shot; return pictures, boxes ``(frames, objects, 4)`` and which are visible."""
    width, height = SIZE_WH
    wide = width + 2 * _MARGIN + int(level.pan_px * frames)
    ground = _texture(rng, height, wide)
    sizes = rng.uniform(24, 64, (objects, 2))
    looks = [_texture(rng, int(h), int(w)) for w, h in sizes]
    centre = _paths(rng, frames, objects)
    pillar = _texture(rng, height, 36)
    pillar_x = int(rng.uniform(150, 300))
    pictures, visible = [], np.zeros((frames, objects), bool)
    boxes = np.concatenate((centre - sizes // 2, centre - sizes // 2 + sizes.astype(int)), axis=2)
    boxes = np.round(boxes)
    for t in range(frames):
        left = int(level.pan_px * t) + _MARGIN // 2
        picture = ground[:, left : left + width].copy()
        owner = np.full(picture.shape, -1)
        for k, look in enumerate(looks):
            _paste(picture, owner, (look, boxes[t, k], k))
        _paste(picture, owner, (pillar, np.array([pillar_x, 0, pillar_x + 36, height]), objects))
        noisy = picture + rng.normal(0, 3, picture.shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.uint8))
        shown = np.bincount(owner[owner >= 0], minlength=objects)[:objects]
        visible[t] = shown > 0.6 * np.floor(sizes).prod(axis=1)
    return pictures, boxes, visible


def _paths(rng: np.random.Generator, frames: int, objects: int) -> Floats:
    """Return centres that swing smoothly through the picture, ``(frames, objects, 2)``."""
    t = np.arange(frames)[:, None, None]
    rate, phase = rng.uniform(0.01, 0.035, (1, objects, 2)), rng.uniform(0, 6.3, (1, objects, 2))
    half = np.array(SIZE_WH) / 2
    result: Floats = half + (half - 45) * np.sin(rate * t + phase)
    return result


def _paste(
    picture: NDArray[np.uint8], owner: Ints, what: tuple[NDArray[np.uint8], Floats, int]
) -> None:
    look, box, number = what
    x, y = int(box[0]), int(box[1])
    left, top = max(x, 0), max(y, 0)
    piece = look[top - y : picture.shape[0] - y, left - x : picture.shape[1] - x]
    picture[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
    owner[top : top + piece.shape[0], left : left + piece.shape[1]] = number


def _truth(
    boxes: Floats, visible: NDArray[np.bool_], at: int, first: int
) -> tuple[Ints, Ints, Floats]:
    t, k = np.nonzero(visible)
    return t + at, k + first, boxes[t, k]


def _detect(
    rng: np.random.Generator, level: Level, truth: tuple[Ints, Floats], frames: int
) -> tuple[BoxSequence, Ints]:
    frame, xyxy = truth
    found = np.flatnonzero(rng.random(len(frame)) >= level.drop)
    sides = np.tile(xyxy[found, 2:] - xyxy[found, :2], 2)
    seen = xyxy[found] + rng.normal(0, 1, (len(found), 4)) * level.noise * sides
    score = np.clip(rng.normal(0.72, 0.18, len(found)), 0.1, 0.99)
    n = round(level.clutter * len(frame))
    where, size = rng.integers(0, frames, n), rng.uniform(24, 70, (n, 2))
    corner = rng.uniform(0, 1, (n, 2)) * (np.array(SIZE_WH) - size)
    false = np.concatenate((corner, corner + size), axis=1)
    on_object = [
        paired_iou(box, xyxy[frame == t]).max(initial=0) > 0.2
        for t, box in zip(where, false, strict=True)
    ]
    keep = ~np.array(on_object, bool)
    boxes = BoxSequence(
        np.concatenate((frame[found], where[keep])),
        np.concatenate((seen, false[keep])),
        np.concatenate((score, np.clip(rng.normal(0.72, 0.18, n), 0.1, 0.99)[keep])),
        np.zeros(len(found) + int(keep.sum()), np.int64),
    )
    return boxes, np.concatenate((found, np.full(int(keep.sum()), -1)))
