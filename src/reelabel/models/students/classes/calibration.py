"""What calibrates the probabilities of a student, which lies beside its weights.

A round's evaluation writes it into the folder of its student, so that whoever takes the folder
takes the temperature too. It counts for the weights that it was fitted on alone.
"""

from __future__ import annotations

from pathlib import Path

from reelabel.errors import ModelError, ShardError
from reelabel.files import has_file, read_json
from reelabel.models.students.folder import CALIBRATION_JSON
from reelabel.workspace.class_results import Calibration


def read_calibration(model_dir: Path, own: str) -> Calibration | None:
    """Return what calibrates a student, None if its folder has nothing that does.

    Args:
        model_dir: of a finished student.
        own: what identifies it, see `reelabel.models.students.folder.fingerprint`.

    Raises:
        ModelError: if the file is damaged.
    """
    path = model_dir / CALIBRATION_JSON
    try:
        if not has_file(path):
            return None
        found = Calibration.from_json(read_json(path), str(path))
    except ShardError as exc:
        raise ModelError(
            f"expected what calibrates the student in {model_dir}, but it is damaged: put the file "
            f"back, or  reelabel evaluate WORKSPACE --round N --force  writes it again ({exc})"
        ) from exc
    return found if found.model == own and found.temperature is not None else None
