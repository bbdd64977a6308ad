"""Which weights a training starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelabel.config import Project
from reelabel.models.students.registry import family_named
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.start import FEW_BOXES, start_from_detector

CLASS_MAP = {"sports ball": "ball", "frisbee": "ball"}


@pytest.fixture
def project(data_dir):
    """Return a project whose detector is a YOLOX."""
    detector = f"onnx:{data_dir / 'weights/yolox_nano.onnx'}"
    return Project(classes=("ball",), videos=("v",), detector=detector, class_map=CLASS_MAP)


@pytest.mark.parametrize("student", ["auto", "yolox"])
def test_a_student_starts_from_its_yolox_detector(project, data_dir, tmp_path, student):
    """The file and its classes need not be named; the first mapped name is the project's class."""
    found = start_from_detector(BoxTrainSettings(student=student), project, tmp_path)
    assert found.student == "yolox"
    assert found.weights == data_dir / "weights/yolox_nano.onnx"
    assert found.source_classes[32] == "ball"
    assert found.source_classes[29] == "frisbee"


@pytest.mark.parametrize(
    "given", [{"student": "centernet"}, {"weights": "own.onnx"}, {"student": "fake"}]
)
def test_what_the_user_named_stays(project, tmp_path, given):
    """Other students, and weights that are named, are left alone."""
    settings = BoxTrainSettings(**given)
    assert start_from_detector(settings, project, tmp_path) is settings


def test_detectors_without_weights_to_take_are_not_loaded(tmp_path):
    """A detector of a kind that no family can start from need not even exist."""
    project = Project(classes=("ball",), videos=("v",), detector="hf:nowhere")
    settings = BoxTrainSettings()
    assert start_from_detector(settings, project, tmp_path) is settings


def test_drawn_boxes_without_a_detector_have_settings_of_their_own(tmp_path):
    """What the user set stays, the rest is for few boxes, also before weights that are named."""
    project = Project(classes=("ball",), videos=("v",), detector="none")
    found = start_from_detector(BoxTrainSettings(min_steps=9, weights="a.onnx"), project, tmp_path)
    assert found.model_dump(include=set(FEW_BOXES)) == {**FEW_BOXES, "min_steps": 9}
    assert found.weights == Path("a.onnx")
    assert found.student == "auto"


@pytest.mark.parametrize(
    ("source_classes", "classes", "expected"),
    [((), ("dog", "thing"), True), ((), ("thing",), False), (("thing",), ("thing",), True)],
)
def test_a_yolox_of_other_classes_detects_nothing_untrained(source_classes, classes, expected):
    """New classes have outputs without weights: such a start is no model to compare with."""
    settings = BoxTrainSettings(weights="a.onnx", source_classes=source_classes)
    assert family_named("yolox", "", "boxes").detects_untrained(settings, classes) is expected
