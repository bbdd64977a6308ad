"""train  dataset -> model  1:1  the student, with negatives and ignore regions reaching the loss.

A killed training goes on from its last checkpoint. A YOLOX teacher's own weights are what the
student starts from, unless another student is chosen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reelabel.config import Project
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.models.base import Trainer
from reelabel.models.detectors.onnx import OnnxDetector
from reelabel.models.registry import load_detector
from reelabel.models.trainers.registry import load_trainer
from reelabel.models.trainers.settings import TrainSettings
from reelabel.workspace import fingerprint

TrainUnit = Unit[TrainSettings, Trainer]


def train(unit: TrainUnit) -> Output:
    """Train this round's student and return what identifies it."""
    split = unit.inputs.receipt("split")
    origin = fingerprint(unit.resource.fingerprint, split.digest if split else "")
    _make_room(unit, origin)
    unit.resource.fit(unit.inputs.folder("dataset"), unit.files.path, unit.tick)
    student = load_detector(f"student:{unit.files.path}")
    return Output(notes={"student": student.name}, digest=student.fingerprint)


def _make_room(unit: TrainUnit, origin: str) -> None:
    """Remove a student of other labels or settings; a training that was killed may go on."""
    note = unit.files.path / "origin"
    if unit.afresh or not note.is_file() or note.read_text(encoding="utf-8") != origin:
        unit.files.clear()
        unit.files.write("origin", origin.encode())


def trainer(context: Context[TrainSettings]) -> Resource[Trainer]:
    """Return the trainer that the settings mean."""
    settings, project = context.settings, context.project
    changes: dict[str, Any] = {"seed": _seed(settings, project)}
    if settings.student in ("auto", "yolox") and settings.weights is None:
        weights, names = _teachers_weights(context.root, project)
        if weights is not None:
            changes |= {"student": "yolox", "weights": weights, "source_classes": names}
    found = load_trainer(settings.model_copy(update=changes))
    return Resource(found, found.fingerprint)


def _seed(settings: TrainSettings, project: Project) -> int:
    return settings.seed if "seed" in settings.model_fields_set else project.seed


def _teachers_weights(root: Path, project: Project) -> tuple[Path | None, tuple[str, ...]]:
    """Return the file of a YOLOX teacher and its class names in the workspace's words."""
    if not project.detector.startswith("onnx:"):
        return None, ()
    detector = load_detector(project.detector, home=root, options=project.detector_options)
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
    folder="model",
    after=("split",),
    per_round=True,
    resource=trainer,
)
