"""What the tests of the formats share: pictures on disk, and data sets in every state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.formats.entries import Entry, to_boxes, to_entries


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a picture file of 64 x 48 pixels."""
    path = tmp_path_factory.mktemp("pictures") / "any.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), 90, np.uint8))
    return path


@pytest.fixture
def always(picture: Path) -> Callable[[ImageEntry], Path]:
    """Return a function that says that every image lies in the same file."""
    return lambda _: picture


@pytest.fixture
def mixed() -> Dataset:
    """Return two labelled pictures and a background one, with boxes of all states."""
    images = (
        ImageEntry("a/one.jpg", 64, 48, split="train"),
        ImageEntry("b/two.jpg", 64, 48, split="val"),
        ImageEntry("b/empty.jpg", 64, 48, split="train"),
    )
    box = Entry.from_xywh
    one = [
        box((1.25, 2.5, 30.063, 20.125), 0),
        box((10.0, 11.0, 5.0, 6.0), 1),
        box((40.0, 1.0, 12.5, 9.0), 1, score=0.4, state="ignore", origin="teacher"),
    ]
    two = [
        box((0.0, 0.0, 64.0, 48.0), 1),
        box((3.0, 4.0, 5.0, 6.5), 0, score=0.9, state="negative", origin="tracker"),
    ]
    return Dataset(("dog", "ball"), images, (to_boxes(one), to_boxes(two), to_boxes([])))


Row = tuple[int, str, str, tuple[float, ...]]


@pytest.fixture(scope="session")
def rows() -> Callable[[Dataset], list[Row]]:
    """Return a function that lists the boxes of a data set: image, class, state, xywh."""

    def listed(dataset: Dataset) -> list[Row]:
        return [
            (i, dataset.classes[entry.class_id], entry.state, entry.xywh)
            for i, boxes in enumerate(dataset.boxes)
            for entry in to_entries(boxes)
        ]

    return listed
