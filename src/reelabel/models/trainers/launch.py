"""A program that trains as a file says; `trainer` starts it for several devices."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from reelabel.errors import ReelabelError
from reelabel.models.trainers.fit import train
from reelabel.models.trainers.settings import TrainSettings


def main(path: str) -> int:
    """Train; return 0, or the exit code of the error that was written to standard error."""
    order = json.loads(Path(path).read_text(encoding="utf-8"))
    settings = TrainSettings.model_validate(order["settings"])
    try:
        train(Path(order["dataset_dir"]), Path(order["model_dir"]), settings, _tell)
    except ReelabelError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


def _tell(share: float, text: str) -> None:
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the other processes would say the same
        sys.stdout.write(f"{share}\t{text}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
