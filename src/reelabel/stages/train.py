"""train  dataset -> model  1:1  the student, with hard negatives and ignore regions in the loss.

An interrupted training resumes from its last checkpoint. A student whose family can use the weights
of the detector starts from them; `auto` prefers such a family. Where the detector has none, later
rounds go on from the student that labels them.
"""

from __future__ import annotations

from reelabel.config import Project
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.models.base import Trainer
from reelabel.models.registry import load_detector
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.start import start_from_detector
from reelabel.training.registry import load_trainer
from reelabel.workspace import fingerprint
from reelabel.workspace.results import Decision, InputChoice
from reelabel.workspace.rounds import teacher_of

TrainUnit = Unit[BoxTrainSettings, Trainer]


def train(unit: TrainUnit) -> Output:
    """Train this round's student and return what identifies it."""
    split = unit.inputs.receipt("split")
    origin = fingerprint(unit.resource.fingerprint, split.digest if split else "")
    unit.files.begin(origin, afresh=unit.afresh)
    unit.resource.fit(unit.inputs.data_set(pictures=True), unit.files.path, unit.tick)
    student = load_detector(f"student:{unit.files.path}")
    return Output(notes={"student": student.name}, digest=student.fingerprint)


def trainer(context: Context[BoxTrainSettings]) -> Resource[Trainer]:
    """Return the trainer for the settings."""
    choice = context.inputs.result(InputChoice)
    project, decision = context.project, context.inputs.result(Decision, previous=True)
    teacher = teacher_of(project.detector, context.round_number, decision)
    settings = start_from_detector(context.settings, project, context.root, choice, teacher=teacher)
    seed = _seed(settings, project)
    found = load_trainer(settings.model_copy(update={"seed": seed}))
    return Resource(found, found.fingerprint)


def _seed(settings: BoxTrainSettings, project: Project) -> int:
    return settings.seed if "seed" in settings.model_fields_set else project.seed


STAGE = Stage(
    name="train",
    arrow=(__doc__ or "").splitlines()[0],
    settings=BoxTrainSettings,
    run=train,
    scope="all",
    folder="model",
    aside=("checkpoints", "curve.csv", "logs", "origin"),
    after=("split",),
    per_round=True,
    resource=trainer,
)
