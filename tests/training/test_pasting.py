"""Copy-paste augmentation: what is pasted is the object, where its new box is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from reelabel.data.boxes import iou  # noqa: E402 -- torch
from reelabel.media.pictures import read_rgb  # noqa: E402 -- torch
from reelabel.training.boxes.batches import Batches  # noqa: E402 -- torch
from reelabel.training.boxes.pasting import (  # noqa: E402 -- torch
    MOST_PASTED,
    ObjectPaster,
    cut_object,
    free_corner,
    paste,
)
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.boxes.training_set import read_training_set  # noqa: E402 -- torch
from reelabel.training.schedule import BatchItem  # noqa: E402 -- torch

SIZE = 96


def spot(xyxy=(30, 20, 50, 32), size_wh=(96, 64)):
    """Return a black picture with a white rectangle, and the rectangle's box."""
    image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    x1, y1, x2, y2 = xyxy
    image[y1:y2, x1:x2] = 255
    return image, np.array(xyxy, np.float32)


@given(
    x=st.integers(0, 70),
    y=st.integers(0, 40),
    factor=st.floats(0.8, 1.3),
    is_mirrored=st.booleans(),
)
def test_a_pasted_object_lies_in_its_box(x, y, factor, is_mirrored):
    """The bright pixels that were pasted span the box that is returned, to a pixel or two."""
    cut = cut_object(*spot()).scaled(factor)
    cut = cut.mirrored() if is_mirrored else cut
    ground = np.zeros((100, 140, 3), np.uint8)
    box = paste(ground, cut, (x, y))
    bright = np.argwhere(ground[..., 0] > 120)
    found = [*bright.min(0)[::-1], *(bright.max(0)[::-1] + 1)]
    assert np.abs(found - box).max() <= 2.5


def test_the_rim_fades_and_the_corners_stay():
    """The middle is the object's, the corners of the cut are those of the ground."""
    cut = cut_object(*spot())
    ground = np.full((64, 96, 3), 90, np.uint8)
    paste(ground, cut, (10, 10))
    width, height = cut.size_wh
    assert (ground[10 + height // 2, 10 + width // 2] == 255).all()
    assert (ground[10, 10] == 90).all()
    assert (ground[10 + height - 1, 10 + width - 1] == 90).all()


def test_objects_without_a_picture_are_not_cut():
    """A box of a pixel, or outside the picture, gives nothing to paste."""
    image, _ = spot()
    assert cut_object(image, np.array([3, 3, 4, 9], np.float32)) is None
    assert cut_object(image, np.array([200, 3, 220, 9], np.float32)) is None


@given(seed=st.integers(0, 1000))
def test_what_is_labelled_stays_uncovered(seed):
    """A place covers no label; where none is free, there is none."""
    cut = cut_object(*spot())
    rng = np.random.default_rng(seed)
    taken = np.array([[0, 0, 60, 64]], np.float32)
    corner = free_corner(cut, (140, 64), taken, rng)
    if corner is not None:
        place = np.array([[*corner, corner[0] + cut.size_wh[0], corner[1] + cut.size_wh[1]]])
        assert iou(place.astype(np.float32), taken).max() == 0
    everything = np.array([[0, 0, 140, 64]], np.float32)
    assert free_corner(cut, (140, 64), everything, rng) is None
    assert free_corner(cut, (8, 8), taken, rng) is None


def test_pasted_objects_become_labels_of_their_class(squares):
    """Pictures get up to three further labels, each on the colour of its class."""
    settings = BoxTrainSettings(copy_paste=1.0)
    data = read_training_set(squares(2, 2), "train", settings)
    paster = ObjectPaster(data, settings, lambda number: read_rgb(data.pictures[number].path))
    channel = {"red": 0, "blue": 2}
    counts = set()
    for seed in range(12):
        picture, image = paster.example(seed % 4, np.random.default_rng(seed))
        before = data.pictures[seed % 4]
        added = picture.boxes[len(before.boxes) :]
        counts.add(len(added))
        assert picture.boxes[: len(before.boxes)] == before.boxes or not len(before.boxes)
        for (x1, y1, x2, y2), class_id in zip(added.xyxy, added.class_id, strict=True):
            middle = image[int((y1 + y2) / 2), int((x1 + x2) / 2)]
            assert middle.argmax() == channel[data.classes[class_id]]
    assert counts <= set(range(MOST_PASTED + 1))
    assert max(counts) > 0
    stored = read_rgb(data.pictures[0].path)
    assert (paster.example(0, np.random.default_rng(1))[1] != stored).any()
    assert (read_rgb(data.pictures[0].path) == stored).all(), "the picture itself stays"


def test_off_by_default_and_without_effect_on_the_rest(squares):
    """Without the setting nothing is pasted; with it, the picture moves as it did without."""
    folder, changed = squares(2, 1), 0
    plain, pasted = (
        Batches(read_training_set(folder, "train", s), s, SIZE)
        for s in (BoxTrainSettings(), BoxTrainSettings(copy_paste=1.0))
    )
    for step in range(6):
        (before, target), (after, with_more) = (
            each.example(BatchItem(0, step, 1)) for each in (plain, pasted)
        )
        own = len(target.xyxy)
        assert torch.equal(with_more.xyxy[:own], target.xyxy)
        changed += not torch.equal(before, after)
    assert changed
