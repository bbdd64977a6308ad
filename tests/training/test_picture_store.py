"""Decoded pictures in a temporary file."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.training import picture_store
from reelabel.training.picture_store import PictureStore


def picture(seed, height=40, width=60):
    """Return a picture of noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), max_size=20))
def test_what_is_kept_comes_back(sizes):
    """Pictures of any sizes come back as they were, in any order, and again."""
    store, images = PictureStore(1), [picture(i, *size) for i, size in enumerate(sizes)]
    for key, image in enumerate(images):
        store.put(key, image)
    for key in [*reversed(range(len(images))), *range(len(images))]:
        assert np.array_equal(store.get(key), images[key])


def test_a_part_of_a_larger_picture_is_kept():
    """Rows that do not follow each other in memory are kept too."""
    store, whole = PictureStore(1), picture(0)
    store.put("left", whole[:, :20])
    assert np.array_equal(store.get("left"), whole[:, :20])


def test_room_is_a_limit():
    """What exceeds the room is not kept, what was kept before stays."""
    store = PictureStore(1)
    images = [picture(i, 400, 400) for i in range(4)]  # two of them are within one MB
    for key, image in enumerate(images):
        store.put(key, image)
    assert [store.get(key) is None for key in range(4)] == [False, False, True, True]
    assert np.array_equal(store.get(1), images[1])


def test_a_full_disk_keeps_what_was_kept(monkeypatch):
    """Where nothing more can be written, pictures are not kept, and that is no error."""
    store = PictureStore(1)
    store.put(0, picture(0))

    class Full:
        def __init__(self, file):
            self._file = file

        def __getattr__(self, name):
            return getattr(self._file, name)

        def write(self, data):
            raise OSError(28, f"No space left for {len(data)} bytes")

    monkeypatch.setattr(store, "_file", Full(store._file))
    for key in (1, 2):
        store.put(key, picture(key))
    assert [store.get(key) is None for key in range(3)] == [False, True, True]


def test_without_a_temporary_folder_nothing_is_kept(monkeypatch):
    """No place for the file is no error either."""

    def refuse(**_):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(picture_store, "TemporaryFile", refuse)
    store = PictureStore(1)
    store.put(0, picture(0))
    assert store.get(0) is None


@pytest.mark.parametrize("protocol", [pickle.DEFAULT_PROTOCOL])
def test_an_unused_store_can_be_sent_to_a_process(protocol):
    """Processes that load pictures get an empty store each."""
    store = pickle.loads(pickle.dumps(PictureStore(1), protocol))  # noqa: S301 -- made here
    store.put(0, picture(0))
    assert np.array_equal(store.get(0), picture(0))
