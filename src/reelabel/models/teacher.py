"""The model that labels in a round."""

from __future__ import annotations

from pathlib import Path

from reelabel.config import Project
from reelabel.errors import ModelError
from reelabel.models.base import Classifier, Detector
from reelabel.models.registry import load_classifier, load_detector


def load_teacher(project: Project, root: Path, spec: str) -> Detector:
    """Return a round's teacher, with the class names of the workspace.

    Args:
        project: names the first detector, its options and how its classes are called here.
        root: the workspace.
        spec: the detector; see `reelabel.workspace.rounds.teacher_of`.
    """
    first = spec == project.detector
    return load_detector(
        spec,
        home=root,
        options=project.detector_options if first else {},
        wanted=project.classes,
        mapping=project.class_map if first else None,
    )


def load_class_teacher(project: Project, root: Path, spec: str) -> Classifier:
    """Return the classifier that labels in a round, with the classes of the workspace.

    Args:
        project: names the first teacher, its options and how its classes are called here.
        root: the workspace.
        spec: the classifier; see `reelabel.workspace.rounds.teacher_of`.

    Raises:
        ModelError: if it tells other classes apart than the workspace names.
    """
    first = spec == project.teacher
    found = load_classifier(
        spec,
        home=root,
        options=project.teacher_options if first else {},
        wanted=project.classes,
        mapping=project.class_map if first else None,
    )
    if found.exclusive == project.multi_label:
        kinds = ("classes of their own", "exclusive classes")
        raise ModelError(
            f"{spec}: expected probabilities of {kinds[not project.multi_label]}, as "
            f"multi_label is {str(project.multi_label).lower()}, but got those of "
            f"{kinds[found.exclusive]}: change multi_label, or teacher_options (exclusive)"
        )
    return found
