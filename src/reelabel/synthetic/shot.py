"""One synthetic shot: draws its frames and gives the true boxes in them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats
from reelabel.media.convert import Picture
from reelabel.synthetic.objects import (
    INSTANTS,
    Ball,
    Distractor,
    Post,
    Sprite,
    ball_sprite,
    distractor_sprite,
    post_sprite,
    shadow_sprite,
)
from reelabel.synthetic.scenery import Plane

_EDGE = 0.25  # of a pixel must be ball
_VISIBLE = 0.3  # of a ball must be seen


@dataclass(frozen=True)
class Shot:
    """A complete description of one shot; `draw` renders any frame of it.

    Attributes:
        backdrop: the still background, larger than the picture where the camera moves.
        camera_xy: ``(frames * INSTANTS, 2)``: the picture's top left corner in the background.
        sway_px: how far the background above `horizon` moves to and fro.
        shutter: share of the frame time during which the picture is exposed, 0..1.
        gain: brightness of each frame, about 1.
        noise: standard deviation of the noise in grey levels.
    """

    size_wh: tuple[int, int]
    backdrop: Plane
    horizon: int
    camera_xy: Plane
    sway_px: float
    balls: tuple[Ball, ...]
    distractors: tuple[Distractor, ...]
    posts: tuple[Post, ...]
    shutter: float
    gain: Plane
    noise: float
    seed: int

    def draw(self, frame: int) -> tuple[Picture, FrameTruth]:
        """Return the frame ``(height, width, 3)`` uint8 RGB, and the true boxes in it."""
        view = self.camera_xy[frame * INSTANTS : (frame + 1) * INSTANTS]
        light, found = self._foreground(frame, view)
        picture = self._background(frame, view) * light[..., 3:] + light[..., :3]
        picture *= self.gain[frame]
        rng = np.random.default_rng((self.seed, frame))
        grain = rng.standard_normal(picture.shape[:2], np.float32) * self.noise
        picture += grain[..., None]
        np.rint(picture, out=picture)
        return np.clip(picture, 0, 255).astype(np.uint8), found

    def _foreground(self, frame: int, view: Plane) -> tuple[Plane, FrameTruth]:
        """Return ``(h, w, 4)``: light of all that moves, and the share of background let through.

        Sprites are composited from front to back, so that the visible share of a ball is known when
        it is drawn.
        """
        w, h = self.size_wh
        light = np.zeros((h, w, 4), np.float32)
        light[..., 3] = 1
        boxes, seen, which = [], [], []
        for sprite in self._sprites(frame, view):
            visible = _composite(light, sprite)
            share = float(visible.sum()) / max(float(sprite.alpha.sum()), 1e-6)
            box = visible_box(visible, (max(0, sprite.x), max(0, sprite.y)))
            if sprite.ball is not None and share >= _VISIBLE and box is not None:
                boxes.append(box)
                seen.append(share)
                which.append(sprite.ball)
        order = np.argsort(which)
        return light, FrameTruth(
            np.array(boxes, np.float32).reshape(-1, 4)[order],
            np.array(seen, np.float32)[order],
            np.array(which, np.int64)[order],
        )

    def _sprites(self, frame: int, view: Plane) -> list[Sprite]:
        """Return everything that stands before the background, the nearest first."""
        distractors = [
            (d.in_front, distractor_sprite(d, frame, view, self.shutter)) for d in self.distractors
        ]
        balls = [
            Sprite(p.x, p.y, p.alpha, p.colour, ball=i)
            for i, p in enumerate(ball_sprite(b, frame, view, self.shutter) for b in self.balls)
        ]
        return [
            *(post_sprite(post, view) for post in self.posts),
            *(sprite for in_front, sprite in distractors if in_front),
            *balls,
            *(sprite for in_front, sprite in distractors if not in_front),
            *(shadow_sprite(ball, frame, view, self.shutter) for ball in self.balls),
        ]

    def _background(self, frame: int, view: Plane) -> Plane:
        """Return the background in the camera's view, moved by the wind."""
        w, h = self.size_wh
        left, top = (float(v) for v in view.mean(0))
        x = np.arange(w, dtype=np.float32) + left
        y = np.arange(h, dtype=np.float32) + top
        map_x, map_y = np.meshgrid(x, y)
        if self.sway_px:
            wind = np.sin(0.06 * y + 0.23 * frame) * np.clip((self.horizon - y) / 20, 0, 1)
            map_x += self.sway_px * wind[:, None] * np.sin(0.035 * x + 0.11 * frame)
        seen: Plane = cv2.remap(
            self.backdrop, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return seen


@dataclass(frozen=True)
class FrameTruth:
    """The balls of one frame of which at least 30 % can be seen.

    Attributes:
        xyxy: ``(n, 4)`` float32: the visible extent with its motion blur, cut at the picture's
            edges: the pixels of which the ball makes at least a quarter, edges finer than pixels.
        visible: ``(n,)`` float32: share of the ball that is neither hidden nor outside, 0..1.
        ball: ``(n,)`` int64: position in the shot's balls, the same in all frames.
    """

    xyxy: Floats
    visible: NDArray[np.float32]
    ball: NDArray[np.int64]


def _composite(light: Plane, sprite: Sprite) -> Plane:
    """Composite a sprite behind all earlier ones, in place; return its visible share per pixel."""
    h, w = light.shape[:2]
    rows, columns = sprite.alpha.shape
    top, left = max(0, -sprite.y), max(0, -sprite.x)
    bottom, right = min(rows, h - sprite.y), min(columns, w - sprite.x)
    if bottom <= top or right <= left:
        return np.zeros((0, 0), np.float32)
    alpha = sprite.alpha[top:bottom, left:right]
    part = light[sprite.y + top : sprite.y + bottom, sprite.x + left : sprite.x + right]
    visible: Plane = alpha * part[..., 3]
    part[..., :3] += sprite.colour[top:bottom, left:right] * part[..., 3:]
    part[..., 3] -= visible
    return visible


def visible_box(
    share: Plane, corner_xy: tuple[int, int] = (0, 0)
) -> tuple[float, float, float, float] | None:
    """Return x1 y1 x2 y2 of the pixels covered by at least a quarter, or None if there are none.

    A pixel at the edge counts by how much of it is covered compared with its inner neighbour.

    Args:
        share: ``(h, w)`` share of each pixel that is covered, 0..1.
        corner_xy: the position of its first pixel.
    """
    if share.size == 0 or float(share.max()) < _EDGE:
        return None
    x1, x2 = _extent(share.max(0))
    y1, y2 = _extent(share.max(1))
    return corner_xy[0] + x1, corner_xy[1] + y1, corner_xy[0] + x2, corner_xy[1] + y2


def _extent(profile: NDArray[np.float32]) -> tuple[float, float]:
    covered = np.flatnonzero(profile >= _EDGE)
    first, last = int(covered[0]), int(covered[-1])
    inner = float(profile[min(first + 1, last)]), float(profile[max(last - 1, first)])
    low = first + 1 - min(1.0, float(profile[first]) / max(inner[0], float(profile[first])))
    high = last + min(1.0, float(profile[last]) / max(inner[1], float(profile[last])))
    return low, high
