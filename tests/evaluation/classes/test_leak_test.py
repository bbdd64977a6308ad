"""The leak test shows what a random split of frames would hide."""

from __future__ import annotations

import numpy as np

from reelabel.evaluation.classes.leak_test import leak_test


def unit(x):
    """Return rows of length 1."""
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_frames_of_one_video_find_each_other():
    """Where videos differ more than classes, random frames are all right and groups are chance."""
    rng = np.random.default_rng(0)
    scene = rng.normal(size=(40, 16))
    frames = unit(np.repeat(scene, 5, axis=0) + 0.01 * rng.normal(size=(200, 16)))
    class_id, group = np.repeat(np.arange(40) % 2, 5), np.repeat(np.arange(40).astype(str), 5)
    found = leak_test(frames, class_id, group)
    assert found.random == 1.0
    assert found.by_group < 0.75
    assert (found.moments, found.groups) == (200, 40)


def test_classes_that_differ_are_found_by_group():
    """Where classes differ, neighbours of other groups are right too."""
    rng = np.random.default_rng(0)
    class_id = np.arange(40) % 2
    frames = unit(np.eye(2)[class_id].repeat(3, axis=1) + 0.1 * rng.normal(size=(40, 6)))
    found = leak_test(frames, class_id, np.arange(40).astype(str))
    assert found.by_group == 1.0


def test_nothing_is_said_of_one_group_or_one_class():
    """There is nothing to compare."""
    frames = unit(np.ones((4, 2)))
    assert leak_test(frames, np.array([0, 1, 0, 1]), np.full(4, "g")) is None
    assert leak_test(frames, np.zeros(4, int), np.array(list("abcd"))) is None
