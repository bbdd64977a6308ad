"""The student without a network, and the folder that it leaves."""

import subprocess
import sys

import numpy as np
import pytest

from reelabel.data.boxes import iou
from reelabel.errors import ModelError, UsageError
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Detector, Trainer
from reelabel.models.students.detector import load_student_detector
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import read_training_set
from reelabel.training.registry import load_trainer

FAKE = BoxTrainSettings(student="fake")


def quiet(_share, _line):
    """Ignore progress."""


def test_finds_what_it_was_shown(squares, tmp_path):
    """Squares of the remembered colours are found in pictures that it has not seen."""
    folder = squares()
    load_trainer(FAKE).fit(folder, tmp_path / "model", quiet)
    detector = load_student_detector(tmp_path / "model")
    data = read_training_set(folder, "val", FAKE)
    assert isinstance(detector, Detector)
    assert detector.classes == ("red", "blue")
    for number in data.labelled:
        picture = data.pictures[number]
        found = detector.open()([read_rgb(picture.path)])[0]
        best = found[found.score > 0.8]
        assert sorted(best.class_id) == [0, 1]
        assert (
            iou(best.xyxy[np.argsort(best.class_id)], picture.positive.xyxy).diagonal().min() > 0.8
        )


def test_same_labels_make_the_same_model(squares, tmp_path):
    """Two trainings on the same data leave the same bytes."""
    folder = squares()
    for name in ("one", "two"):
        load_trainer(FAKE).fit(folder, tmp_path / name, quiet)
    prints = {load_student_detector(tmp_path / name).fingerprint for name in ("one", "two")}
    assert len(prints) == 1


def test_needs_no_torch(squares, tmp_path):
    """Training and using the fake student imports neither torch nor Lightning."""
    code = f"""
import sys
from pathlib import Path
from reelabel.models.students.detector import load_student_detector
from reelabel.training.registry import load_trainer
from reelabel.training.boxes.settings import BoxTrainSettings
model = Path({str(tmp_path / "model")!r})
trainer = load_trainer(BoxTrainSettings(student="fake"))
trainer.fit(Path({str(squares())!r}), model, print)
load_student_detector(model).open()
assert not {{"torch", "lightning", "transformers"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_is_a_trainer_and_reports_the_end(squares, tmp_path):
    """The log ends at 1, and a second call leaves the finished folder alone."""
    trainer, reports = load_trainer(FAKE), []
    assert isinstance(trainer, Trainer)
    folder = squares()
    for _ in range(2):
        trainer.fit(folder, tmp_path / "model", lambda share, line: reports.append((share, line)))
    assert [share for share, _ in reports] == [1.0, 1.0]
    assert reports[1][1] == "already trained"


def test_no_labels_is_said_plainly(squares, tmp_path):
    """A data set without positive labels is refused with advice."""
    with pytest.raises(UsageError, match="lower the thresholds"):
        load_trainer(FAKE).fit(squares(0, 3), tmp_path / "model", quiet)


@pytest.mark.parametrize(
    "content", [None, b"{", b'{"kind": "centre"}', b'{"kind": "fake", "x": 1}']
)
def test_unfinished_or_damaged_folder_is_a_model_error(tmp_path, content):
    """Without a sound model.json there is no detector."""
    if content is not None:
        (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.json"):
        load_student_detector(tmp_path)
