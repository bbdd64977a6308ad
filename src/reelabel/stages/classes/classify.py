"""classify  moments -> predictions  1:N  class probabilities by the round's teacher.

The first round may have no teacher: then the tags stand alone, and there are no predictions.
"""

from __future__ import annotations

from reelabel.config import NoSettings
from reelabel.data.classes import Predictions
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.models.classifier_pool import ClassifierPool, classify_pictures
from reelabel.models.teacher import load_class_teacher
from reelabel.tables import MOMENTS, PREDICTIONS
from reelabel.tables.claims import moments_of, prediction_table
from reelabel.workspace.results import Decision
from reelabel.workspace.rounds import teacher_of

ClassifyUnit = Unit[NoSettings, ClassifierPool | None]


def classify(unit: ClassifyUnit) -> Output:
    """Return the probabilities of each moment of one video."""
    if unit.resource is None:
        return Output({"predictions": PREDICTIONS.empty()}, {"moments": 0})
    rows = unit.rows(MOMENTS)
    windows = ([unit.inputs.path(p) for p in paths] for paths in rows["pictures"].to_pylist())
    probability = classify_pictures(
        unit.resource, windows, lambda done: unit.tick(done / len(rows), f"{done} moments")
    )
    found = prediction_table(
        Predictions(moments_of(rows), probability), unit.resource.classifier.classes
    )
    return Output({"predictions": found}, {"moments": len(rows)})


def teacher(context: Context[NoSettings]) -> Resource[ClassifierPool | None]:
    """Return this round's teacher with the class names of the workspace, None if there is none."""
    project = context.project
    decision = context.inputs.result(Decision, previous=True)
    spec = teacher_of(project.teacher, context.round_number, decision)
    if not spec:
        return Resource(None)
    classifier = load_class_teacher(project, context.root, spec)
    return Resource(ClassifierPool(classifier), classifier.fingerprint)


STAGE = Stage(
    name="classify",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=classify,
    reads=(MOMENTS,),
    writes=(PREDICTIONS,),
    project_keys=("classes", "class_map", "multi_label"),
    per_round=True,
    tests_too=True,
    resource=teacher,
)
