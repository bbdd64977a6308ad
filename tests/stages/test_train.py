"""The stage train: which trainer the settings mean."""

from __future__ import annotations

import pytest

from reelabel.config import Project
from reelabel.models.trainers.settings import TrainSettings
from reelabel.stages.train import trainer
from reelabel.verbs.init import init

pytest.importorskip("torch")


@pytest.mark.train
@pytest.mark.parametrize("student", ["auto", "yolox"])
def test_a_student_starts_from_its_yolox_teacher(data_dir, tmp_path, student):
    """The file and its classes need not be named again; the teacher's word for ours is known."""
    detector = f"onnx:{data_dir / 'weights/yolox_nano.onnx'}"
    workspace = init(tmp_path / "w", classes=["ball"], videos=[data_dir / "videos/sports"])
    project = Project(
        classes=("ball",), videos=("v",), detector=detector, class_map={"sports ball": "ball"}
    )
    found = trainer(workspace, project, TrainSettings(student=student), 0).value
    assert found.settings.student == "yolox"
    assert found.settings.weights == data_dir / "weights/yolox_nano.onnx"
    assert found.settings.source_classes[32] == "ball"
    assert found.settings.max_steps is None
