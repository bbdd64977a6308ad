"""Classifiers as commands name them, with what their rounds found out about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import ModelError
from reelabel.models.base import Classifier
from reelabel.models.calibrated import temperature_of
from reelabel.models.callables import register_callable
from reelabel.models.classifiers.mapped import MappedClassifier, wanted_classes
from reelabel.models.registry import load_classifier
from reelabel.models.teacher import load_class_teacher
from reelabel.pipeline import read_config
from reelabel.verbs.model_names import CLASSIFY, Model, NamedModel, named_model
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import Calibration, ClassificationScores
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import student_spec


@dataclass(frozen=True)
class FoundClassifier:
    """A classifier that is ready to be used.

    Attributes:
        label: what it is called in results.
        classifier: the model; a student is calibrated if a temperature lies in its folder.
        temperature: that temperature, or that in an ONNX file; None if there is none.
        place: its folder or file, None where it has no single one.
        trained: ids of the videos that it was trained on, as far as they are known.
    """

    label: str
    classifier: Classifier
    temperature: float | None = None
    place: Path | None = None
    trained: frozenset[str] = frozenset()

    @property
    def exclusive(self) -> bool:
        """Whether at most one class is right, also where some are left out of the sum."""
        own = self.classifier
        return own.inner.exclusive if isinstance(own, MappedClassifier) else own.exclusive


def find_classifier(model: Model, classes: Sequence[str] = ()) -> FoundClassifier:
    """Return the classifier that a name or a Python function stands for; see `named_model`.

    Args:
        model: a workspace, one of its rounds, a folder, a file, a name, or a function
            (`reelabel.models.classifiers.callable`).
        classes: the classes that are wanted; empty for all that the model has.

    Raises:
        ModelError: if there is none, it finds boxes, or has no such class.
    """
    if not isinstance(model, Workspace | Path | str):
        spec = register_callable(model)
        return FoundClassifier(spec, load_classifier(spec, wanted=classes))
    named = named_model(model, CLASSIFY)
    if named.workspace is not None:
        return _of_workspace(named, named.workspace, classes)
    kind, _, rest = named.spec.partition(":")
    place = Path(rest) if rest and Path(rest).exists() else None
    if kind == "student" and place is not None and (home := _round_of(place)) is not None:
        return _of_round(named.label, load_classifier(named.spec, wanted=classes), home)
    found = load_classifier(named.spec, wanted=classes)
    return FoundClassifier(named.label, found, temperature_of(found), place)


def _of_workspace(
    named: NamedModel, workspace: Workspace, classes: Sequence[str]
) -> FoundClassifier:
    project = read_config(workspace).project
    classifier = load_class_teacher(project, workspace.root, named.spec)
    if classes:
        classifier = wanted_classes(classifier, classes)
    numbers = (n for n in workspace.rounds() if student_spec(n) == named.spec)
    if (number := next(numbers, None)) is not None:
        return _of_round(named.label, classifier, workspace.round_dir(number))
    return FoundClassifier(named.label, classifier, temperature_of(classifier))


def _round_of(folder: Path) -> Path | None:
    """Return the folder of the round that a model folder belongs to, None if to none."""
    home = folder.resolve().parent
    in_round = home.parent.name == "rounds" and home.name.isdecimal() and folder.name == "model"
    return home if in_round else None


def _of_round(label: str, classifier: Classifier, home: Path) -> FoundClassifier:
    """Return the student of a round with what its round states.

    Raises:
        ModelError: if it was calibrated and what does that is gone: answers would be others.
    """
    temperature = temperature_of(classifier)
    scores = ClassificationScores.load(home)
    if temperature is None and scores is not None and scores.temperature is not None:
        raise ModelError(
            f"{home / Calibration.FILE}: expected the temperature of these weights, but there is "
            f"none: run  reelabel evaluate {home.parent.parent} --round {home.name}"
        )
    return FoundClassifier(label, classifier, temperature, home / "model", _trained(home))


def _trained(home: Path) -> frozenset[str]:
    """Return the videos that the students up to a round were trained on.

    What an earlier student was trained on reaches the later ones by its labels.
    """
    rounds = (home.parent / str(number) for number in range(int(home.name) + 1))
    splits = (SplitReport.load(folder) for folder in rounds)
    return frozenset().union(*(split.trained for split in splits if split is not None))
