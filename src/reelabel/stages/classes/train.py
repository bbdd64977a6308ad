"""train  dataset -> model  1:1  the student that classifies frames, or windows of frames.

An interrupted training resumes from its last checkpoint.
"""

from __future__ import annotations

from dataclasses import replace

from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.models.base import Trainer
from reelabel.models.students.classes.classifier import load_student_classifier
from reelabel.models.students.folder import CALIBRATION_JSON
from reelabel.training.classes.settings import ClassTrainSettings, ClipTrainSettings
from reelabel.training.registry import load_trainer
from reelabel.workspace import fingerprint

TrainUnit = Unit[ClassTrainSettings, Trainer]


def train(unit: TrainUnit) -> Output:
    """Train this round's student and return what identifies it."""
    split = unit.inputs.receipt("split")
    origin = fingerprint(unit.resource.fingerprint, split.digest if split else "")
    unit.files.begin(origin, afresh=unit.afresh)
    unit.resource.fit(unit.inputs.data_set(pictures=True), unit.files.path, unit.tick)
    student = load_student_classifier(unit.files.path)
    return Output(notes={"student": student.name}, digest=student.fingerprint)


def trainer(context: Context[ClassTrainSettings]) -> Resource[Trainer]:
    """Return the trainer for the settings."""
    settings = context.settings
    if "seed" not in settings.model_fields_set:
        settings = settings.model_copy(update={"seed": context.project.seed})
    found = load_trainer(settings)
    return Resource(found, found.fingerprint)


ARROW = (__doc__ or "").splitlines()[0]
FRAME_STAGE: Stage[ClassTrainSettings, Trainer] = Stage(
    name="train",
    arrow=ARROW,
    settings=ClassTrainSettings,
    run=train,
    scope="all",
    folder="model",
    aside=("checkpoints", "curve.csv", "logs", "origin", CALIBRATION_JSON),
    after=("split",),
    per_round=True,
    resource=trainer,
)
CLIP_STAGE = replace(FRAME_STAGE, settings=ClipTrainSettings)
