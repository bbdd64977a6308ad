"""Which weights a training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from reelabel.config import Project  # noqa: E402 -- torch
from reelabel.models.students.folder import WEIGHTS, ModelCard, write_card  # noqa: E402 -- torch
from reelabel.models.students.registry import family_named, family_of  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.boxes.start import (  # noqa: E402 -- torch
    FEW_BOXES,
    NEW_CLASS_LR,
    start_from_detector,
)

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


@pytest.mark.parametrize(
    ("settings", "teacher", "goes_on"),
    [
        (BoxTrainSettings(), "round:0", True),
        (BoxTrainSettings(student="centernet"), "round:0", True),
        (BoxTrainSettings(student="fake"), "round:0", False),
        (BoxTrainSettings(weights="own.safetensors"), "round:0", False),
        (BoxTrainSettings(), "motion", False),
    ],
)
def test_later_rounds_go_on_where_the_detector_has_no_weights(tmp_path, settings, teacher, goes_on):
    """Then the student that labels the round is the start of the next of its family."""
    (tmp_path / "rounds" / "0").mkdir(parents=True)
    model = finished(tmp_path / "rounds" / "0" / "model", "centernet")
    project = Project(classes=("cat", "ball"), videos=("v",), detector="motion")
    found = start_from_detector(settings, project, tmp_path, teacher=teacher)
    if not goes_on:
        assert found is settings
        return
    assert (found.student, found.weights) == ("centernet", model / WEIGHTS)
    assert found.source_classes == ("cat", "ball")


def test_a_later_round_starts_from_the_detector_again_where_it_has_weights(project, tmp_path):
    """Labels get better from round to round; the start that all rounds share stays comparable."""
    found = start_from_detector(BoxTrainSettings(), project, tmp_path, teacher="round:0")
    assert found.student == "yolox"


def finished(folder: Path, kind: str, **changes: Any) -> Path:
    """Write a student of a family that was built but not trained, and return its folder."""
    settings = BoxTrainSettings(student=kind, **changes)
    family: Any = family_of(settings)
    student = family.build(settings, ("cat", "ball"))
    folder.mkdir()
    family.save(folder, student)
    write_card(
        folder, ModelCard(kind=kind, classes=("cat", "ball"), image_size=96, arch=student.arch)
    )
    return folder


def test_a_student_starts_from_a_student_that_labels(data_dir, tmp_path):
    """A workspace whose detector is an earlier student goes on from its weights, class by class."""
    first = finished(tmp_path / "first", "yolox", weights=data_dir / "weights/yolox_nano.onnx")
    project = Project(classes=("ball",), videos=("v",), detector=f"student:{first}")
    found = start_from_detector(BoxTrainSettings(), project, tmp_path)
    assert (found.student, found.source_classes) == ("yolox", ("cat", "ball"))
    family: Any = family_of(found)
    before, after = (
        family.build(found, names).state_dict() for names in (("cat", "ball"), ("ball",))
    )
    assert torch.equal(
        before["net.heads.0.classes.weight"][1:], after["net.heads.0.classes.weight"]
    )
    assert torch.equal(
        before["net.backbone.stem.conv.weight"], after["net.backbone.stem.conv.weight"]
    )


def test_a_centernet_goes_on_only_with_the_same_classes(tmp_path):
    """The rows of its head stand for classes in order, so other classes begin from chance."""
    first = finished(tmp_path / "first", "centernet")
    for classes, same in ((("cat", "ball"), True), (("ball", "cat"), False)):
        project = Project(classes=classes, videos=("v",), detector=f"student:{first}")
        found = start_from_detector(BoxTrainSettings(), project, tmp_path)
        assert (found.weights == first / WEIGHTS) == same


def test_drawn_boxes_without_a_detector_have_settings_of_their_own(tmp_path):
    """What the user set stays, the rest is for few boxes, also before weights that are named."""
    project = Project(classes=("ball",), videos=("v",), detector="none")
    found = start_from_detector(BoxTrainSettings(min_steps=9, weights="a.onnx"), project, tmp_path)
    assert found.model_dump(include=set(FEW_BOXES)) == {**FEW_BOXES, "min_steps": 9}
    assert (found.weights, found.lr) == (Path("a.onnx"), NEW_CLASS_LR)
    assert start_from_detector(BoxTrainSettings(), project, tmp_path).lr is None
    assert found.student == "auto"


@pytest.mark.parametrize(("teacher", "goes_on"), [("round:0", True), ("none", False)])
def test_later_rounds_of_drawn_boxes_go_on_from_the_student_before(tmp_path, teacher, goes_on):
    """It knows the class already, so it is trained further, for fewer steps, at the usual rate."""
    (tmp_path / "rounds" / "0").mkdir(parents=True)
    model = finished(tmp_path / "rounds" / "0" / "model", "centernet")
    project = Project(classes=("cat", "ball"), videos=("v",), detector="none")
    given = BoxTrainSettings(weights="a.onnx", student="centernet")
    found = start_from_detector(given, project, tmp_path, teacher=teacher)
    assert (found.weights == model / WEIGHTS) is goes_on
    assert (found.lr, found.min_steps) == ((None, 200) if goes_on else (NEW_CLASS_LR, 500))
    assert found.copy_paste == FEW_BOXES["copy_paste"]


@pytest.mark.parametrize(
    ("source_classes", "classes", "expected"),
    [((), ("dog", "thing"), True), ((), ("thing",), False), (("thing",), ("thing",), True)],
)
def test_a_yolox_of_other_classes_detects_nothing_untrained(source_classes, classes, expected):
    """New classes have outputs without weights: such a start is no model to compare with."""
    settings = BoxTrainSettings(weights="a.onnx", source_classes=source_classes)
    assert family_named("yolox", "", "boxes").detects_untrained(settings, classes) is expected
