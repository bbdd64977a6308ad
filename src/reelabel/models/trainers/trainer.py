"""The `Trainer` of all students that need torch."""

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

from reelabel.errors import ModelError
from reelabel.models.trainers.folder import MODEL_JSON, is_finished, write_atomically
from reelabel.models.trainers.settings import TrainSettings, completed

_WHERE_ONLY = {"accelerator", "devices", "num_workers", "cache_mb", "loggers", "threads"}
"""Settings that change how fast a student is trained, not which student."""

_BEGUN = "begun.json"


@dataclass
class StudentTrainer:
    """Trains with Lightning; see `base.Trainer`."""

    settings: TrainSettings
    name: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.settings = completed(self.settings)
        self.name = self.settings.student
        what = self.settings.model_dump(mode="json", exclude=_WHERE_ONLY | {"weights"})
        digest = hashlib.sha256(f"student:1:{json.dumps(what, sort_keys=True)}".encode())
        if self.settings.weights is not None:
            digest.update(_digest(self.settings.weights))
        self.fingerprint = digest.hexdigest()

    def fit(self, dataset_dir: Path, model_dir: Path, log: Callable[[float, str], None]) -> None:
        """Train, or go on where a killed run stopped.

        What a training with other settings or other labels left in the folder is removed. With
        several devices the training runs in processes of its own.

        Raises:
            MissingInput: if there is no data set.
            UsageError: if it has no labels, or the settings do not fit the machine.
            ModelError: if weights cannot be used, or the training fails.
        """
        origin = f"{self.fingerprint}:{_digest(dataset_dir / 'train.json').hex()}"
        _make_room(model_dir, origin)
        if is_finished(model_dir):
            log(1.0, "already trained")
            return
        if self.settings.devices == 1:
            from reelabel.models.trainers.fit import train  # noqa: PLC0415 -- imports torch

            train(dataset_dir, model_dir, self.settings, log)
        else:
            _in_processes(dataset_dir, model_dir, self.settings, log)
        log(1.0, "trained")


def _digest(path: Path) -> bytes:
    if not path.is_file():
        return b"missing"  # whoever needs the file says so
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _make_room(model_dir: Path, origin: str) -> None:
    """Remove what a training of something else left behind."""
    note = model_dir / "checkpoints" / _BEGUN
    begun = json.loads(note.read_bytes()).get("origin") if note.is_file() else None
    if begun == origin:
        return
    (model_dir / MODEL_JSON).unlink(missing_ok=True)
    shutil.rmtree(note.parent, ignore_errors=True)
    note.parent.mkdir(parents=True)
    write_atomically(note, json.dumps({"origin": origin}).encode())


def _in_processes(
    dataset_dir: Path, model_dir: Path, settings: TrainSettings, log: Callable[[float, str], None]
) -> None:
    """Train in a process of its own.

    Lightning starts the processes of further devices by running the program again with the same
    arguments; that must be a program which does nothing but train.
    """
    order = {
        "dataset_dir": str(dataset_dir.resolve()),
        "model_dir": str(model_dir.resolve()),
        "settings": settings.model_dump(mode="json"),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        command = [sys.executable, "-m", "reelabel.models.trainers.launch", str(path)]
        with (Path(folder) / "errors.txt").open("w+", encoding="utf-8") as errors:
            rc = _follow(command, errors.fileno(), log)
            errors.seek(0)
            said = errors.read()[-2000:]
    if rc:
        raise ModelError(f"the training on several devices failed: {said.strip()}")


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
