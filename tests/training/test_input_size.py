"""The input size that is chosen by the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.training.boxes.input_size import used_image_size
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingPicture, TrainingSet


def data_of(side_px, size_wh):
    """Return one picture of this size with a square object."""
    xyxy = np.array([[10, 10, 10 + side_px, 10 + side_px]], np.float32)
    boxes = Boxes(xyxy, np.ones(1), np.zeros(1))
    return TrainingSet(("ball",), (TrainingPicture(Path("a.png"), size_wh, boxes),))


@pytest.mark.parametrize(
    ("side_px", "size_wh", "expected"),
    [
        (128, (1280, 720), 640),
        (400, (1280, 720), 416),
        (40, (1280, 720), 640),
        (16, (1280, 720), 1280),
        (10, (640, 640), 1280),
        (5, (640, 640), 1280),
        (10, (500, 400), 1024),
        (100, (300, 300), 320),
    ],
)
def test_the_median_object_decides(side_px, size_wh, expected):
    """Objects get about 128 pixels within 320 to 640; small ones more, enlarged at most twofold."""
    settings = BoxTrainSettings(image_size=0)
    assert used_image_size(data_of(side_px, size_wh), settings) == expected


@pytest.mark.parametrize(("size_wh", "expected"), [((1280, 720), 480), ((300, 300), 320)])
def test_a_size_that_is_set_stays_within_the_footage(size_wh, expected):
    """Small objects or not: pictures are enlarged only where the labels choose the size."""
    assert used_image_size(data_of(5, size_wh), BoxTrainSettings(image_size=480)) == expected
