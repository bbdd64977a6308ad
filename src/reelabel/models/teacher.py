"""The model that labels in a round."""

from __future__ import annotations

from pathlib import Path

from reelabel.config import Project
from reelabel.models.base import Detector
from reelabel.models.registry import load_detector


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
