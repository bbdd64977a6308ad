"""A small world with known truth: textured objects over a textured ground, filmed and detected.

Objects move, hide behind pillars and behind each other, come and go with cuts; the camera may pan
or shake. A detector looks at it that misses boxes, shakes them, invents some, and is unsure of its
scores. Some places fool it again and again, and some real objects never move.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Picture = NDArray[np.uint8]
SIZE_WH = (480, 320)
_MARGIN = 200
_JERK_PX = 90
_PILLAR_PX = 36
INVENTED, STAIN, DOUBLE = -1, -2, -3
"""What `World.source` says of boxes that are none: anywhere, at a place that fools the detector
again, or beside the true box of an object."""
_STAY = 4
"""A false box on an object stays for so many frames on average."""


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
        lasting: how much of that error is still there one frame later, 0..1.
        doubles: false boxes on a part of an object, or more than it, per visible true box; each
            stays for some frames.
        objects: how many move at a time.
        lanes: whether they walk along lanes, to and fro, and hide each other where they meet;
            otherwise they swing through the picture.
        scale: how much larger those that walk are than usual.
        pace_px: how fast the slowest and the fastest of them walk, per frame.
        shake_px: standard deviation of the camera's place around its path.
        stains: places where the detector sees something now and then, unsure, that is none.
        parked: objects that never move and are seen surely.
        leaving: objects that stand still, are seen now and then, unsure, and are gone halfway.
    """

    name: str
    drop: float = 0.0
    clutter: float = 0.0
    cuts: int = 0
    pan_px: float = 0.0
    noise: float = 0.03
    lasting: float = 0.0
    doubles: float = 0.0
    objects: int = 6
    lanes: bool = False
    scale: float = 1.0
    pace_px: tuple[float, float] = (1.5, 4.0)
    shake_px: float = 0.0
    stains: int = 0
    parked: int = 0
    leaving: int = 0

    @property
    def present(self) -> int:
        """Return how many real objects there are at a time."""
        return self.objects + self.parked + self.leaving


LEVELS = (
    Level("easy", 0.0, 0.05),
    Level("drop 10 %", 0.1, 0.05),
    Level("drop 20 %", 0.2, 0.1),
    Level("drop 40 %", 0.4, 0.2),
    Level("cuts", 0.2, 0.1, cuts=4),
    Level("pan", 0.2, 0.1, pan_px=4.0),
    Level("all", 0.4, 0.2, cuts=4, pan_px=4.0),
    Level("shake", 0.2, 0.1, shake_px=6.0),
    Level("crossing", 0.1, 0.05, objects=10, lanes=True),
    Level("crowd", 0.2, 0.1, objects=16, lanes=True),
    Level(
        "street",
        0.1,
        0.02,
        noise=0.07,
        lasting=0.7,
        doubles=0.1,
        objects=9,
        lanes=True,
        scale=1.8,
        pace_px=(0.2, 3.0),
    ),
    Level("static", 0.1, 0.05, objects=3, stains=4, parked=3, leaving=2),
)


class _Sight(NamedTuple):
    """How the detector sees something: in which share of frames, and with which scores."""

    missed: float
    mean: float = 0.72
    spread: float = 0.18


_SURE = _Sight(0.05, 0.85, 0.08)
_NOW_AND_THEN = _Sight(0.7, 0.4, 0.08)


@dataclass(frozen=True)
class World:
    """What happened, what was filmed, and what the detector said.

    Attributes:
        frame, identity, xyxy: the truth, one row per object and frame in which it is visible.
        pictures: uint8 ``(height, width)`` per frame.
        boxes: the detections.
        source: ``(n,)`` the truth row of each detection, `INVENTED`, `STAIN` or `DOUBLE`.
        shot_starts, shift_xy: cuts and the camera's motion, true or found.
    """

    frame: Ints
    identity: Ints
    xyxy: Floats
    pictures: list[Picture]
    boxes: BoxSequence
    source: Ints
    shot_starts: list[int]
    shift_xy: Floats


@dataclass(frozen=True)
class _Shot:
    """One shot: its pictures, boxes ``(frames, objects, 4)``, which show, and the camera's way."""

    pictures: list[Picture]
    boxes: Floats
    visible: Bools
    way: Floats


def make(level: Level, seed: int, frames: int = 240) -> World:
    """Make a world of one level."""
    rng = np.random.default_rng(seed)
    starts = np.linspace(0, frames, level.cuts + 2).astype(int)
    shots = [_shot(rng, level, int(b - a)) for a, b in pairwise(starts)]
    rows = [np.nonzero(shot.visible) for shot in shots]
    frame = np.concatenate([t + at for (t, _), at in zip(rows, starts, strict=False)])
    number = np.concatenate([k for _, k in rows])
    identity = np.concatenate([k + i * level.present for i, (_, k) in enumerate(rows)])
    xyxy = np.concatenate([shot.boxes[r] for shot, r in zip(shots, rows, strict=True)])
    boxes, source = _detect(rng, level, (frame, number, xyxy), frames)
    shift = [-np.diff(shot.way, axis=0, prepend=shot.way[:1]) for shot in shots]
    pictures = [picture for shot in shots for picture in shot.pictures]
    cuts = starts[1:-1].tolist()
    return World(frame, identity, xyxy, pictures, boxes, source, cuts, np.concatenate(shift))


def _texture(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Return structure of several sizes around a grey value of its own."""
    layers = [
        cv2.resize(rng.normal(0, 25, (max(2, height // k), max(2, width // k))), (width, height))
        for k in (4, 12, 40)
    ]
    return np.clip(sum(layers) + rng.uniform(80, 170), 0, 255).astype(np.uint8)


def _shot(rng: np.random.Generator, level: Level, frames: int) -> _Shot:
    """Film one shot."""
    width, height = SIZE_WH
    jerk_px = _JERK_PX if level.shake_px else 0
    wide = width + 2 * _MARGIN + int(level.pan_px * frames)
    ground = _texture(rng, height + 2 * jerk_px, wide)
    sizes = rng.uniform(24, 64, (level.objects, 2))
    if level.lanes:
        sizes = (np.array([22, 48]) + (sizes - 24) * [0.3, 0.5]) * level.scale
    looks = [_texture(rng, int(h), int(w)) for w, h in sizes]
    centre = _lanes(rng, level, frames) if level.lanes else _paths(rng, frames, level.objects)
    pillar = _texture(rng, height + 2 * jerk_px, _PILLAR_PX)
    pillar_x = int(rng.uniform(150, 300))
    corner = centre - sizes // 2
    boxes = np.round(np.concatenate((corner, corner + sizes.astype(int)), axis=2))
    if level.parked + level.leaving:
        boxes, looks = _with_still(rng, level, boxes, looks)
    jerk = _jerks(rng, level.shake_px, frames)
    way = np.outer(np.arange(frames), [level.pan_px, 0]) + jerk
    boxes -= np.tile(jerk, 2)[:, None]
    pictures, visible = [], np.zeros(boxes.shape[:2], bool)
    for t in range(frames):
        x, y = (way[t] + [_MARGIN // 2, jerk_px]).astype(int)
        picture = ground[y : y + height, x : x + width].copy()
        pillar_box = np.array([pillar_x - jerk[t, 0], -jerk_px - jerk[t, 1]])
        here = [(look, box) for look, box in zip(looks, boxes[t], strict=True)]
        visible[t] = _painted(picture, [*here, (pillar, pillar_box)])
        noisy = picture + rng.normal(0, 3, picture.shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return _Shot(pictures, boxes, visible, way)


def _jerks(rng: np.random.Generator, shake_px: float, frames: int) -> Floats:
    """Return whole pixels by which the camera strays from its path, ``(frames, 2)``."""
    if not shake_px:
        return np.zeros((frames, 2))
    return np.clip(np.round(rng.normal(0, shake_px, (frames, 2))), -_JERK_PX, _JERK_PX)


def _paths(rng: np.random.Generator, frames: int, objects: int) -> Floats:
    """Return centres that swing smoothly through the picture, ``(frames, objects, 2)``."""
    t = np.arange(frames)[:, None, None]
    rate, phase = rng.uniform(0.01, 0.035, (1, objects, 2)), rng.uniform(0, 6.3, (1, objects, 2))
    half = np.array(SIZE_WH) / 2
    result: Floats = half + (half - 45) * np.sin(rate * t + phase)
    return result


def _lanes(rng: np.random.Generator, level: Level, frames: int) -> Floats:
    """Return centres that go to and fro along four lanes, ``(frames, objects, 2)``."""
    t, objects = np.arange(frames)[:, None], level.objects
    width, height = SIZE_WH
    speed, phase = rng.uniform(*level.pace_px, objects), rng.uniform(0, 2 * np.pi, objects)
    # The arc sine of a sine rises and falls in straight lines; a little less turns smoothly.
    course = np.arcsin(0.97 * np.sin(np.pi * speed * t / (width - 60) + phase)) / (np.pi / 2)
    lane = 50 + np.arange(objects) % 4 * (height - 100) / 3 + rng.uniform(-12, 12, objects)
    sway = 4 * np.sin(rng.uniform(0.02, 0.05, objects) * t + rng.uniform(0, 6.3, objects))
    result: Floats = np.stack((width / 2 + course * (width - 60) / 2, lane + sway), axis=2)
    return result


def _with_still(
    rng: np.random.Generator, level: Level, boxes: Floats, looks: list[Picture]
) -> tuple[Floats, list[Picture]]:
    """Add objects that never move, behind those that do; boxes of the gone lie outside."""
    n = level.parked + level.leaving
    sizes = rng.integers(28, 56, (n, 2))
    corner = (rng.uniform(0.05, 0.95, (n, 2)) * (np.array(SIZE_WH) - sizes)).astype(int)
    still = np.tile(np.concatenate((corner, corner + sizes), axis=1), (len(boxes), 1, 1))
    still[len(boxes) // 2 :, level.parked :] -= 10_000
    more = [_texture(rng, int(h), int(w)) for w, h in sizes]
    return np.concatenate((still, boxes), axis=1), [*more, *looks]


def _painted(picture: Picture, things: list[tuple[Picture, Floats]]) -> Bools:
    """Paint things one over the other; return which of all but the last one show well."""
    owner = np.full(picture.shape, -1)
    for number, (look, box) in enumerate(things):
        x, y = int(box[0]), int(box[1])
        left, top = max(x, 0), max(y, 0)
        piece = look[max(top - y, 0) : max(picture.shape[0] - y, 0)]
        piece = piece[:, max(left - x, 0) : max(picture.shape[1] - x, 0)]
        picture[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
        owner[top : top + piece.shape[0], left : left + piece.shape[1]] = number
    shown = np.bincount(owner[owner >= 0], minlength=len(things))[:-1]
    result: Bools = shown > 0.6 * np.array([look.size for look, _ in things[:-1]])
    return result


def _detect(
    rng: np.random.Generator, level: Level, truth: tuple[Ints, Ints, Floats], frames: int
) -> tuple[BoxSequence, Ints]:
    frame, number, xyxy = truth
    sight = np.array([_SURE] * level.parked + [_NOW_AND_THEN] * level.leaving
                     + [_Sight(level.drop)] * level.objects)[number]  # fmt: skip
    found = np.flatnonzero(rng.random(len(frame)) >= sight[:, 0])
    seen = _shaken(rng, xyxy[found], level.noise)
    if level.lasting:
        seen = xyxy[found] + _lasting(seen - xyxy[found], frame[found], number[found], level)
    score = np.clip(rng.normal(sight[found, 1], sight[found, 2]), 0.1, 0.99)
    n = round(level.clutter * len(frame))
    where, false = rng.integers(0, frames, n), _anywhere(rng, n)
    sure = np.clip(rng.normal(0.72, 0.18, n), 0.1, 0.99)
    keep = _off_objects(where, false, (frame, xyxy))
    parts = [(frame[found], seen, score, found)]
    parts += [(where[keep], false[keep], sure[keep], np.full(keep.sum(), INVENTED))]
    if level.doubles:
        parts += [_doubles(rng, level, (frame, number, xyxy))]
    parts += [_stain(rng, level, (frame, xyxy), frames) for _ in range(level.stains)]
    t, boxes, scores, source = (np.concatenate(column) for column in zip(*parts, strict=True))
    return BoxSequence.of(t, boxes, scores, np.zeros(len(t), np.int64)), source


def _shaken(rng: np.random.Generator, xyxy: Floats, noise: float) -> Floats:
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    result: Floats = xyxy + rng.normal(0, 1, xyxy.shape) * noise * sides
    return result


def _anywhere(rng: np.random.Generator, n: int) -> Floats:
    size = rng.uniform(24, 70, (n, 2))
    corner = rng.uniform(0, 1, (n, 2)) * (np.array(SIZE_WH) - size)
    return np.concatenate((corner, corner + size), axis=1)


def _off_objects(where: Ints, false: Floats, truth: tuple[Ints, Floats]) -> Bools:
    frame, xyxy = truth
    on_object = [
        paired_iou(box, xyxy[frame == t]).max(initial=0) > 0.2
        for t, box in zip(where, false, strict=True)
    ]
    return ~np.array(on_object, bool)


def _stain(
    rng: np.random.Generator, level: Level, truth: tuple[Ints, Floats], frames: int
) -> tuple[Ints, Floats, Floats, Ints]:
    """Return frames, boxes, scores and sources of one place that fools the detector."""
    place = _anywhere(rng, 1)
    where = np.flatnonzero(rng.random(frames) >= _NOW_AND_THEN.missed)
    false = _shaken(rng, np.repeat(place, len(where), axis=0), level.noise)
    score = np.clip(rng.normal(*_NOW_AND_THEN[1:], len(where)), 0.1, 0.99)
    keep = _off_objects(where, false, truth)
    return where[keep], false[keep], score[keep], np.full(int(keep.sum()), STAIN)


def _lasting(error: Floats, frame: Ints, number: Ints, level: Level) -> Floats:
    """Let errors last: each is a mixture of the one before of the same object and its own."""
    result, share = error.copy(), level.lasting
    order = np.lexsort((frame, number))
    for before, now in pairwise(order.tolist()):
        if number[before] == number[now]:
            kept = share ** (frame[now] - frame[before])
            result[now] = kept * result[before] + np.sqrt(1 - kept**2) * error[now]
    return result


def _doubles(
    rng: np.random.Generator, level: Level, truth: tuple[Ints, Ints, Floats]
) -> tuple[Ints, Floats, Floats, Ints]:
    """Return false boxes on objects; each keeps its place on its object while it stays."""
    frame, number, xyxy = truth
    parts = []
    for row in np.flatnonzero(rng.random(len(frame)) < level.doubles / _STAY):
        stay = frame[row] + rng.geometric(1 / _STAY)
        rows = np.flatnonzero((number == number[row]) & (frame >= frame[row]) & (frame < stay))
        change = rng.uniform(-0.15, 0.5, 4) * [1, 1, -1, -1]
        sides = np.tile(xyxy[rows, 2:] - xyxy[rows, :2], 2)
        boxes = _shaken(rng, xyxy[rows] + change * sides, level.noise / 2)
        score = np.clip(rng.normal(0.65, 0.18, len(rows)), 0.1, 0.99)
        parts += [(frame[rows], boxes, score, np.full(len(rows), DOUBLE))]
    t, boxes, score, source = (np.concatenate(column) for column in zip(*parts, strict=True))
    return t, boxes, score, source
