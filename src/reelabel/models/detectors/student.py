"""``student:FOLDER`` and ``round:NUMBER``: the students that training left in model folders."""

from __future__ import annotations

from pathlib import Path

from reelabel.config import NoSettings
from reelabel.models.base import Detector
from reelabel.models.spec import Request
from reelabel.models.students.detector import load_student_detector
from reelabel.models.students.folder import START


def load_round(request: Request) -> Detector:
    """Return the student of a round of this workspace.

    Raises:
        ModelError: if no workspace is given, or the round has no model.
    """
    return _load(request.round_dir() / "model", request)


def load_start(request: Request) -> Detector:
    """Return the student of a round of this workspace as it was before its training.

    Raises:
        ModelError: if no workspace is given, or the round kept no such student.
    """
    return _load(request.round_dir() / "model" / START, request)


def load(request: Request) -> Detector:
    """Return the student in a folder.

    Raises:
        ModelError: if the folder is missing or damaged.
    """
    return _load(request.rooted(request.rest), request)


def _load(folder: Path, request: Request) -> Detector:
    request.settings(NoSettings)  # a student has no options: all it needs is in its folder
    return load_student_detector(folder)
