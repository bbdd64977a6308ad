"""Every function names the argument that is of another type, before any work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reelabel
from reelabel.errors import UsageError

VIDEOS = {"classes": ["ball"], "detector": "motion"}
NO_PATH = (5, 1.5, np.int64(3), np.zeros(3), [], {}, b"x", "")
NO_LIST = (5, 1.5, np.int64(3), {"a": 1}, b"x")
NO_TEXT = (5, 1.5, [], ["x"], np.zeros(3))
NO_WORD = (5, "", "truthh", "Frame", ["truth"], np.zeros(2))
NO_COUNT = (None, "2", 1.5, [], True, np.zeros(2))
NO_MAPPING = (5, "x", [1], np.zeros(3))
DOORS = {
    "status": {"workspace": NO_PATH},
    "report": {"workspace": NO_PATH},
    "origins": {"workspace": NO_PATH},
    "clean": {"workspace": NO_PATH},
    "show": {"workspace": NO_PATH, "pictures": NO_COUNT, "kind": NO_TEXT},
    "ablate": {"workspace": NO_PATH, "seeds": NO_COUNT, "train": NO_MAPPING},
    "clips": {"workspace": NO_PATH, "out": (None,)},
    "export": {"workspace": NO_PATH, "out": (None,), "format": NO_TEXT},
    "forget": {"workspace": NO_PATH, "videos": (*NO_LIST, [5]), "source": (*NO_LIST, [5])},
    "import_labels": {
        "workspace": NO_PATH,
        "file": (None, *NO_PATH),
        "format": NO_TEXT,
        "what": NO_WORD,
    },
    "remove_import": {"workspace": NO_PATH, "what": NO_WORD},
    "compare": {
        "on": NO_PATH,
        "models": (5, 1.5, np.int64(3), b"x"),
        "videos": NO_LIST,
        "against": NO_TEXT,
        "level": NO_WORD,
    },
    "flicker": {"video": (None, *NO_PATH), "detections": (None, *NO_PATH)},
    "recipe": {"file": (None, *NO_PATH), "out": (None,), "videos": NO_LIST},
    "run": {
        "workspace": NO_PATH,
        "rounds": NO_COUNT,
        "until": NO_TEXT,
        "settings": NO_MAPPING,
    },
    "init": {
        "workspace": (None, *NO_PATH),
        "classes": (*NO_LIST, [5]),
        "videos": (*NO_LIST, [5], [""], [None], "", [np.zeros((8, 8, 3), np.uint8)]),
        "test_videos": (*NO_LIST, [5], [""]),
        "tags": NO_PATH,
        "truth": NO_PATH,
        "detector": (5, 1.5, {}, [5], np.zeros(3), len),
        "settings": NO_MAPPING,
        "task": NO_TEXT,
    },
}
"""Function -> argument -> values that it does not take."""


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Return what each argument is where another one is wrong."""
    home = tmp_path_factory.mktemp("arguments")
    root = reelabel.init(home / "w", **VIDEOS).root
    recipe = home / "recipe.yaml"
    recipe.write_text("classes: [a, b]\nstudents: {one: {train: {student: simple}}}\n")
    return {
        "init": {"workspace": home / "new", **VIDEOS},
        "clips": {"workspace": root, "out": home / "clips"},
        "export": {"workspace": root, "out": home / "out"},
        "import_labels": {"workspace": root, "file": home / "x.json"},
        "compare": {"models": "fake:", "on": root},
        "flicker": {"video": home / "a.mp4", "detections": home / "a.txt"},
        "recipe": {"file": recipe, "out": home / "r", "videos": (), "tags": "folders"},
    } | {name: {"workspace": root} for name in ("show", "remove_import", "ablate", "forget", "run")}


@pytest.mark.parametrize(
    ("name", "argument"), [(name, one) for name, wrong in DOORS.items() for one in wrong]
)
def test_what_is_of_another_type_is_refused_by_its_name(given, name, argument):
    """The message names the argument; nothing is made, and no error of Python escapes."""
    for value in DOORS[name][argument]:
        arguments = given.get(name, {}) | {argument: value}
        with pytest.raises(UsageError, match=rf"expected {argument}\b|'{argument}"):
            getattr(reelabel, name)(**arguments)


@pytest.mark.parametrize("form", [str, Path, lambda path: [path], lambda path: (p for p in [path])])
def test_one_video_may_be_given_in_every_form(tmp_path, form):
    """A path or text alone, a list and a generator of footage are the same footage."""
    (tmp_path / "footage").mkdir()
    video = tmp_path / "footage" / "a.mp4"
    video.write_bytes(b"x")
    made = reelabel.init(
        tmp_path / "w", **VIDEOS, videos=form(video), test_videos=form(video.parent)
    )
    settings = made.config_path.read_text()
    assert f"videos:\n- {video}\n" in settings
    assert f"test_videos:\n- {video.parent}\n" in settings


def test_no_models_cannot_be_compared(tmp_path):
    """An empty list and an empty mapping are refused alike."""
    for nothing in ([], {}, None):
        with pytest.raises(UsageError, match="different models to compare, but got none"):
            reelabel.compare(nothing, on=tmp_path)


def test_a_detector_may_be_a_path(tmp_path):
    """A path to a detector is its name; a function is sent to `run`, which takes it."""
    (tmp_path / "x.onnx").write_bytes(b"damaged")
    with pytest.raises(reelabel.ReelabelError, match=r"x\.onnx"):
        reelabel.init(tmp_path / "w", classes=["ball"], detector=tmp_path / "x.onnx")
    with pytest.raises(UsageError, match=r"reelabel\.run\(workspace, detector=\.\.\.\)"):
        reelabel.init(tmp_path / "w", classes=["ball"], detector=len)
