"""Classifiers as commands name them, with what their rounds found out about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelabel.errors import ModelError
from reelabel.models.base import Classifier
from reelabel.models.calibrated import CalibratedClassifier
from reelabel.models.registry import load_classifier
from reelabel.models.teacher import load_class_teacher
from reelabel.pipeline import read_config
from reelabel.verbs.model_names import CLASSIFY, Model, NamedModel, named_model
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import ClassificationScores
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import student_spec


@dataclass(frozen=True)
class FoundClassifier:
    """A classifier that is ready to be used.

    Attributes:
        label: what it is called in results.
        classifier: the model, calibrated if its round has fitted a temperature.
        temperature: that temperature, None if there is none.
        place: its folder or file, None where it has no single one.
        trained: ids of the videos that it was trained on, as far as they are known.
    """

    label: str
    classifier: Classifier
    temperature: float | None = None
    place: Path | None = None
    trained: frozenset[str] = frozenset()


def find_classifier(model: Model) -> FoundClassifier:
    """Return the classifier that a name stands for; see `named_model`.

    Raises:
        ModelError: if there is none, or it finds boxes.
    """
    if not isinstance(model, Workspace | Path | str):
        raise ModelError(
            f"expected the name of a classifier, but got {type(model).__name__}: Python functions "
            "find boxes"
        )
    named = named_model(model, CLASSIFY)
    if named.workspace is not None:
        return _of_workspace(named, named.workspace)
    kind, _, rest = named.spec.partition(":")
    place = Path(rest) if rest and Path(rest).exists() else None
    if kind == "student" and place is not None and (home := _round_of(place)) is not None:
        return _of_round(named.label, load_classifier(named.spec), home)
    return FoundClassifier(named.label, load_classifier(named.spec), place=place)


def _of_workspace(named: NamedModel, workspace: Workspace) -> FoundClassifier:
    project = read_config(workspace).project
    classifier = load_class_teacher(project, workspace.root, named.spec)
    numbers = (n for n in workspace.rounds() if student_spec(n) == named.spec)
    if (number := next(numbers, None)) is not None:
        return _of_round(named.label, classifier, workspace.round_dir(number))
    return FoundClassifier(named.label, classifier)


def _round_of(folder: Path) -> Path | None:
    """Return the folder of the round that a model folder belongs to, None if to none."""
    home = folder.resolve().parent
    in_round = home.parent.name == "rounds" and home.name.isdecimal() and folder.name == "model"
    return home if in_round else None


def _of_round(label: str, classifier: Classifier, home: Path) -> FoundClassifier:
    """Return the student of a round, calibrated as the round's scores state."""
    scores = ClassificationScores.load(home)
    temperature = scores.temperature if scores else None
    if temperature is not None:
        classifier = CalibratedClassifier(classifier, temperature)
    return FoundClassifier(label, classifier, temperature, home / "model", _trained(home))


def _trained(home: Path) -> frozenset[str]:
    """Return the videos that the students up to a round were trained on.

    What an earlier student was trained on reaches the later ones by its labels.
    """
    rounds = (home.parent / str(number) for number in range(int(home.name) + 1))
    splits = (SplitReport.load(folder) for folder in rounds)
    return frozenset().union(*(split.trained for split in splits if split is not None))
