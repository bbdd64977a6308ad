"""What the tests of training share: a tiny data set of coloured squares."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

COLOURS_BGR = {"red": (40, 40, 220), "blue": (220, 60, 40)}


def draw_picture(path: Path, rng: np.random.Generator, colours: list[str]) -> list[list[float]]:
    """Write a noisy grey picture of 96x64 with a square of 20 per colour; return their xywh."""
    image = rng.integers(90, 140, (64, 96, 3)).astype(np.uint8)
    boxes = []
    for i, colour in enumerate(colours):
        x, y = int(rng.integers(2 + 46 * i, 26 + 46 * i)), int(rng.integers(2, 42))
        cv2.rectangle(image, (x, y), (x + 19, y + 19), COLOURS_BGR[colour], -1)
        boxes.append([x, y, 20, 20])
    cv2.imwrite(str(path), image)
    return boxes


@pytest.fixture
def squares(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a data set folder of squares."""

    def make(labelled: int = 4, background: int = 2, *, name: str = "dataset") -> Path:
        folder = tmp_path / name
        (folder / "frames").mkdir(parents=True)
        for split, seed in (("train", 0), ("val", 1)):
            coco = _coco(folder, split, (labelled, background), seed)
            (folder / f"{split}.json").write_text(json.dumps(coco))
        return folder

    return make


def _coco(folder: Path, split: str, counts: tuple[int, int], seed: int) -> dict[str, list]:
    rng, names = np.random.default_rng(seed), list(COLOURS_BGR)
    images, notes = [], []
    for i in range(sum(counts)):
        name = f"frames/{split}{i}.png"
        colours = names if i < counts[0] else []
        for colour, box in zip(colours, draw_picture(folder / name, rng, colours), strict=True):
            note = {"image_id": i + 1, "category_id": names.index(colour) + 1, "bbox": box}
            notes.append({**note, "id": len(notes) + 1, "area": 400, "iscrowd": 0, "score": 0.8})
        image = {"id": i + 1, "file_name": name, "width": 96, "height": 64, "video": "v", "pts": i}
        images.append({**image, "hard_negatives": []})
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(names)]
    return {"images": images, "annotations": notes, "categories": categories}
