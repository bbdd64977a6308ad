"""A student gives the same calibrated probabilities by whichever door it is used."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnxruntime
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import ModelError  # noqa: E402 -- torch
from reelabel.evaluation.classes.calibration import calibrated  # noqa: E402 -- torch
from reelabel.models.contract import sample_pictures  # noqa: E402 -- torch
from reelabel.models.registry import load_classifier  # noqa: E402 -- torch
from reelabel.models.students.classes.card import read_class_card  # noqa: E402 -- torch
from reelabel.models.students.folder import fingerprint, write_card  # noqa: E402 -- torch
from reelabel.models.students.onnx_export import export_onnx  # noqa: E402 -- torch
from reelabel.training.classes.settings import (  # noqa: E402 -- torch
    ClassTrainSettings,
    ClipTrainSettings,
)
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch
from reelabel.verbs.class_models import find_classifier  # noqa: E402 -- torch
from reelabel.workspace.class_results import Calibration  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {
    "max_steps": 2, "batch_size": 2, "warmup_steps": 0, "check_every": 2, "accelerator": "cpu",
    "precision": "32", "image_size": 32,
}  # fmt: skip


@pytest.fixture(params=["simple", "cnn3d", "multi-label"])
def home(request, coloured, moving, tmp_path):
    """Return the folder of a round whose student is trained."""
    data, kind, student = coloured, ClassTrainSettings, "simple"
    if request.param == "cnn3d":
        data, kind, student = moving, ClipTrainSettings, "cnn3d"
    if request.param == "multi-label":
        data = shutil.copytree(coloured, tmp_path / "data")
        for path in data.glob("*.json"):
            path.write_text(path.read_text().replace('"exclusive": true', '"exclusive": false'))
    load_trainer(kind(student=student, **QUICK)).fit(data, tmp_path / "0/model", lambda *_: None)
    return tmp_path / "0"


def windows_of(classifier):
    """Return what a classifier judges."""
    pictures = sample_pictures((32, 32))
    return [[pictures[(i + j) % 4] for j in range(classifier.frames)] for i in range(3)]


def answers(spec):
    """Return the probabilities of a model."""
    classifier = load_classifier(spec)
    return classifier.open()(windows_of(classifier))


@pytest.mark.parametrize("temperature", [0.1, 4.0])
def test_every_door_gives_the_same_probabilities(home, temperature):
    """The folder, a copy, its ONNX file with and without reelabel: all as calibrated."""
    model = home / "model"
    raw = answers(f"student:{model}")
    export_onnx(model, home / "raw.onnx")
    Calibration(fingerprint(model), temperature).save(home)
    shutil.copytree(model, home / "copy")
    file = home / "student.onnx"
    assert export_onnx(model, file).temperature == temperature
    classifier = load_classifier(f"student:{model}")
    expected = calibrated(raw, temperature, exclusive=classifier.exclusive)
    assert np.abs(expected - raw).max() > 2e-3
    for spec in (f"student:{model}", f"student:{home}/copy", f"onnx:{file}"):
        np.testing.assert_allclose(answers(spec), expected, atol=1e-4)
        assert find_classifier(spec).temperature == temperature
    np.testing.assert_allclose(answers(f"onnx:{home}/raw.onnx"), raw, atol=1e-4)
    assert find_classifier(f"onnx:{home}/raw.onnx").temperature is None
    inputs = np.array(windows_of(classifier))
    inputs = inputs if classifier.frames > 1 else inputs[:, 0]
    (plain,) = onnxruntime.InferenceSession(file).run(None, {"pictures": inputs})
    np.testing.assert_allclose(plain, expected, atol=1e-4)


def test_means_over_windows_are_calibrated_by_the_reader(home):
    """A network of single pictures cannot: its file states the temperature and ours applies it."""
    model, file = home / "model", home / "student.onnx"
    Calibration(fingerprint(model), 4.0, pictures=3).save(home)
    metadata = export_onnx(model, file)
    assert metadata.is_applied == (load_classifier(f"student:{model}").frames > 1)
    pictures = sample_pictures((32, 32))
    windows = [[pictures[(i + j) % 4] for j in range(3)] for i in range(3)]
    folder, onnx = (load_classifier(spec) for spec in (f"student:{model}", f"onnx:{file}"))
    if folder.frames == 1:
        np.testing.assert_allclose(onnx.open()(windows), folder.open()(windows), atol=1e-4)
    assert find_classifier(f"onnx:{file}").temperature == 4.0


def test_a_temperature_is_of_the_weights_that_it_was_fitted_on(home):
    """One of other weights does not count, a damaged one is named, and it is no part of a card."""
    model = home / "model"
    raw, own = answers(f"student:{model}"), fingerprint(model)
    path = Calibration("another", 4.0).save(home)
    np.testing.assert_array_equal(answers(f"student:{model}"), raw)
    write_card(model, read_class_card(model))
    assert "calibration.json" not in json.loads((model / "model.json").read_text())["files"]
    assert fingerprint(model) == own
    path.write_text(path.read_text().replace("4.0", "5.0"))
    with pytest.raises(ModelError, match=r"calibrates the student .* damaged"):
        load_classifier(f"student:{model}")
