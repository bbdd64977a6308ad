"""Procedural walls and floors for synthetic footage: noise octaves, stripes, blobs.

A texture is a function of a random generator and a size; it returns ``(height, width, 3)`` float32
RGB in 0..255. Lengths are given for a picture 240 pixels high and multiplied by ``unit``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""``(height, width)`` or ``(height, width, 3)`` float32."""

Rgb = tuple[float, float, float]
Texture = Callable[[Generator, tuple[int, int], float], Plane]


@dataclass(frozen=True)
class Place:
    """A wall above a floor.

    Attributes:
        wall: what is above the horizon.
        floor: what is below it.
        sway_px: how far the wall moves to and fro, as leaves in the wind do.
    """

    wall: Texture
    floor: Texture
    sway_px: float = 0.0


def backdrop(place: Place, rng: Generator, size_wh: tuple[int, int], horizon: int) -> Plane:
    """Return the whole still background of a place: wall above `horizon`, floor below it."""
    w, h = size_wh
    unit = h / 240
    wall = place.wall(rng, (w, horizon), unit)
    floor = place.floor(rng, (w, h - horizon), unit)
    floor *= np.linspace(0.82, 1.06, h - horizon, dtype=np.float32)[:, None, None]
    picture = np.concatenate([wall, floor])
    # A soft shadow where the wall meets the floor.
    rows = np.arange(h, dtype=np.float32) - horizon
    shade = 1 - 0.35 * np.exp(-np.abs(rows) / np.where(rows < 0, 3, 9) / unit)
    shaded: Plane = np.clip(picture * shade[:, None, None], 0, 255).astype(np.float32)
    return shaded


def octaves(rng: Generator, size_wh: tuple[int, int], cell_xy: tuple[float, float]) -> Plane:
    """Return cloudy noise in 0..1: four grids of random numbers, each finer and fainter."""
    w, h = size_wh
    total = np.zeros((h, w), np.float32)
    for level in range(4):
        cells = [max(1.0, cell / 2**level) for cell in cell_xy]
        grid = rng.standard_normal((int(h / cells[1]) + 3, int(w / cells[0]) + 3), np.float32)
        total += cv2.resize(grid, (w, h), interpolation=cv2.INTER_CUBIC) * 0.6**level
    result: Plane = np.clip(0.5 + 0.25 * total / max(float(total.std()), 1e-6), 0, 1)
    return result


def blend(low: Rgb, high: Rgb, share: NDArray[np.floating]) -> Plane:
    """Return colours between `low` and `high`, by a share 0..1: ``(h, w)`` -> ``(h, w, 3)``."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    result: Plane = a + (b - a) * share[..., None].astype(np.float32)
    return result


def _grid(size_wh: tuple[int, int]) -> tuple[Plane, Plane]:
    """Return the x and y of each pixel."""
    x, y = np.arange(size_wh[0], dtype=np.float32), np.arange(size_wh[1], dtype=np.float32)
    return np.broadcast_to(x, size_wh[::-1]), np.broadcast_to(y[:, None], size_wh[::-1])


def _hashed(rng: Generator, column: Plane, row: Plane) -> Plane:
    """Return one random number in 0..1 for each cell of a lattice."""
    table = rng.random((64, 64), np.float32)
    result: Plane = table[row.astype(int) % 64, column.astype(int) % 64]
    return result


def foliage(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Hedge: green noise, lighter on top, with leaves that catch the light."""
    _, y = _grid(size_wh)
    coarse = octaves(rng, size_wh, (38 * unit, 30 * unit))
    leaves = octaves(rng, size_wh, (7 * unit, 6 * unit))
    light = np.clip(0.9 * coarse + 0.55 * leaves - 0.35, 0, 1) * (1.1 - 0.5 * y / size_wh[1])
    return blend((18, 38, 20), (150, 178, 84), light)


def bricks(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Brick wall: rows of bricks of slightly different colours, light joints."""
    x, y = _grid(size_wh)
    high, long = 11 * unit, 27 * unit
    row = np.floor(y / high)
    column = np.floor(x / long + 0.5 * (row % 2))
    tone = 0.6 * _hashed(rng, column, row) + 0.4 * octaves(rng, size_wh, (16 * unit, 8 * unit))
    wall = blend((108, 54, 42), (186, 112, 84), tone)
    joint = (y % high < 1.4 * unit) | ((x + 0.5 * long * (row % 2)) % long < 1.4 * unit)
    wall[joint] = wall[joint] * 0.25 + np.array((176, 168, 156), np.float32) * 0.75
    return wall


def lights(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Evening street out of focus: dark, with soft discs of light."""
    _, y = _grid(size_wh)
    wall = blend((14, 18, 38), (62, 52, 78), y / size_wh[1])
    wall += 14 * octaves(rng, size_wh, (50 * unit, 50 * unit))[..., None]
    tints = np.array([(255, 190, 92), (255, 120, 80), (130, 190, 255), (255, 232, 190)], np.float32)
    for _ in range(max(6, size_wh[0] // int(24 * unit + 1))):
        at = (int(rng.integers(size_wh[0])), int(rng.integers(size_wh[1])))
        disc = np.zeros(size_wh[::-1], np.float32)
        cv2.circle(disc, at, int(rng.uniform(4, 15) * unit), 1.0, -1, cv2.LINE_AA)
        disc = cv2.GaussianBlur(disc, (0, 0), 1.2 * unit)
        wall += disc[..., None] * tints[rng.integers(4)] * rng.uniform(0.15, 0.5)
    return wall


def sky(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Blue sky with clouds over distant hills."""
    x, y = _grid(size_wh)
    clouds = np.clip(octaves(rng, size_wh, (90 * unit, 26 * unit)) * 2.2 - 0.9, 0, 1)
    air = blend((96, 150, 214), (190, 214, 232), y / size_wh[1])
    air += (np.array((246, 246, 246), np.float32) - air) * 0.8 * clouds[..., None]
    ridge = octaves(rng, (size_wh[0], 1), (80 * unit, 1))[0]
    hills = y > size_wh[1] * (0.62 + 0.28 * ridge[x.astype(int)])
    woods = blend((58, 84, 66), (104, 128, 88), octaves(rng, size_wh, (12 * unit, 8 * unit)))
    return np.where(hills[..., None], woods, air)


def stands(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Full stands: rows of seats with small many-coloured spectators."""
    x, y = _grid(size_wh)
    wide, high = 8 * unit, 11 * unit
    row = np.floor(y / high)
    column = np.floor(x / wide + 0.5 * (row % 2))
    tone = rng.uniform(40, 190, (64, 64, 1)) + rng.uniform(-46, 46, (64, 64, 3))
    shirts = np.clip(tone, 20, 230).astype(np.float32)[
        row.astype(int) % 64, column.astype(int) % 64
    ]
    across, down = (x / wide + 0.5 * (row % 2)) % 1 - 0.5, y % high / high
    head = np.hypot(across * wide, (down - 0.28) * high) < 0.17 * high
    body = (np.abs(across) < 0.36) & (down > 0.42)  # noqa: PLR2004 -- shares of a seat
    seats = blend((46, 50, 66), (78, 80, 96), octaves(rng, size_wh, (30 * unit, 6 * unit)))
    crowd = np.where(body[..., None], shirts, seats)
    crowd[head] = (206, 162, 132)
    crowd *= (0.55 + 0.45 * octaves(rng, size_wh, (60 * unit, 40 * unit)))[..., None]
    seen: Plane = cv2.GaussianBlur(crowd, (0, 0), 0.9 * unit)
    return seen


def curtain(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Folded cloth: vertical stripes of light and shade."""
    x, y = _grid(size_wh)
    wave = octaves(rng, size_wh, (40 * unit, 160 * unit))
    folds = 0.5 + 0.5 * np.sin(x / (5.2 * unit) + 9 * wave + y / (180 * unit))
    return blend((52, 26, 58), (152, 92, 142), 0.75 * folds + 0.25 * wave)


def grass(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Lawn, mown in stripes."""
    x, y = _grid(size_wh)
    mown = (np.floor((x + 0.9 * y) / (44 * unit)) % 2) * 0.28
    blades = octaves(rng, size_wh, (4 * unit, 5 * unit))
    patches = octaves(rng, size_wh, (60 * unit, 26 * unit))
    return blend((44, 84, 32), (128, 168, 76), 0.42 * blades + 0.35 * patches + mown)


def parquet(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Gym floor: boards of different tones, with a coloured line."""
    x, y = _grid(size_wh)
    high, long = 9 * unit, 70 * unit
    row = np.floor(y / high)
    column = np.floor((x + 31 * unit * row) / long)
    grain = octaves(rng, size_wh, (40 * unit, 2.5 * unit))
    wood = blend((148, 98, 54), (216, 168, 112), 0.6 * _hashed(rng, column, row) + 0.4 * grain)
    wood[y % high < 0.9 * unit] *= 0.8
    line = np.abs(y - 0.45 * x + 30 * unit) < 3 * unit
    wood[line] = wood[line] * 0.3 + np.array((58, 86, 148), np.float32) * 0.7
    return wood


def clay(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Clay court with white lines."""
    x, y = _grid(size_wh)
    dust = 0.5 * octaves(rng, size_wh, (70 * unit, 20 * unit))
    court = blend((150, 78, 48), (208, 128, 86), dust + 0.5 * octaves(rng, size_wh, (3, 3)))
    lines = (np.abs(y - 0.55 * size_wh[1]) < 2 * unit) | (np.abs(x - y - 60 * unit) < 2.6 * unit)
    court[lines] = court[lines] * 0.25 + np.array((236, 230, 220), np.float32) * 0.75
    return court


def tiles(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Checked stone tiles."""
    x, y = _grid(size_wh)
    side = 34 * unit
    u, v = (x + 0.6 * y) / side, y / (0.5 * side)
    checked = (np.floor(u) + np.floor(v)) % 2
    stone = octaves(rng, size_wh, (24 * unit, 10 * unit))
    floor = blend((116, 120, 128), (204, 204, 198), 0.6 * checked + 0.4 * stone)
    joint = (u % 1 < 0.05) | (v % 1 < 0.07)  # noqa: PLR2004 -- shares of a tile
    floor[joint] *= 0.8
    return floor


def asphalt(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Play ground: grey grain, painted in two colours."""
    x, y = _grid(size_wh)
    grain = 0.6 * octaves(rng, size_wh, (2.5, 2.5)) + 0.4 * octaves(rng, size_wh, (50 * unit, 24))
    ground = blend((72, 76, 84), (138, 140, 146), grain)
    painted = np.hypot((x - 0.55 * size_wh[0]) / 2.4, y - 0.6 * size_wh[1])
    ground[painted < 34 * unit] *= np.array((0.72, 0.98, 1.12), np.float32)
    ground[np.abs(painted - 34 * unit) < 1.6 * unit] += 70
    return ground


def carpet(rng: Generator, size_wh: tuple[int, int], unit: float) -> Plane:
    """Woven carpet: slanted stripes."""
    x, y = _grid(size_wh)
    stripes = 0.5 + 0.5 * np.sin((x - 1.7 * y) / (7 * unit)) * np.sin((x + y) / (23 * unit))
    wool = octaves(rng, size_wh, (2.5, 2.5))
    return blend((44, 70, 78), (158, 152, 128), 0.65 * stripes + 0.35 * wool)


PLACES = (
    Place(foliage, grass, sway_px=0.8),
    Place(bricks, tiles),
    Place(lights, parquet),
    Place(sky, clay),
    Place(bricks, clay),
    Place(foliage, parquet, sway_px=0.5),
    Place(sky, grass),
    Place(lights, tiles),
)
"""Places of the footage that is labelled and trained on."""

UNSEEN_PLACES = (Place(stands, asphalt, sway_px=0.3), Place(curtain, carpet))
"""Places of the footage that is kept out of training: nothing of them is in `PLACES`."""
