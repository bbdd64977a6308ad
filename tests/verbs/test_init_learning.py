"""What classes are learnt from, and by which student, is checked before decoding."""

from __future__ import annotations

import numpy as np
import pytest

import reelabel
from reelabel.errors import ConfigError, ModelError, ReelabelError, UsageError
from reelabel.short_names import RELEASED
from reelabel.yaml_text import read_yaml

TASK = "classify-frames"


@pytest.fixture
def footage(make_colour_clip, tmp_path):
    """Return a folder with a folder of clips for each of two classes."""
    for name in ("red", "blue"):
        make_colour_clip(tmp_path / "footage" / name / "a.mp4", [(name, 1)])
    return tmp_path / "footage"


def made(footage, **how):
    """Return a new workspace of classes."""
    given = {"classes": ["red", "blue"], "videos": [footage], "task": TASK, "tags": "folders"}
    return reelabel.init(footage.parent / "w", **(given | how))


REFUSED = {
    "no kind": ({"teacher": "foo:bar"}, ModelError, "names no kind of model"),
    "none": ({"teacher": "none"}, ModelError, "detector, and does not classify.* or none at all"),
    "motion": ({"teacher": "motion"}, ModelError, "detector, and does not classify"),
    "released": ({"teacher": "yolox-nano"}, ModelError, "finds boxes, and does not classify"),
    "address": ({"teacher": f"onnx:{RELEASED['yolox-s']}"}, ModelError, "finds boxes"),
    "missing": ({"teacher": "onnx:missing.onnx"}, ModelError, "missing.onnx"),
    "missing path": ({"teacher": "missing.onnx"}, ModelError, "missing.onnx"),
    "no folder": ({"teacher": "student:nowhere"}, ModelError, "nowhere"),
    "no text": ({"teacher": 3}, UsageError, "expected teacher as texts"),
    "of clips": ({"settings": {"train": {"student": "cnn3d"}}}, UsageError, "classifies clips"),
    "of boxes": ({"settings": {"train": {"student": "yolox"}}}, UsageError, "got 'yolox'"),
    "frozen": (
        {"settings": {"train": {"student": "torchvision:resnet18", "backbone": "frozen"}}},
        UsageError,
        "needs initial weights",
    ),
    "plug-in": ({"settings": {"train": {"student": "nobody"}}}, UsageError, "got 'nobody'"),
    "manifest": ({"tags": "manifest"}, UsageError, "expected a manifest.*add --from"),
    "text for a switch": ({"multi_label": "no"}, UsageError, "multi_label of True or False"),
    "class none": ({"classes": ["None", "red"]}, ConfigError, "class_map: {None: other}"),
    "class unknown": ({"classes": ["unknown", "red"]}, ConfigError, "got 'unknown'"),
    "detector": (
        {"task": "detect", "tags": None, "settings": {"train": {"student": "cnn3d"}}},
        UsageError,
        "got 'cnn3d'",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_a_run_would_refuse_is_refused_at_once(footage, kind, tmp_path, monkeypatch):
    """Nothing is made, and the message names what came."""
    monkeypatch.chdir(tmp_path)
    how, error, words = REFUSED[kind]
    with pytest.raises(error, match=words):
        made(footage, **how)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("kind", [k for k in REFUSED if "text" not in k])
def test_the_command_refuses_it_too(footage, kind, monkeypatch, reelabel):
    """By flags and by `--set`, with the exit code of the error."""
    monkeypatch.chdir(footage.parent)
    workspace, (how, error, _) = footage.parent / "w", REFUSED[kind]
    given = {"classes": ["red", "blue"], "tags": "folders", "task": TASK} | how
    call = ["init", workspace, "--videos", footage, "--task", given["task"]]
    call += ["--classes", ",".join(given["classes"])]
    call += ["--tags", given["tags"]] if given["tags"] else []
    pairs = [f"teacher={given['teacher']}"] if "teacher" in given else []
    pairs += [
        f"train.{key}={value}"
        for key, value in given.get("settings", {"train": {}})["train"].items()
    ]
    for pair in pairs:
        call += ["--set", pair]
    code, _, err = reelabel(*call)
    assert (code, err.startswith("reelabel: ")) == (error.exit_code, True)
    assert not workspace.exists()


def test_what_can_be_used_is_taken(footage, tmp_path):
    """Teachers of a registry are met at the run; students of plug-ins and of the task are taken."""
    for i, how in enumerate((
        {"teacher": "hf-zero-shot-image:someone/something"},
        {"teacher": "fake:", "tags": None},
        {"settings": {"train": {"student": "simple"}}},
        {"task": "classify-clips", "settings": {"train": {"student": "cnn3d"}}},
        {"task": "classify-clips", "settings": {"train": {"student": "simple"}}},
        {"classes": ["other", "red"], "settings": {"class_map": {"none": "other"}}},
        {"multi_label": False},
        {"multi_label": True},
    )):
        ws = reelabel.init(
            tmp_path / f"w{i}",
            **(
                {"classes": ["red", "blue"], "videos": [footage], "task": TASK, "tags": "folders"}
                | how
            ),
        )
        assert read_yaml(ws.config_path).get("multi_label", False) == how.get("multi_label", False)


def test_a_run_refuses_another_student_before_it_decodes(footage, reelabel):
    """Whether it is set for the run alone or stands in the file."""
    ws = made(footage)
    with pytest.raises(UsageError, match="classifies clips"):
        reelabel_run(ws, settings={"train": {"student": "cnn3d"}})
    code, _, err = reelabel("run", ws.root, "--set", "train.student=yolox")
    assert (code, "got 'yolox'" in err) == (2, True)
    assert not (ws.root / "frames").exists()
    assert [one.name for one in ws.root.iterdir()] == [ws.config_path.name]


def reelabel_run(ws, **how):
    """Run a workspace."""
    return reelabel.run(ws, quiet=True, **how)


def test_tags_of_manifests_that_nothing_was_fetched_from_are_explained(footage):
    """The message states what is missing: there are videos."""
    ws = made(footage)
    text = ws.config_path.read_text().replace("tags: folders", "tags: manifest")
    ws.config_path.write_text(text)
    with pytest.raises(ReelabelError, match=r"of the 2 videos.*none was fetched from a manifest"):
        reelabel_run(ws, until="tag")


def test_functions_are_no_names_of_boxes(footage):
    """A function is given to `run` and `predict`; `init` takes names."""
    with pytest.raises(UsageError, match="expected teacher as texts"):
        made(footage, teacher=lambda _: np.zeros(2))
