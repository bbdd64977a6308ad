"""``student:FOLDER`` and ``round:NUMBER``: the students that training left in model folders."""

from __future__ import annotations

from pathlib import Path

from reelabel.config import NoSettings
from reelabel.errors import ModelError
from reelabel.models.base import Detector
from reelabel.models.spec import Request
from reelabel.models.students.detector import load_student_detector
from reelabel.models.students.folder import START


def load_round(request: Request) -> Detector:
    """Return the student of a round of this workspace.

    Raises:
        ModelError: if no workspace is given, or the round has no model.
    """
    if not request.rest.isdecimal():
        raise ModelError(f"expected the number of a round, such as round:0, but got {request.spec}")
    if request.home is None:
        raise ModelError(f"'{request.spec}' needs the workspace that the round belongs to")
    return _load(request.home / "rounds" / str(int(request.rest)) / "model", request)


def load_start(request: Request) -> Detector:
    """Return the student of a round of this workspace as it was before its training.

    Raises:
        ModelError: if no workspace is given, or the round kept no such student.
    """
    if not request.rest.isdecimal() or request.home is None:
        raise ModelError(
            f"expected the number of a round of a workspace, such as start:0, but got "
            f"'{request.spec}'"
        )
    model = request.home / "rounds" / str(int(request.rest)) / "model"
    return _load(model / START, request)


def load(request: Request) -> Detector:
    """Return the student in a folder.

    Raises:
        ModelError: if the folder is missing or damaged.
    """
    return _load(request.rooted(request.rest), request)


def _load(folder: Path, request: Request) -> Detector:
    request.settings(NoSettings)  # a student has no options: all it needs is in its folder
    return load_student_detector(folder)
