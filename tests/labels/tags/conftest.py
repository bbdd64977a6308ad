"""Rendered videos of four kinds of places, some frames of which show something else."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from reelabel.labels.tags.claims import TaggedMoments
from reelabel.media.quality import measure
from reelabel.models.registry import load_embedder
from reelabel.synthetic import scenery
from reelabel.synthetic.footage import make_shot

WALLS = {
    "hedge": scenery.foliage,
    "bricks": scenery.bricks,
    "street": scenery.lights,
    "sky": scenery.sky,
}
FLOORS = (scenery.grass, scenery.parquet, scenery.clay, scenery.tiles, scenery.asphalt)
VIDEOS, FRAMES, OFF_TOPIC = 48, 10, 2
SIZE_WH = (128, 96)


def card(rng):
    """Return a title card: text on one colour."""
    picture = np.full((SIZE_WH[1], SIZE_WH[0], 3), rng.integers(0, 90, 3), np.uint8)
    for line in range(int(rng.integers(1, 4))):
        text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTU"), 6))
        at = (12, 30 + 22 * line)
        cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.7, (240, 240, 240), 1)
    return picture


def black(rng):
    """Return a nearly black frame with a little noise."""
    noise = rng.normal(rng.uniform(0, 8), 1.2, (SIZE_WH[1], SIZE_WH[0], 1))
    return np.clip(noise, 0, 255).astype(np.uint8).repeat(3, axis=2)


def frames_of(seed, wall, floor):
    """Return the frames of one rendered video, and one of the same kind of place elsewhere."""
    place = scenery.Place(wall, floor)
    shot = make_shot(seed, frames=60, size_wh=SIZE_WH, place=place, pan_px=30)
    return [shot.draw(int(i))[0] for i in np.linspace(0, 59, FRAMES)]


@dataclass(frozen=True)
class Rendered:
    """The rendered videos.

    Attributes:
        video: ``(n,)`` names of the videos.
        label: ``(n,)`` the true class of each video.
        off_topic: ``(n,)``: card, black, scene, or empty.
        features, entropy_bits, sharpness: ``(n, d)``, ``(n,)``, ``(n,)``.
    """

    video: np.ndarray
    label: np.ndarray
    off_topic: np.ndarray
    features: np.ndarray
    entropy_bits: np.ndarray
    sharpness: np.ndarray

    def moments(self, label, *, group=None, quality=True):
        """Return what is claimed where each video has these labels."""
        return TaggedMoments(
            classes=tuple(WALLS),
            video=self.video,
            group=self.video if group is None else group,
            features=self.features,
            target=np.eye(len(WALLS))[label],
            entropy_bits=self.entropy_bits if quality else None,
            sharpness=self.sharpness if quality else None,
        )

    def flipped(self, seed, share=0.2):
        """Return labels of which some videos have a wrong one, and which rows these are."""
        rng = np.random.default_rng(seed)
        names = np.unique(self.video)
        wrong = rng.choice(names, round(share * len(names)), replace=False)
        shift = dict(zip(wrong, rng.integers(1, len(WALLS), len(wrong)), strict=True))
        added = np.array([shift.get(name, 0) for name in self.video])
        return (self.label + added) % len(WALLS), added > 0


@pytest.fixture(scope="session")
def rendered() -> Rendered:
    """Return 48 videos of 10 frames, a fifth of each off topic."""
    rng = np.random.default_rng(0)
    label = np.arange(VIDEOS) % len(WALLS)
    walls = list(WALLS.values())
    own = [
        frames_of(int(rng.integers(2**31)), walls[c], FLOORS[rng.integers(len(FLOORS))])
        for c in label
    ]
    kinds = np.full((VIDEOS, FRAMES), "", dtype="<U5")
    pictures = []
    for number, frames in enumerate(own):
        kind = ("card", "black", "scene")[number % 3]
        at = int(rng.integers(FRAMES - OFF_TOPIC + 1))
        kinds[number, at : at + OFF_TOPIC] = kind
        other = own[(number + 1) % VIDEOS]
        made = {"card": card, "black": black, "scene": lambda _, other=other: other[5]}[kind]
        pictures += [
            *frames[:at],
            *(made(rng) for _ in range(OFF_TOPIC)),
            *frames[at + OFF_TOPIC :],
        ]
    quality = [measure(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)) for picture in pictures]
    return Rendered(
        video=np.repeat([f"video_{i:02}" for i in range(VIDEOS)], FRAMES),
        label=np.repeat(label, FRAMES),
        off_topic=kinds.ravel(),
        features=load_embedder("tiny").open()(pictures),
        entropy_bits=np.array([q.entropy_bits for q in quality]),
        sharpness=np.array([q.sharpness for q in quality]),
    )
