"""evaluate  model -> scores  1:N  teacher and student on the same moments and videos.

Against people's classes where there are some, and against the labels of videos that were kept out
of training, which is called agreement and never accuracy. Frames or clips, and whole videos, are
scored apart. The student's probabilities are calibrated on the held-out videos, as `predict` gives
them; where it is scored on those, each part of them has the temperature of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from reelabel.config import Project, Settings
from reelabel.data.boxes import Floats, Ints
from reelabel.data.classes import Moments, Predictions
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.evaluation.classes.calibration import calibrated, cross_calibrated, fit_temperature
from reelabel.evaluation.classes.compare import ClassComparison, ModelPredictions, compare
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Level, Truth
from reelabel.formats.class_json import read_class_json
from reelabel.labels.claims import known_moments
from reelabel.models.classifier_pool import ClassifierPool, classify_pictures
from reelabel.models.classifiers.mapped import shared_out, wanted_classes
from reelabel.models.students.classes.classifier import load_student_classifier
from reelabel.models.students.folder import fingerprint as model_fingerprint
from reelabel.tables import CLASS_TRUTH, MOMENTS, PREDICTIONS, STUDENT_PREDICTIONS, VIDEOS
from reelabel.tables.claims import (
    moments_of,
    prediction_table,
    predictions_of,
)
from reelabel.workspace import fingerprint
from reelabel.workspace.class_results import Calibration, ClassificationScores
from reelabel.workspace.results import SplitReport


class ClassEvaluateSettings(Settings):
    """How classifiers are scored."""

    threshold: float = Field(0.5, ge=0, le=1)
    """Probability from which a class counts as predicted, where several may be right."""
    positive: str | None = None
    """Of two exclusive classes, the one whose precision and recall are stated."""
    beta: float = Field(2.0, gt=0, le=100)
    """How much more recall counts than precision in F-beta."""
    top_k: int = Field(5, ge=1, le=100)
    """How many classes may be named in top-k accuracy."""
    resamples: int = Field(500, ge=0, le=100_000)
    """Bootstrap resamples of the groups of videos for the intervals; 0 for none."""

    def score_settings(self, project: Project, classes: Sequence[str] = ()) -> ScoreSettings:
        """Return how models of a project are scored.

        Args:
            project: its settings.
            classes: the columns; without them the classes of the project.
        """
        names = tuple(classes) or project.classes
        return ScoreSettings(
            names,
            exclusive=not project.multi_label,
            # More classes than the project's two are no binary question.
            positive=self.positive if set(names) == set(project.classes) else None,
            threshold=self.threshold,
            beta=self.beta,
            top_k=self.top_k,
            n_resamples=self.resamples,
            seed=project.seed,
        )


EvaluateUnit = Unit[ClassEvaluateSettings, ClassifierPool]
Comparisons = dict[Level, ClassComparison]


def evaluate(unit: EvaluateUnit) -> Output:
    """Return this round's scores."""
    split = unit.inputs.result(SplitReport) or SplitReport(leak_free=False, reason="")
    truth, held_out = _truth(unit, split), _held_out(unit)
    judged = {*truth.moments.video.tolist(), *held_out.moments.video.tolist()}
    raw = _answers(unit, sorted(judged))
    temperature = _temperature(unit, raw, held_out)
    student = raw if temperature is None else _at(unit, raw, temperature)
    teacher = _stored(unit, sorted(judged))
    models = {"student": student} if teacher is None else {"teacher": teacher, "student": student}
    seen = sorted(split.trained | _trained_before(unit))
    unseen = np.flatnonzero(~np.isin(truth.moments.video, seen))
    scores = ClassificationScores(
        round=unit.round_number,
        leak_free=split.leak_free,
        split=split.reason,
        truth=_compared(unit, models, truth),
        truth_unseen=_compared(unit, models, _part(truth, unseen)),
        agreement=_compared(unit, models | {"student": _crossed(unit, raw, held_out)}, held_out),
        temperature=temperature,
        left_out=_left_out(unit),
    )
    return Output(
        {"student_predictions": _tables(unit, student, judged)},
        notes={"truth_moments": len(truth.moments), "held_out_moments": len(held_out.moments)},
        digest=fingerprint(scores.to_json()),
        results=(scores, _calibration(unit, temperature, judged)),
    )


def _tables(unit: EvaluateUnit, student: Predictions, videos: Iterable[str]) -> dict[str, pa.Table]:
    """Return the student's probabilities as rows by video."""
    names = unit.project.classes
    of = student.moments.video
    return {v: prediction_table(student[np.flatnonzero(of == v)], names) for v in videos}


def _truth(unit: EvaluateUnit, split: SplitReport) -> Truth:
    """Return the moments of the videos whose classes a person gave."""
    names, exclusive = unit.project.classes, not unit.project.multi_label
    parts: list[tuple[Moments, Floats, str]] = []
    for video_id in sorted(set(unit.inputs.video_ids(CLASS_TRUTH)) & _usable(unit)):
        known = known_moments(
            unit.rows(CLASS_TRUTH, video_id),
            moments_of(unit.rows(MOMENTS, video_id)),
            unit.inputs.video(video_id),
            names,
            exclusive=exclusive,
        )
        parts.append((*known, split.groups.get(video_id, video_id)))
    return Truth.joined(parts, len(names))


def _held_out(unit: EvaluateUnit) -> Truth:
    """Return the labelled moments of the validation side that no compared model was trained on.

    The teacher may be a student of the round before, whose data set was divided otherwise.
    """
    data = read_class_json(unit.inputs.data_set() / "val.json")
    fresh = np.flatnonzero(~np.isin(data.moments.video, sorted(_trained_before(unit))))
    return _part(Truth(data.moments, data.target, data.group), fresh)


def _trained_before(unit: EvaluateUnit) -> frozenset[str]:
    """Return the videos that the student of the round before was trained on."""
    before = unit.inputs.result(SplitReport, previous=True) if unit.round_number else None
    return frozenset(before.trained) if before else frozenset()


def _part(truth: Truth, at: Ints) -> Truth:
    return Truth(truth.moments[at], truth.target[at], truth.group[at])


def _usable(unit: EvaluateUnit) -> set[str]:
    """Return the videos that models can be scored on: readable, with moments, none that failed."""
    readable = {video.video_id for video in unit.inputs.videos if video.usable}
    judged = set(unit.inputs.video_ids(PREDICTIONS))
    return readable & judged & set(unit.inputs.video_ids(MOMENTS))


def _answers(unit: EvaluateUnit, videos: Sequence[str]) -> Predictions:
    """Return the student's probabilities for all moments of some videos."""
    rows = [unit.rows(MOMENTS, video_id) for video_id in videos]
    moments = Moments.joined(moments_of(one) for one in rows)
    files = (paths for one in rows for paths in one["pictures"].to_pylist())
    windows = ([unit.inputs.path(path) for path in paths] for paths in files)
    probability = classify_pictures(
        unit.resource, windows, lambda done: unit.tick(done / max(len(moments), 1), "")
    )
    return Predictions(moments, probability)


def _stored(unit: EvaluateUnit, videos: Iterable[str]) -> Predictions | None:
    """Return the teacher's probabilities for the same, None if the round has no teacher."""
    names = unit.project.classes
    found = [predictions_of(unit.rows(PREDICTIONS, video_id), names) for video_id in videos]
    if not any(len(one) for one in found):
        return None
    moments = Moments.joined(one.moments for one in found)
    probability = np.concatenate([one.probability for one in found])
    # What a teacher left over for other classes than the wanted ones says nothing about these.
    several = unit.project.multi_label
    return Predictions(moments, probability if several else shared_out(probability))


def _compared(unit: EvaluateUnit, models: Mapping[str, Predictions], truth: Truth) -> Comparisons:
    """Return the scores of all models on these moments, and on their videos as wholes."""
    if not len(truth.moments):
        return {}
    settings = unit.settings.score_settings(unit.project)
    candidates = [ModelPredictions(name, one.of(truth.moments)) for name, one in models.items()]
    found = [compare(candidates, truth, settings, whole_videos=whole) for whole in (False, True)]
    return {one.level: one for one in found}


def _temperature(unit: EvaluateUnit, student: Predictions, held_out: Truth) -> float | None:
    """Return what calibrates the student's probabilities, None if nothing was held out."""
    if not len(held_out.moments):
        return None
    probability = student.of(held_out.moments).probability
    exclusive = not unit.project.multi_label
    return fit_temperature(probability, held_out.target, exclusive=exclusive, groups=held_out.group)


def _at(unit: EvaluateUnit, raw: Predictions, temperature: float) -> Predictions:
    """Return the student's probabilities as `predict` gives them."""
    exclusive = not unit.project.multi_label
    return Predictions(raw.moments, calibrated(raw.probability, temperature, exclusive=exclusive))


def _crossed(unit: EvaluateUnit, raw: Predictions, held_out: Truth) -> Predictions:
    """Return the student's probabilities of moments that temperatures are fitted on."""
    known, exclusive = raw.of(held_out.moments), not unit.project.multi_label
    found = cross_calibrated(
        known.probability, held_out.target, held_out.group, exclusive=exclusive
    )
    return Predictions(known.moments, found)


def _calibration(
    unit: EvaluateUnit, temperature: float | None, videos: Iterable[str]
) -> Calibration:
    """Return what the student's folder is to hold beside its weights."""
    counts = (pc.list_value_length(unit.rows(MOMENTS, v)["pictures"]) for v in videos)
    pictures = max((pc.max(one).as_py() or 1 for one in counts), default=1)
    return Calibration(model_fingerprint(unit.inputs.folder("model")), temperature, pictures)


def _left_out(unit: EvaluateUnit) -> tuple[str, ...]:
    """Return the names of annotated videos that could not be scored."""
    missing = set(unit.inputs.video_ids(CLASS_TRUTH)) - _usable(unit)
    return tuple(sorted(v.name for v in unit.inputs.videos if v.video_id in missing))


def student(context: Context[ClassEvaluateSettings]) -> Resource[ClassifierPool]:
    """Return this round's student without what calibrates it, which this stage finds."""
    own = load_student_classifier(context.inputs.folder("model"))
    classifier = wanted_classes(own, context.project.classes)
    return Resource(ClassifierPool(classifier), classifier.fingerprint)


STAGE = Stage(
    name="evaluate",
    arrow=(__doc__ or "").splitlines()[0],
    settings=ClassEvaluateSettings,
    run=evaluate,
    scope="all",
    reads=(VIDEOS, MOMENTS, PREDICTIONS),
    optional=(CLASS_TRUTH,),
    writes=(STUDENT_PREDICTIONS,),
    after=("split", "train"),
    project_keys=("classes", "seed", "multi_label"),
    per_round=True,
    resource=student,
    made_by_run=True,
    version=3,
)
