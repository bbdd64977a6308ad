"""The input size that is chosen before a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image
from reelabel.models.input_size import SIZES, choose_size
from reelabel.models.self_agreement import BothViews, agreement, objects

PICTURES = [np.zeros((72, 128, 3), np.uint8)] * 6


def views_at(error_px: Callable[[int], float], score: float = 0.9) -> Callable[[int], BothViews]:
    """Return the views of a detector whose boxes lie off to the right by a size's error.

    The error does not turn with a mirror image, so that both views differ by twice as much.
    """

    def at(size: int) -> BothViews:
        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            off = error_px(size)
            box = np.array([[54 + off, 30, 74 + off, 50]], np.float32)
            one = Boxes(box, np.array([score], np.float32), np.zeros(1, np.int64))
            return [one] * len(pictures)

        return BothViews.of(predict, PICTURES, 0.5)

    return at


@pytest.mark.parametrize("best", [320, 640, 1024])
def test_the_size_with_the_smallest_error_is_chosen(best):
    """Where a network's boxes are right, its views agree."""
    found = choose_size(views_at(lambda w: abs(np.log(w / best)) * 6), 1280)
    assert found.image_size == best


def test_of_sizes_that_are_equally_good_the_smallest_is_taken():
    """A larger input costs more and yields nothing here."""
    found = choose_size(views_at(lambda _: 0.0), 1280)
    assert found.image_size == SIZES[0]


def test_sizes_beyond_the_largest_are_not_tried():
    """Pictures need not be made larger than they are."""
    found = choose_size(views_at(lambda w: 1000 / w), 640)
    assert set(found.agreement) == {size for size in SIZES if size <= 640}


def test_the_search_ends_where_larger_inputs_are_worse():
    """The largest inputs cost most; they are left out once two in turn are worse."""
    found = choose_size(views_at(lambda w: w / 320), 1280)
    assert max(found.agreement) == SIZES[2]


def test_nothing_is_chosen_by_a_handful_of_weak_boxes():
    """Agreement over objects that are hardly found is chance."""
    assert choose_size(views_at(lambda _: 0.0, 0.1), 1280).image_size is None


def test_agreement_of_nothing_is_none():
    """Two views without boxes show nothing about a network."""
    nothing = [Boxes.empty()] * 2
    assert (agreement(nothing, nothing), objects(nothing)) == (0.0, 0.0)
