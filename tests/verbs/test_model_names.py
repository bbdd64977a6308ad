"""What commands take as a model, and which task it is used for."""

from __future__ import annotations

import json
import shutil

import onnx
import pytest
from onnx import TensorProto, helper

import reelabel as api
from reelabel.config_template import dump
from reelabel.errors import ConfigError, ModelError, UsageError
from reelabel.evaluation.classes.calibration import calibrated
from reelabel.models.calibrated import CalibratedClassifier
from reelabel.models.classifiers import student
from reelabel.models.classifiers.fake import FakeClassifier
from reelabel.verbs.class_models import find_classifier
from reelabel.verbs.model_names import named_model
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import Calibration
from reelabel.workspace.results import Decision, SplitReport


@pytest.fixture
def workspace(tmp_path):
    """Return a workspace of classes with two trained rounds, of which the second is the best."""
    root = tmp_path / "w"
    values = {"task": "classify-frames", "classes": ["red", "blue"], "tags": "folders"}
    root.mkdir()
    (root / "reelabel.yaml").write_text(dump(values, {}))
    for number, trained in ((0, "a"), (1, "b")):
        home = root / "rounds" / str(number)
        (home / "model").mkdir(parents=True)
        (home / "model" / "model.json").write_text(json.dumps({"task": "classify"}))
        own = FakeClassifier(("red", "blue")).fingerprint
        Calibration(own, temperature=2.0 + number).save(home)
        SplitReport(leak_free=True, reason="", videos={trained: {"train": 3}}).save(home)
        spec = f"round:{number}"
        Decision(number, "advance" if not number else "stop", spec, spec, "").save(home)
    return Workspace.open(root)


@pytest.fixture
def students(monkeypatch):
    """Let every student of a round be a classifier by colour."""
    monkeypatch.setattr(
        student,
        "load_student_classifier",
        lambda _: FakeClassifier(("red", "blue")),
    )


def test_a_workspace_is_its_best_model(workspace):
    """The workspace, its folder as path or text, and its rounds by number."""
    for name in (workspace, workspace.root, str(workspace.root)):
        found = named_model(name)
        assert (found.spec, found.task.name) == ("round:1", "classify-frames")
    assert named_model(f"{workspace.root}@0").spec == "round:0"
    assert named_model(f"{workspace.root}@0").label == f"{workspace.root}@0"


def test_a_round_without_a_student_is_refused(workspace):
    """The error names the round."""
    with pytest.raises(ModelError, match="round 2 has no trained student"):
        named_model(f"{workspace.root}@2")


def test_a_workspace_without_a_model_is_refused(tmp_path, workspace):
    """Where the tags stand alone and no round is finished there is nothing to apply."""
    root = tmp_path / "new"
    root.mkdir()
    (root / "reelabel.yaml").write_text(workspace.config_path.read_text())
    with pytest.raises(ModelError, match="has no model yet: run  reelabel run"):
        named_model(root)


def test_a_folder_states_its_task(tmp_path):
    """`model.json` decides; without a task in it a student finds boxes."""
    for content, task in (
        ({"task": "classify"}, "classify-frames"),
        ({"task": "detect"}, "detect"),
        ({}, "detect"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(content))
        for name in (tmp_path, f"student:{tmp_path}"):
            found = named_model(name)
            assert (found.task.name, found.spec) == (task, f"student:{tmp_path}")
    (tmp_path / "model.json").write_text("{")
    assert named_model(tmp_path).task.name == "detect"


def onnx_file(path, shapes, **stated):
    """Write a network with outputs of these shapes."""
    ports = [
        helper.make_tensor_value_info(f"y{i}", TensorProto.FLOAT, shape)
        for i, shape in enumerate(shapes)
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes[0])
    nodes = [helper.make_node("Identity", ["x"], [port.name]) for port in ports]
    model = helper.make_model(helper.make_graph(nodes, "g", [given], ports))
    helper.set_model_props(model, stated)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(
    ("shapes", "stated", "task"),
    [
        ([(1, 10)], {}, "classify-frames"),
        ([(1, 8400, 85)], {}, "detect"),
        ([(1, 4), (1, 4)], {}, "detect"),
        ([(1, 10)], {"reelabel_format": "1", "task": "detect"}, "detect"),
        ([(1, 3, 4)], {"reelabel_format": "1", "task": "classify"}, "classify-frames"),
    ],
)
def test_an_onnx_file_states_its_task(tmp_path, shapes, stated, task):
    """Our exports say it; of others one row of numbers per picture is taken for classes."""
    path = onnx_file(tmp_path / "x.onnx", shapes, **stated)
    for name in (path, f"onnx:{path}"):
        found = named_model(name)
        assert (found.spec, found.task.name) == (f"onnx:{path}", task)
    assert named_model(path, "classify-clips").task.name == "classify-clips"
    path.write_bytes(b"damaged")
    assert named_model(path).task.name == "detect"


def test_a_kind_decides_by_its_registry(clip_model):
    """A kind of one registry needs no task; one of several finds boxes unless told."""
    assert named_model(clip_model).task.name == "classify-frames"
    assert named_model("motion").task.name == "detect"
    assert named_model("fake:").task.name == "detect"
    assert named_model("fake:", "classify-clips").task.name == "classify-clips"


def test_another_task_than_its_own_is_refused(workspace, tmp_path):
    """Frames and clips share the way they are predicted, boxes do not."""
    assert named_model(workspace, "classify-clips").task.name == "classify-frames"
    with pytest.raises(UsageError, match="of the task classify-frames, but the task is detect"):
        named_model(workspace, "detect")
    (tmp_path / "model.json").write_text(json.dumps({"task": "detect"}))
    with pytest.raises(UsageError, match="of the task detect"):
        named_model(tmp_path, "classify-frames")
    with pytest.raises(ConfigError, match="did you mean 'classify-frames'"):
        named_model("fake:", "classify-frame")


@pytest.mark.parametrize("name", ["nothing", "no/such/folder", "w@1"])
def test_what_is_no_model_is_refused(name):
    """The error lists what would be one."""
    with pytest.raises(ModelError, match=f"{name} is no model: expected a workspace"):
        named_model(name)


def test_an_unknown_kind_is_named_with_the_known_ones(tmp_path):
    """The registry's own error is kept."""
    with pytest.raises(ModelError, match=r"names no kind of model .did you mean 'motion'"):
        api.predict("moton:x", tmp_path / "a.mp4")


@pytest.mark.usefixtures("students")
def test_a_round_brings_its_temperature(workspace, make_colour_clip, tmp_path):
    """Probabilities are calibrated as the round has fitted, whichever way it is named."""
    clip = make_colour_clip(tmp_path / "c.mp4", [("red", 1)])
    found, copy, bare = {}, tmp_path / "copy", tmp_path / "bare"
    shutil.copytree(workspace.round_dir(0) / "model", copy)
    shutil.copytree(copy, bare, ignore=lambda *_: ["calibration.json"])
    for name, temperature in (
        (workspace.root, 3.0),
        (f"{workspace.root}@0", 2.0),
        (workspace.round_dir(0) / "model", 2.0),
        (copy, 2.0),
        (f"student:{copy}", 2.0),
    ):
        model = find_classifier(name)
        assert isinstance(model.classifier, CalibratedClassifier)
        assert (model.temperature, model.classifier.temperature) == (temperature,) * 2
        found[str(name)] = api.predict(name, clip, task="classify-frames")
        assert found[str(name)].temperature == temperature
    raw = api.predict(bare, clip)
    assert raw.temperature is None
    expected = calibrated(raw[0].predictions.probability, 2.0)
    for name in (workspace.round_dir(0) / "model", copy, f"student:{copy}"):
        assert abs(found[str(name)][0].predictions.probability - expected).max() < 1e-6


@pytest.mark.usefixtures("students")
def test_a_round_knows_what_reached_its_training(workspace, tmp_path):
    """Videos of earlier rounds count: their labels came from students that were trained on them."""
    assert find_classifier(f"{workspace.root}@0").trained == {"a"}
    assert find_classifier(workspace).trained == {"a", "b"}
    assert find_classifier("fake:").trained == frozenset()
    assert (
        find_classifier(workspace.round_dir(1) / "model").place == workspace.round_dir(1) / "model"
    )
