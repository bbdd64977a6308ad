"""What moves in synthetic footage: balls, distractors, shadows and paths.

Everything is drawn as a `Sprite`: how much of each pixel it covers, averaged over the exposure, and
with which colour. Motion blur is the average of eight instants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from reelabel.synthetic.scenery import Plane, Rgb

INSTANTS = 8
"""Moments of the exposure that are averaged."""

Path2d = NDArray[np.float32]
"""``(frames * INSTANTS, 2)`` float32: x and y of a centre in pixels."""

Kind = Literal["soccer", "basket", "tennis", "beach", "stripe", "plain"]
Shape = Literal["square", "bar", "ring"]

_LIGHT = (-0.45, -0.65, 0.62)


@dataclass(frozen=True)
class Ball:
    """A textured ball on its path.

    Attributes:
        radius: in pixels.
        spin: turns per frame.
        floor_y: where its shadow lies.
        colours: the main colour and the colour of the pattern, RGB 0..255.
    """

    path: Path2d
    radius: float
    kind: Kind
    spin: float
    floor_y: float
    colours: tuple[Rgb, Rgb]


@dataclass(frozen=True)
class Distractor:
    """Something of the colour of a ball that is none.

    Attributes:
        radius: half its size in pixels.
        spin: turns per frame.
        in_front: whether it passes before the balls.
    """

    path: Path2d
    radius: float
    shape: Shape
    spin: float
    colour: Rgb
    in_front: bool


@dataclass(frozen=True)
class Post:
    """An upright post in front of everything: from x to x + width, above the row `foot_y`."""

    x: float
    width: float
    foot_y: float
    colour: Rgb


@dataclass(frozen=True)
class Sprite:
    """A part of the picture that an object covers.

    Attributes:
        x, y: the pixel of its top left corner; it may lie outside the picture.
        alpha: ``(h, w)`` share of each pixel that is covered during the exposure, 0..1.
        colour: ``(h, w, 3)`` RGB 0..255, multiplied by the share.
        ball: position in the shot's balls, None if it is none.
    """

    x: int
    y: int
    alpha: Plane
    colour: Plane
    ball: int | None = None


def ball_sprite(ball: Ball, frame: int, view_xy: Plane, shutter: float) -> Sprite:
    """Return the ball as it is seen in a frame by a camera at `view_xy` ``(INSTANTS, 2)``."""
    centres = seen_path(ball.path, frame, shutter) - view_xy
    corner, dx, dy = _around(centres, ball.radius)
    far = np.hypot(dx, dy)
    alpha = np.clip(ball.radius + 0.5 - far, 0, 1)
    turned = (frame + shutter * _moments()) * ball.spin * 2 * np.pi
    colour = _ball_colour(ball, dx / ball.radius, dy / ball.radius, turned)
    return Sprite(*corner, alpha.mean(0), (colour * alpha[..., None]).mean(0))


def distractor_sprite(distractor: Distractor, frame: int, view_xy: Plane, shutter: float) -> Sprite:
    """Return a distractor as it is seen in a frame; see `ball_sprite`."""
    centres = seen_path(distractor.path, frame, shutter) - view_xy
    corner, dx, dy = _around(centres, 1.45 * distractor.radius)
    turned = (frame + shutter * _moments()) * distractor.spin * 2 * np.pi
    cos, sin = np.cos(turned)[:, None, None], np.sin(turned)[:, None, None]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    alpha = np.clip(0.5 - _distance(distractor, u, v), 0, 1)
    light = (0.86 - 0.2 * v / distractor.radius)[..., None]
    colour = np.clip(np.array(distractor.colour, np.float32) * light, 0, 255)
    return Sprite(*corner, alpha.mean(0), (colour * alpha[..., None]).mean(0))


def shadow_sprite(ball: Ball, frame: int, view_xy: Plane, shutter: float) -> Sprite:
    """Return the soft shadow of a ball on the floor: fainter and wider the higher it is."""
    centre = seen_path(ball.path, frame, shutter).mean(0)
    height = max(0.0, ball.floor_y - float(centre[1]))
    spread = ball.radius * (1 + height / (12 * ball.radius))
    at = np.array([[centre[0], ball.floor_y + 0.85 * ball.radius]], np.float32) - view_xy.mean(0)
    corner, dx, dy = _around(at, 1.6 * spread)
    soft = np.exp(-((dx[0] / spread) ** 2 + (dy[0] / (0.32 * spread)) ** 2) * 1.4)
    alpha = soft * 0.28 * (ball.radius / spread) ** 2
    return Sprite(*corner, alpha, np.zeros((*alpha.shape, 3), np.float32))


def post_sprite(post: Post, view_xy: Plane) -> Sprite:
    """Return a post: round, lit from the left."""
    x, y = float(view_xy[:, 0].mean()), float(view_xy[:, 1].mean())
    left = post.x - x
    columns = np.arange(int(np.floor(left)) - 1, int(np.ceil(left + post.width)) + 1)
    inside = np.clip(np.minimum(columns + 1 - left, left + post.width - columns), 0, 1)
    height = max(1, round(post.foot_y - y))
    across = (columns + 0.5 - left) / post.width
    light = 0.55 + 0.6 * np.exp(-(((across - 0.3) / 0.28) ** 2))
    colour = np.clip(light[:, None] * np.array(post.colour), 0, 255) * inside[:, None]
    alpha = np.broadcast_to(inside.astype(np.float32), (height, len(columns)))
    return Sprite(
        int(columns[0]), 0, alpha, np.broadcast_to(colour.astype(np.float32), (*alpha.shape, 3))
    )


def seen_path(path: Path2d, frame: int, shutter: float) -> Plane:
    """Return where a centre is at each instant of the exposure: ``(INSTANTS, 2)``."""
    at = (frame + shutter * _moments()) * INSTANTS
    steps = np.arange(len(path))
    seen: Plane = np.stack([np.interp(at, steps, path[:, i]) for i in range(2)], 1)
    return seen.astype(np.float32)


def _moments() -> Plane:
    """Return the instants of the exposure as shares of it."""
    moments: Plane = ((np.arange(INSTANTS) + 0.5) / INSTANTS).astype(np.float32)
    return moments


def _around(centres: Plane, reach: float) -> tuple[tuple[int, int], Plane, Plane]:
    """Return the corner of the pixels within reach of any centre, and their offsets from each."""
    low = np.floor(centres.min(0) - reach - 1).astype(int)
    high = np.ceil(centres.max(0) + reach + 1).astype(int)
    x = np.arange(low[0], high[0], dtype=np.float32) + np.float32(0.5)
    y = np.arange(low[1], high[1], dtype=np.float32) + np.float32(0.5)
    shape = (len(centres), len(y), len(x))
    dx: Plane = np.broadcast_to(x[None, None, :] - centres[:, 0, None, None], shape)
    dy: Plane = np.broadcast_to(y[None, :, None] - centres[:, 1, None, None], shape)
    return (int(low[0]), int(low[1])), dx, dy


def _distance(distractor: Distractor, u: Plane, v: Plane) -> Plane:
    """Return the signed distance of each point to the edge, in pixels; negative is inside."""
    r = distractor.radius
    if distractor.shape == "ring":
        ring: Plane = np.abs(np.hypot(u, v) - np.float32(0.78 * r)) - np.float32(0.2 * r)
        return ring
    half = (0.86 * r, 0.86 * r) if distractor.shape == "square" else (1.3 * r, 0.34 * r)
    box: Plane = np.maximum(np.abs(u) - half[0], np.abs(v) - half[1])
    return box


def _ball_colour(ball: Ball, nx: Plane, ny: Plane, turned: Plane) -> Plane:
    """Return the lit colour of a ball at the points (nx, ny) of the unit disc."""
    nz = np.sqrt(np.clip(1 - nx**2 - ny**2, 0, 1))
    cos, sin = np.cos(turned)[:, None, None], np.sin(turned)[:, None, None]
    # Rolling in the plane of the picture about an axis that leans a little towards the viewer.
    x, y = cos * nx + sin * ny, cos * ny - sin * nx
    body = np.stack([0.8 * x + 0.6 * nz, y, 0.8 * nz - 0.6 * x], -1)
    main, second = (np.array(c, np.float32) for c in ball.colours)
    share = _pattern(ball.kind, body)[..., None]
    # Written out: a matrix product may round differently from call to call.
    diffuse = np.clip(nx * _LIGHT[0] + ny * _LIGHT[1] + nz * _LIGHT[2], 0, 1)[..., None]
    colour = (main * (1 - share) + second * share) * (0.5 + 0.55 * diffuse)
    lit: Plane = np.clip(colour + 150 * np.clip(diffuse - 0.86, 0, 1) ** 1.5 * 10, 0, 255)
    return lit


def _pattern(kind: Kind, body: Plane) -> Plane:
    """Return how much of the second colour is at each point of the ball's surface, 0..1."""
    x, y, z = body[..., 0], body[..., 1], body[..., 2]
    if kind == "soccer":
        share = np.clip((_nearness(x, y, z) - 0.9) * 14, 0, 1)
    elif kind == "basket":
        seams = np.minimum(np.minimum(np.abs(x), np.abs(y)), np.abs(z**2 - 0.5))
        share = np.clip(1.4 - seams * 12, 0, 1) * 0.8
    elif kind == "tennis":
        share = np.clip(1.5 - np.abs(x**2 - y * 0.6 - 0.25) * 9, 0, 1)
    elif kind == "beach":
        share = np.clip(0.5 + 3 * np.sin(3 * np.arctan2(y, x)), 0, 1)
    elif kind == "stripe":
        share = np.clip(0.5 + 5 * (0.35 - np.abs(y)), 0, 1)
    else:
        share = np.zeros_like(x)
    result: Plane = share
    return result


def _nearness(x: Plane, y: Plane, z: Plane) -> Plane:
    """Return the cosine of the angle to the nearest dark panel of a soccer ball."""
    x, y, z = np.abs(x), np.abs(y), np.abs(z)  # the panels lie in mirror symmetry
    long, short = np.float32(0.8507), np.float32(0.5257)  # golden ratio to 1, at length 1
    return np.maximum(np.maximum(short * x + long * y, short * y + long * z), short * z + long * x)


@dataclass(frozen=True)
class Bounds:
    """Where a path may go: from `left` to `right`, above `floor_y`; lengths in pixels."""

    left: float
    right: float
    floor_y: float
    height: float


def bounce_path(rng: Generator, bounds: Bounds, frames: int, *, wait: int = 0) -> Path2d:
    """Return a fall under gravity with bounces at the floor and the sides.

    A ball that has become slow is thrown up again. For the first `wait` frames it lies still.
    """
    gravity = rng.uniform(0.8, 1.25) * bounds.height / 240 / INSTANTS**2
    keep = rng.uniform(0.78, 0.9)
    strong = np.sqrt(2 * gravity * bounds.floor_y * rng.uniform(0.5, 0.85))
    at = np.array([rng.uniform(bounds.left, bounds.right), bounds.floor_y])
    speed = np.array([rng.uniform(0.8, 3.4) * rng.choice([-1, 1]) * bounds.height / 1920, -strong])
    if not wait:
        at[1] = bounds.floor_y * rng.uniform(0.2, 0.6)
        speed[1] = 0
    steps = np.empty((frames * INSTANTS, 2), np.float32)
    for i in range(len(steps)):
        steps[i] = at
        if i < wait * INSTANTS:
            continue
        speed[1] += gravity
        at += speed
        _bounce(at, speed, bounds, keep)
        if at[1] == bounds.floor_y and abs(speed[1]) < 0.45 * strong:
            speed[1] = -strong
    return steps


def roll_path(rng: Generator, bounds: Bounds, frames: int) -> Path2d:
    """Return a path along the floor, to and fro between the sides."""
    speed = np.array([rng.uniform(1.2, 3.6) * rng.choice([-1, 1]) * bounds.height / 1920, 0.0])
    at = np.array([rng.uniform(bounds.left, bounds.right), bounds.floor_y])
    steps = np.empty((frames * INSTANTS, 2), np.float32)
    for i in range(len(steps)):
        steps[i] = at
        at += speed
        _bounce(at, speed, bounds, 1.0)
    return steps


def drift_path(rng: Generator, bounds: Bounds, frames: int) -> Path2d:
    """Return a slow swaying flight within the bounds."""
    t = np.arange(frames * INSTANTS) / INSTANTS
    phase, rate = rng.uniform(0, 6.28, 2), rng.uniform(0.02, 0.06, 2)
    middle = np.array([
        rng.uniform(bounds.left, bounds.right),
        bounds.floor_y * rng.uniform(0.3, 0.8),
    ])
    swing = np.array([rng.uniform(0.15, 0.4), rng.uniform(0.06, 0.2)]) * bounds.height
    path: Path2d = (middle + swing * np.sin(rate * t[:, None] + phase)).astype(np.float32)
    return path


def _bounce(
    at: NDArray[np.float64], speed: NDArray[np.float64], bounds: Bounds, keep: float
) -> None:
    """Reverse the speed at the bounds, in place."""
    if at[1] > bounds.floor_y:
        at[1], speed[1] = bounds.floor_y, -keep * abs(speed[1])
    if at[0] < bounds.left:
        at[0], speed[0] = bounds.left, abs(speed[0])
    elif at[0] > bounds.right:
        at[0], speed[0] = bounds.right, -abs(speed[0])
