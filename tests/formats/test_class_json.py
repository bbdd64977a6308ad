"""A data set of classes survives its file; damage names the entry."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments
from reelabel.errors import FormatError
from reelabel.formats.class_json import class_json, read_class_json

CLASSES = ("indoor", "outdoor")


def data_of(targets):
    """Return a data set with these targets, one moment each."""
    n = len(targets)
    pts = np.arange(n)
    return ClassDataset(
        CLASSES,
        exclusive=False,
        moments=Moments(np.array([f"v{i}" for i in pts], np.str_), pts, pts + 2),
        pictures=tuple((f"{i}.jpg", f"{i}b.jpg") for i in pts),
        target=np.array(targets, np.float32).reshape(n, 2),
        weight=np.linspace(0, 1, n, dtype=np.float32).round(6),
        group=np.array([f"g{i % 2}" for i in pts], np.str_),
        step_s=0.25,
    )


@given(st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, float("nan")])] * 2), max_size=5))
def test_what_is_written_is_read(tmp_path_factory, targets):
    """Targets (unknown ones included), weights, groups, pictures and time stamps come back."""
    path, data = tmp_path_factory.mktemp("d") / "train.json", data_of(targets)
    path.write_text(json.dumps(class_json(data)))
    back = read_class_json(path)
    np.testing.assert_array_equal(back.target, data.target)
    np.testing.assert_allclose(back.weight, data.weight, atol=1e-6)
    assert (back.classes, back.exclusive, back.pictures) == (CLASSES, False, data.pictures)
    assert back.step_s == 0.25
    assert back.group.tolist() == data.group.tolist()
    assert back.moments.until_pts.tolist() == data.moments.until_pts.tolist()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("video", 3),
        ("pts", 1.5),
        ("until_pts", None),
        ("pictures", []),
        ("classes", {"sky": 1}),
        ("classes", {"indoor": 2}),
        ("weight", -1),
        ("group", None),
    ],
)
def test_a_damaged_entry_is_named(tmp_path, key, value):
    """A value of another kind is an error with file, entry and key."""
    raw = class_json(data_of([(1.0, 0.0), (0.0, 1.0)]))
    raw["moments"][1][key] = value
    path = tmp_path / "train.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(FormatError, match=rf"moments\[1\].*'{key}'"):
        read_class_json(path)
