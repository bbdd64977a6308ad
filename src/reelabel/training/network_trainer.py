"""The `Trainer` of families of torch networks."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.config import result_values
from reelabel.errors import ModelError, ShardError
from reelabel.file_kinds import plain_file
from reelabel.files import read_json, write_json
from reelabel.models.students.family import NetworkFamily
from reelabel.models.students.folder import MODEL_JSON, START, is_finished
from reelabel.training.settings import TrainSettings, with_family_defaults

_ORIGIN = "begun.json"


@dataclass
class NetworkTrainer:
    """Trains with Lightning; see `base.Trainer`."""

    settings: TrainSettings
    family: NetworkFamily[Any, Any]
    name: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.settings = with_family_defaults(self.settings, self.family)
        self.family.check(self.settings)
        self.name = self.settings.student
        what, weights = result_values(self.settings), getattr(self.settings, "weights", None)
        if weights is None or isinstance(weights, Path):
            del what["weights"]  # what the file holds is decisive, not where it lies
        digest = hashlib.sha256(f"student:1:{json.dumps(what, sort_keys=True)}".encode())
        if isinstance(weights, Path):
            digest.update(_digest(weights))
        self.fingerprint = digest.hexdigest()

    def fit(self, dataset_dir: Path, model_dir: Path, log: Callable[[float, str], None]) -> None:
        """Train, or resume an interrupted training.

        Files of a training with other settings or other labels are removed from the folder. With
        several devices the training runs in processes of its own.

        Raises:
            MissingInput: if there is no data set.
            UsageError: if it has no labels, or the settings do not fit the machine.
            ModelError: if weights cannot be used, or the training fails.
        """
        origin = f"{self.fingerprint}:{_digest(dataset_dir / 'train.json').hex()}"
        _remove_other_training(model_dir, origin)
        if is_finished(model_dir):
            log(1.0, "already trained")
            return
        if self.settings.devices == 1:
            from reelabel.training.fit import train  # noqa: PLC0415 -- imports torch

            train(dataset_dir, model_dir, self.settings, family=self.family, log=log)
        else:
            _in_processes(dataset_dir, model_dir, self.settings, log)
        log(1.0, "trained")


def _digest(path: Path) -> bytes:
    if not path.is_file():
        return b"missing"  # an error where the file is read
    with plain_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _remove_other_training(model_dir: Path, origin: str) -> None:
    note = model_dir / "checkpoints" / _ORIGIN
    if _begun(note) == origin:
        return
    (model_dir / MODEL_JSON).unlink(missing_ok=True)
    for folder in (note.parent, model_dir / START):
        shutil.rmtree(folder, ignore_errors=True)
    write_json(note, {"origin": origin})


def _begun(note: Path) -> object:
    """Return which training has begun, None if there is none or its note is damaged."""
    try:
        return read_json(note)["origin"]
    except (ShardError, KeyError, TypeError, IndexError):
        return None


def _in_processes(
    dataset_dir: Path, model_dir: Path, settings: TrainSettings, log: Callable[[float, str], None]
) -> None:
    """Train in a process of its own.

    Lightning starts the processes of further devices by running the program again with the same
    arguments; that must be a program which does nothing but train.
    """
    order = {
        "type": type(settings).__name__,
        "dataset_dir": str(dataset_dir.resolve()),
        "model_dir": str(model_dir.resolve()),
        "settings": settings.model_dump(mode="json"),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        command = [sys.executable, "-m", "reelabel.training.launch", str(path)]
        with (Path(folder) / "errors.txt").open("w+", encoding="utf-8") as errors:
            rc = _follow(command, errors.fileno(), log)
            errors.seek(0)
            message = errors.read()[-2000:].strip()
    if rc:
        raise ModelError(f"the training on several devices failed: {message}")


def _follow(command: list[str], errors: int, log: Callable[[float, str], None]) -> int:
    """Run a command and pass its lines ``share<tab>text`` on; return its exit code."""
    with subprocess.Popen(  # noqa: S603 -- our own program, a list of arguments
        command, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:
        for line in process.stdout or ():
            share, tab, text = line.rstrip("\n").partition("\t")
            if tab:
                log(float(share), text)
        return process.wait()
