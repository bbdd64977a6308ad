"""``student:FOLDER`` and ``round:NUMBER``: classifiers that training left in model folders.

Their probabilities are calibrated with the temperature that lies in the folder, if one does.
"""

from __future__ import annotations

from pathlib import Path

from reelabel.config import NoSettings
from reelabel.models.base import Classifier
from reelabel.models.calibrated import CalibratedClassifier
from reelabel.models.spec import Request
from reelabel.models.students.classes.calibration import read_calibration
from reelabel.models.students.classes.classifier import load_student_classifier


def load_round(request: Request) -> Classifier:
    """Return the student of a round of this workspace.

    Raises:
        ModelError: if no workspace is given, or the round has no model.
    """
    return _load(request.round_dir() / "model", request)


def load(request: Request) -> Classifier:
    """Return the student in a folder.

    Raises:
        ModelError: if the folder is missing or damaged.
    """
    return _load(request.rooted(request.rest), request)


def _load(folder: Path, request: Request) -> Classifier:
    request.settings(NoSettings)  # a student has no options: all it needs is in its folder
    student = load_student_classifier(folder)
    found = read_calibration(folder, student.fingerprint)
    if found is None or found.temperature is None:
        return student
    return CalibratedClassifier(student, found.temperature)
