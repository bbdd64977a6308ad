"""The input size that is chosen before a training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import Inputs
from reelabel.training.boxes.input_size import SIZES, choose_size
from reelabel.training.boxes.self_agreement import agreement, objects

CARD = ModelCard(kind="fake", classes=("ball",), image_size=480, flip_test=True)
PICTURES = [np.zeros((720, 1280, 3), np.uint8)] * 6


def network(error_px: Callable[[int], float], score: float = 0.9) -> Callable[..., list[Boxes]]:
    """Return a network that finds a disc in the middle, displaced to the right by a size's error.

    The error does not turn with a mirror image, so that both views differ by twice as much.
    """

    def found(images: Inputs) -> list[Boxes]:
        width = images.shape[3]
        side, off = width / 10, error_px(width) * width / 1280
        x, y = width / 2 + off, width * 9 / 32
        box = np.array([[x - side, y - side, x + side, y + side]], np.float32)
        one = Boxes(box, np.array([score], np.float32), np.zeros(1, np.int64))
        return [one] * len(images)

    return found


@pytest.mark.parametrize("best", [320, 640, 1024])
def test_the_size_with_the_smallest_error_is_chosen(best):
    """Where a network's boxes are right, its views agree."""
    found = choose_size(network(lambda w: abs(np.log(w / best)) * 60), PICTURES, CARD, 1280)
    assert found.image_size == best


def test_of_sizes_that_are_equally_good_the_smallest_is_taken():
    """A larger input costs more and yields nothing here."""
    found = choose_size(network(lambda _: 0.0), PICTURES, CARD, 1280)
    assert found.image_size == SIZES[0]


def test_sizes_beyond_the_pictures_are_not_tried():
    """Pictures are not made larger than they are."""
    found = choose_size(network(lambda w: 1000 / w), PICTURES, CARD, 640)
    assert set(found.agreement) == {size for size in SIZES if size <= 640}


def test_the_search_ends_where_larger_inputs_are_hopeless():
    """The largest inputs cost most; they are left out once two in turn are worse."""
    found = choose_size(network(lambda w: (w / 256) * 20), PICTURES, CARD, 1280)
    assert max(found.agreement) == SIZES[2]


def test_nothing_is_chosen_by_a_handful_of_weak_boxes():
    """Agreement over objects that are hardly found is chance."""
    assert choose_size(network(lambda _: 0.0, 0.1), PICTURES, CARD, 1280).image_size is None


def test_agreement_of_nothing_is_none():
    """Two views without boxes show nothing about a network."""
    nothing = [Boxes.empty()] * 2
    assert (agreement(nothing, nothing), objects(nothing)) == (0.0, 0.0)
