"""Footage with exactly known truth: balls that bounce, rendered from nothing but a seed.

It holds what a detector meets in real footage: textured balls under gravity with motion blur,
hoops, boxes and bars of the same colours, posts that hide them, slowly panning cameras, swaying
leaves, noise, drifting brightness, and hard cuts. A frame depends on its shot
and number alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator

from reelabel.data.boxes import Boxes
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import UsageError
from reelabel.files import write_json
from reelabel.formats.coco import write_coco
from reelabel.media.convert import Picture
from reelabel.media.encode import VideoWriter
from reelabel.synthetic.objects import (
    INSTANTS,
    Ball,
    Bounds,
    Distractor,
    Kind,
    Post,
    Shape,
    bounce_path,
    drift_path,
    roll_path,
)
from reelabel.synthetic.scenery import PLACES, UNSEEN_PLACES, Place, Plane, Rgb, backdrop
from reelabel.synthetic.shot import FrameTruth, Shot, visible_box

__all__ = [
    "FPS",
    "HELD_OUT",
    "MANIFEST",
    "TRUTH",
    "FrameTruth",
    "Shot",
    "make_shot",
    "render",
    "visible_box",
]

FPS = 25
"""Frames per second of all footage."""

HELD_OUT = 2
"""How many videos are made in addition, to be kept out of training."""

TRUTH, MANIFEST = "truth.json", "manifest.json"
"""The files beside the videos: COCO truth, and which videos are held out."""

SHAPES: tuple[Shape, ...] = ("square", "square", "bar", "bar", "ring")
"""What the distractors of a shot are drawn from: hoops, which have a ball's outline, are rare."""
_CATEGORY = "ball"
_LEAST_SIDE, _LEAST_FRAMES = 64, 2
_COLOURS: tuple[tuple[Kind, Rgb, Rgb], ...] = (
    ("soccer", (236, 236, 232), (34, 34, 40)),
    ("basket", (216, 112, 44), (60, 34, 24)),
    ("tennis", (206, 222, 70), (244, 246, 236)),
    ("beach", (226, 62, 54), (244, 240, 230)),
    ("stripe", (48, 98, 196), (240, 222, 92)),
    ("plain", (196, 44, 72), (0, 0, 0)),
)


def make_shot(
    seed: int,
    *,
    frames: int,
    size_wh: tuple[int, int] = (320, 240),
    place: Place = PLACES[0],
    pan_px: float = 0.0,
    shapes: Sequence[Shape] = SHAPES,
) -> Shot:
    """Return the shot that a seed determines.

    Args:
        seed: decides textures, balls, distractors, paths, noise.
        frames: how long it lasts.
        size_wh: picture size in pixels; everything in it is scaled with the height.
        place: wall and floor.
        pan_px: how far the camera moves sideways over the whole shot, in pixels.
        shapes: what each distractor is drawn from.
    """
    rng = np.random.default_rng(seed)
    w, h = size_wh
    horizon = round(h * rng.uniform(0.56, 0.7))
    camera = _camera(rng, frames, pan_px)
    wide = w + int(np.ceil(camera[:, 0].max())) + 4
    tall = h + 4
    balls = _balls(rng, frames, (wide, h), horizon)
    return Shot(
        size_wh=size_wh,
        backdrop=backdrop(place, rng, (wide, tall), horizon),
        horizon=horizon,
        camera_xy=camera,
        sway_px=place.sway_px * h / 240,
        balls=balls,
        distractors=_distractors(rng, frames, (wide, h), horizon, shapes=shapes),
        posts=_posts(rng, (wide, h), horizon),
        shutter=float(rng.uniform(0.35, 0.7)),
        gain=_gain(rng, frames),
        noise=float(rng.uniform(1.5, 3.5)),
        seed=seed,
    )


def _camera(rng: Generator, frames: int, pan_px: float) -> Plane:
    """Return a pan that starts and ends gently, with a slight unrest if it moves at all."""
    t = np.arange(frames * INSTANTS) / max(1, frames * INSTANTS - 1)
    x = abs(pan_px) * t * t * (3 - 2 * t)
    x = x if pan_px >= 0 else abs(pan_px) - x
    rate, phase = rng.uniform(3, 6), rng.uniform(0, 6.28)
    y = 2 + (1.2 * np.sin(rate * t * 2 * np.pi + phase) if pan_px else np.zeros_like(t))
    return np.stack([x, y], 1).astype(np.float32)


def _gain(rng: Generator, frames: int) -> Plane:
    t = np.arange(frames)
    wave = np.sin(2 * np.pi * t / rng.uniform(70, 160) + rng.uniform(0, 6.28))
    gain: Plane = (1 + rng.uniform(0.01, 0.06) * wave).astype(np.float32)
    return gain


def _bounds(rng: Generator, size_wh: tuple[int, int], horizon: int, reach: float) -> Bounds:
    """Return bounds with a random floor line; some reach a little beyond the picture."""
    w, h = size_wh
    outside = rng.choice([0.0, 0.0, 2.5]) * reach
    floor = rng.uniform(horizon + 0.1 * (h - horizon), h - 0.2 * (h - horizon)) - reach
    return Bounds(reach - outside, w - reach + outside, max(1.0, floor), h)


def _balls(rng: Generator, frames: int, size_wh: tuple[int, int], horizon: int) -> tuple[Ball, ...]:
    """Return one to three balls; some roll, some lie still for a while at first."""
    balls = []
    for _ in range(int(rng.integers(1, 4))):
        radius = rng.uniform(5, 14) * size_wh[1] / 240
        bounds = _bounds(rng, size_wh, horizon, radius)
        kind, main, second = _COLOURS[rng.integers(len(_COLOURS))]
        if rng.random() < 0.2:  # noqa: PLR2004 -- one ball in five rolls
            path = roll_path(rng, bounds, frames)
        else:
            wait = int(rng.choice([0, 0, frames // 4]))
            path = bounce_path(rng, bounds, frames, wait=wait)
        spin = float(rng.uniform(0.01, 0.05) * rng.choice([-1, 1]))
        balls.append(Ball(path, radius, kind, spin, bounds.floor_y, (main, second)))
    return tuple(balls)


def _distractors(
    rng: Generator,
    frames: int,
    size_wh: tuple[int, int],
    horizon: int,
    *,
    shapes: Sequence[Shape],
) -> tuple[Distractor, ...]:
    """Return two to four boxes, bars and hoops, thrown or drifting."""
    distractors = []
    for _ in range(int(rng.integers(2, 5))):
        radius = rng.uniform(6, 14) * size_wh[1] / 240
        bounds = _bounds(rng, size_wh, horizon, radius)
        move = bounce_path if rng.random() < 0.5 else drift_path  # noqa: PLR2004 -- half of them
        colour = _COLOURS[rng.integers(len(_COLOURS))][1]
        shape = shapes[int(rng.integers(len(shapes)))]
        spin = float(rng.uniform(0.004, 0.03) * rng.choice([-1, 1]))
        distractors.append(
            Distractor(
                move(rng, bounds, frames), radius, shape, spin, colour, bool(rng.integers(2))
            )
        )
    return tuple(distractors)


def _posts(rng: Generator, size_wh: tuple[int, int], horizon: int) -> tuple[Post, ...]:
    """Return up to two posts in the foreground."""
    w, h = size_wh
    count = int(rng.choice([0, 1, 1, 2]))
    colours: tuple[Rgb, ...] = ((88, 92, 100), (146, 110, 74), (58, 66, 60))
    return tuple(
        Post(
            x=float(w * rng.uniform(0.12 + 0.45 * i, 0.42 + 0.45 * i)),
            width=float(rng.uniform(8, 16) * h / 240),
            foot_y=float(rng.uniform(0.6 * horizon + 0.4 * h, h)),
            colour=colours[rng.integers(len(colours))],
        )
        for i in range(count)
    )


@dataclass(frozen=True)
class _ShotPlan:
    """The arguments of a shot; `pan_share` is how many picture widths the camera moves."""

    seed: int
    frames: int
    place: Place
    pan_share: float


@dataclass(frozen=True)
class _VideoPlan:
    """A video to be rendered: its shots one after the other."""

    name: str
    size_wh: tuple[int, int]
    shots: tuple[_ShotPlan, ...]
    held_out: bool
    shapes: tuple[Shape, ...] = SHAPES

    @property
    def cuts(self) -> list[int]:
        """The frames at which a new shot begins, but for the first."""
        return [int(at) for at in np.cumsum([shot.frames for shot in self.shots])[:-1]]

    def frames(self) -> Iterator[tuple[Picture, FrameTruth]]:
        """Draw frame by frame, with one shot in memory at a time."""
        for plan in self.shots:
            shot = make_shot(
                plan.seed,
                frames=plan.frames,
                size_wh=self.size_wh,
                place=plan.place,
                pan_px=plan.pan_share * self.size_wh[0],
                shapes=self.shapes,
            )
            yield from (shot.draw(i) for i in range(plan.frames))


def render(
    folder: Path,
    *,
    videos: int = 6,
    frames: int = 120,
    size_wh: tuple[int, int] = (320, 240),
    seed: int = 0,
    shapes: Sequence[Shape] = SHAPES,
    log: Callable[[float, str], None] | None = None,
) -> Path:
    """Write videos, their truth and a manifest, and return the path of the truth (COCO).

    ``video_00.mp4`` ... are to be labelled and trained on; ``held_out_00.mp4`` and
    ``held_out_01.mp4`` are made in addition, in places that the others do not show. The manifest
    names them, and where the cuts are.

    Args:
        folder: is made if it is missing; files of the same names are replaced.
        videos: how many to train on, 1 and above.
        frames: frames of each, 2 and above.
        size_wh: width and height in pixels, even numbers, at least 64.
        seed: decides everything else.
        shapes: what each distractor is drawn from.
        log: called with the share done, 0..1, and the name of the video.

    Raises:
        UsageError: if a number is out of its range.
        MediaError: if a video cannot be written.
        WorkspaceError: if a file or the folder cannot be.
    """
    _check(videos, frames, size_wh)
    plans = [replace(plan, shapes=tuple(shapes)) for plan in _plans(videos, frames, size_wh, seed)]
    images: list[ImageEntry] = []
    boxes: list[Boxes] = []
    for i, video in enumerate(plans):
        if log is not None:
            log(i / len(plans), video.name)
        with VideoWriter(folder / video.name, time_base=Fraction(1, FPS), rate=FPS) as writer:
            for index, (picture, truth) in enumerate(video.frames()):
                writer.write(picture, index)
                images.append(_image(video, index))
                boxes.append(_boxes(truth))
    write_json(folder / MANIFEST, _manifest(plans, frames, seed))
    write_coco(folder / TRUTH, Dataset((_CATEGORY,), tuple(images), tuple(boxes)))
    return folder / TRUTH


def _check(videos: int, frames: int, size_wh: tuple[int, int]) -> None:
    even = all(side % 2 == 0 for side in size_wh)
    if videos < 1 or frames < _LEAST_FRAMES or min(size_wh) < _LEAST_SIDE or not even:
        raise UsageError(
            f"expected at least 1 video of {_LEAST_FRAMES} frames with even sides from "
            f"{_LEAST_SIDE} pixels up, but got {videos} of {frames} frames in "
            f"{size_wh[0]} x {size_wh[1]}"
        )


def _plans(videos: int, frames: int, size_wh: tuple[int, int], seed: int) -> list[_VideoPlan]:
    """Choose the shots of each video, and those of the held-out ones from the unseen places."""
    rng = np.random.default_rng(seed)
    places = [PLACES[k] for k in rng.permutation(len(PLACES))]
    plans = [
        _VideoPlan(f"video_{i:02}.mp4", size_wh, _shots(rng, i, frames, places), held_out=False)
        for i in range(videos)
    ]
    for i in range(HELD_OUT):
        shots = _shots(rng, i, frames, UNSEEN_PLACES)
        plans.append(_VideoPlan(f"held_out_{i:02}.mp4", size_wh, shots, held_out=True))
    return plans


def _shots(
    rng: Generator, number: int, frames: int, places: Sequence[Place]
) -> tuple[_ShotPlan, ...]:
    """Make every third camera pan slowly, and cut every third video in the middle."""
    pans, has_cut = number % 3 == 1, (number + 1) % 3 == 0
    lengths = [frames - frames // 2, frames // 2] if has_cut else [frames]
    return tuple(
        _ShotPlan(
            seed=int(rng.integers(2**31)),
            frames=length,
            place=places[(number + 3 * i) % len(places)],
            pan_share=float(rng.choice([-1, 1]) * rng.uniform(0.1, 0.3)) * pans,
        )
        for i, length in enumerate(lengths)
    )


def _image(video: _VideoPlan, index: int) -> ImageEntry:
    return ImageEntry(
        file_name=f"{Path(video.name).stem}/{index:06}.jpg",
        width=video.size_wh[0],
        height=video.size_wh[1],
        video=video.name,
        frame_index=index,
        pts_time=index / FPS,
        complete=(0,),
    )


def _boxes(truth: FrameTruth) -> Boxes:
    """Return the balls of a frame: the number of each is its track, its visible share `extra`."""
    n = len(truth.xyxy)
    extra = [{"visible": round(visible, 3)} for visible in truth.visible.tolist()]
    return Boxes(
        np.round(truth.xyxy.astype(np.float64), 2).astype(np.float32),
        np.full(n, np.nan, np.float32),
        np.zeros(n, np.int64),
        track_id=truth.ball.astype(np.int64),
        extra=np.array(extra, np.object_),
    )


def _manifest(plans: list[_VideoPlan], frames: int, seed: int) -> dict[str, Any]:
    return {
        "seed": seed,
        "fps": FPS,
        "truth": TRUTH,
        "footage": [video.name for video in plans if not video.held_out],
        "held_out": [video.name for video in plans if video.held_out],
        "videos": [
            {
                "file_name": video.name,
                "frames": frames,
                "cuts": video.cuts,
                "moving_camera": any(shot.pan_share for shot in video.shots),
            }
            for video in plans
        ],
    }
