"""train  dataset -> model  1:1  the student, with negatives and ignore regions reaching the loss.

A killed training goes on from its last checkpoint. A YOLOX teacher's own weights are what the
student starts from, unless another student is chosen.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from reelabel.config import Project
from reelabel.engine.stage import Output, Resource, Stage, Unit
from reelabel.files import explained
from reelabel.models.detectors.onnx import OnnxDetector
from reelabel.models.registry import load_detector
from reelabel.models.trainers.registry import load_trainer
from reelabel.models.trainers.settings import TrainSettings
from reelabel.workspace import Workspace, fingerprint
from reelabel.workspace.rounds import dataset_dir, model_dir


def train(unit: Unit) -> Output:
    """Train this round's student and return what identifies it."""
    target = model_dir(unit.workspace, unit.round_number)
    data = dataset_dir(unit.workspace, unit.round_number)
    split = unit.workspace.read_receipt("split", unit.round_number)
    origin = fingerprint(unit.resource.fingerprint, split.digest if split else "")
    _make_room(target, origin, afresh=unit.afresh)
    unit.resource.fit(data, target, unit.tick)
    student = load_detector(f"student:{target}")
    return Output(notes={"student": student.name}, digest=student.fingerprint)


def _make_room(folder: Path, origin: str, *, afresh: bool) -> None:
    """Remove a student of other labels or settings; a training that was killed may go on."""
    note = folder / "origin"
    if afresh or not note.is_file() or note.read_text(encoding="utf-8") != origin:
        with explained(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            note.write_text(origin, encoding="utf-8")


def trainer(
    workspace: Workspace, project: Project, settings: TrainSettings, number: int
) -> Resource:
    """Return the trainer that the settings mean."""
    del number
    changes: dict[str, Any] = {"seed": _seed(settings, project)}
    if settings.student in ("auto", "yolox") and settings.weights is None:
        weights, names = _teachers_weights(workspace, project)
        if weights is not None:
            changes |= {"student": "yolox", "weights": weights, "source_classes": names}
    found = load_trainer(settings.model_copy(update=changes))
    return Resource(found, found.fingerprint)


def _seed(settings: TrainSettings, project: Project) -> int:
    return settings.seed if "seed" in settings.model_fields_set else project.seed


def _teachers_weights(
    workspace: Workspace, project: Project
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the file of a YOLOX teacher and its class names in the workspace's words."""
    if not project.detector.startswith("onnx:"):
        return None, ()
    detector = load_detector(
        project.detector, home=workspace.root, options=project.detector_options
    )
    if not isinstance(detector, OnnxDetector) or type(detector.family).__name__ != "Yolox":
        return None, ()
    said = dict.fromkeys(project.class_map.values())
    # Of several names that mean one class the first one's row is what the new head starts from.
    first = {own: next(n for n, o in project.class_map.items() if o == own) for own in said}
    back = {theirs: own for own, theirs in first.items()}
    return detector.path, tuple(back.get(name, name) for name in detector.classes)


STAGE = Stage(
    name="train",
    arrow=(__doc__ or "").splitlines()[0],
    settings=TrainSettings,
    run=train,
    scope="all",
    after=("split",),
    per_round=True,
    resource=trainer,
)
