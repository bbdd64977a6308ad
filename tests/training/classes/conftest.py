"""What the tests of classifiers share: tiny data sets of coloured and of moving squares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

COLOURS_BGR = {"red": (40, 40, 220), "blue": (220, 60, 40)}
DIRECTIONS = {"leftward": -1, "rightward": 1}
SIZE_WH = (48, 32)


def picture(rng: np.random.Generator, x: int, colour: tuple[int, int, int]) -> np.ndarray:
    """Return a noisy grey picture with a square."""
    image = rng.integers(90, 140, (SIZE_WH[1], SIZE_WH[0], 3)).astype(np.uint8)
    return cv2.rectangle(image, (x, 10), (x + 9, 19), colour, -1)


def write(folder: Path, split: str, moments: list[dict], classes: list[str], **more) -> None:
    """Write a split."""
    whole = {"version": 1, "classes": classes, "exclusive": True, "moments": moments, **more}
    (folder / f"{split}.json").write_text(json.dumps(whole))


def moment(name: str, pictures: list[str], classes: dict[str, int]) -> dict:
    """Return an entry of a split."""
    return {
        "video": name, "pts": 0, "until_pts": len(pictures) - 1, "pictures": pictures,
        "classes": classes, "weight": 1.0, "group": name,
    }  # fmt: skip


@pytest.fixture(scope="session")
def coloured(tmp_path_factory) -> Path:
    """Return a data set of single pictures whose class is the colour of a square."""
    folder = tmp_path_factory.mktemp("coloured")
    for split, seed, count in (("train", 0, 12), ("val", 1, 6)):
        rng, moments = np.random.default_rng(seed), []
        for i in range(count):
            colour = list(COLOURS_BGR)[i % 2]
            name = f"{split}{i}.png"
            image = picture(rng, int(rng.integers(2, 36)), COLOURS_BGR[colour])
            cv2.imwrite(str(folder / name), image)
            known = {each: int(each == colour) for each in COLOURS_BGR}
            moments.append(moment(name, [name], known))
        write(folder, split, moments, list(COLOURS_BGR))
    return folder


@pytest.fixture(scope="session")
def make_moving(tmp_path_factory) -> Callable[..., Path]:
    """Return a function that makes a data set of windows whose class is where a square moves."""

    def make(count: int = 8, frames: int = 4) -> Path:
        folder = tmp_path_factory.mktemp("moving")
        for split, seed in (("train", 0), ("val", 1)):
            rng, moments = np.random.default_rng(seed), []
            for i in range(count):
                direction = list(DIRECTIONS)[i % 2]
                names, x = [], int(rng.integers(0, 36))
                for t in range(frames):
                    names.append(f"{split}{i}_{t}.png")
                    image = picture(rng, x, COLOURS_BGR["red"])
                    cv2.imwrite(str(folder / names[-1]), image)
                    x = (x + 5 * DIRECTIONS[direction]) % 38
                known = {each: int(each == direction) for each in DIRECTIONS}
                moments.append(moment(f"{split}{i}", names, known))
            write(folder, split, moments, list(DIRECTIONS))
        return folder

    return make


@pytest.fixture(scope="session")
def moving(make_moving) -> Path:
    """Return a data set of windows of four pictures."""
    return make_moving()
