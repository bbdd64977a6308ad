"""What a classifier returns is checked before anything rests on it."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.errors import DecodeError, ModelError
from reelabel.media.pictures import write_jpeg
from reelabel.models.classifier_pool import ClassifierPool, classify_pictures


class Fixed:
    """A classifier that returns what it was given."""

    name, classes, fingerprint = "fixed", ("a", "b"), "f"
    exclusive, frames, step_s, fit_wh, batch_size = True, 1, 0.0, None, 2

    def __init__(self, row):
        self.row = row

    def open(self):
        """Return the function that classifies."""
        return lambda windows: np.array([self.row] * len(windows), np.float32)


@pytest.fixture
def pictures(tmp_path):
    """Return five picture files."""
    paths = [tmp_path / f"{i}.jpg" for i in range(5)]
    for path in paths:
        write_jpeg(path, np.zeros((8, 8, 3), np.uint8))
    return paths


@pytest.mark.parametrize("row", [[np.nan, 0.5], [np.inf, 0], [0.2, 0.3, 0.5]])
def test_a_broken_answer_is_an_error(pictures, row):
    """NaN, infinite values and another number of classes are refused, naming the model."""
    with pytest.raises(ModelError, match="fixed: expected finite probabilities"):
        classify_pictures(ClassifierPool(Fixed(row)), [[p] for p in pictures])


def test_every_moment_is_answered_in_order(pictures):
    """Batches of two of five moments; progress counts moments."""
    done = []
    found = classify_pictures(
        ClassifierPool(Fixed([0.25, 0.75])), [[p] for p in pictures], done.append
    )
    assert found.tolist() == [[0.25, 0.75]] * 5
    assert done == [2, 4, 5]


def test_a_missing_picture_is_named(pictures):
    """The error says which file it is."""
    pictures[3].unlink()
    with pytest.raises(DecodeError, match=r"3\.jpg"):
        classify_pictures(ClassifierPool(Fixed([1, 0])), [[p] for p in pictures])
