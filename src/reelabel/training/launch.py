"""A program that trains as described in a file; `network_trainer` starts it for several devices."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, cast

from reelabel.errors import ReelabelError
from reelabel.models.students.family import NetworkFamily
from reelabel.models.students.registry import family_of
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.classes.settings import ClassTrainSettings, ClipTrainSettings
from reelabel.training.fit import train
from reelabel.training.settings import TrainSettings

_TYPES: tuple[type[TrainSettings], ...] = (BoxTrainSettings, ClassTrainSettings, ClipTrainSettings)


def main(path: str) -> int:
    """Train; return 0, or the exit code of the error that was written to standard error."""
    order = json.loads(Path(path).read_text(encoding="utf-8"))
    kind = next(each for each in _TYPES if each.__name__ == order["type"])
    settings = kind.model_validate(order["settings"])
    family = cast("NetworkFamily[Any, Any]", family_of(settings))
    folders = Path(order["dataset_dir"]), Path(order["model_dir"])
    try:
        train(*folders, settings, family=family, log=_report)
    except ReelabelError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


def _report(share: float, text: str) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the other processes report the same
        sys.stdout.write(f"{share}\t{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
