"""The model that labels in a round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from reelabel.config import Project
from reelabel.errors import ModelError
from reelabel.models.base import Classifier, Detector
from reelabel.models.classifiers.mapped import leaves_a_rest
from reelabel.models.detectors.fused import FusedDetector
from reelabel.models.detectors.mapped import MappedDetector
from reelabel.models.detectors.onnx import OnnxDetector
from reelabel.models.mirrored import TwoViewDetector
from reelabel.models.registry import load_classifier, load_detector
from reelabel.workspace.results import InputChoice


def load_teacher(
    project: Project, root: Path, spec: str, choice: InputChoice | None = None
) -> Detector:
    """Return a round's teacher, with the class names of the workspace.

    Args:
        project: names the first detector, its options and how its classes are called here.
        root: the workspace.
        spec: the detector; see `reelabel.workspace.rounds.teacher_of`.
        choice: the input that the first detector is to have.
    """
    first = spec == project.detector
    found = load_detector(
        spec,
        home=root,
        options=project.detector_options if first else {},
        wanted=project.classes,
        mapping=project.class_map if first else None,
    )
    return chosen_input(found, choice) if first else found


def chosen_input(detector: Detector, choice: InputChoice | None) -> Detector:
    """Return a detector with the input that was chosen for it, as it is if none was.

    Each of several that are fused has an input of its own.
    """
    if choice is not None and isinstance(detector, FusedDetector):
        return detector.with_members({
            label: chosen_input(one, choice.members.get(label))
            for label, one in detector.members.items()
        })
    if choice is None or choice.image_size is None:
        return detector
    return with_input(detector, choice.image_size, flip=choice.flip)


def fused_labels(detector: Detector) -> tuple[str, ...]:
    """Return the labels of the detectors that a teacher is fused of; none if it is one."""
    return tuple(detector.members) if isinstance(detector, FusedDetector) else ()


def can_have_input(detector: Detector, image_size: int) -> bool:
    """Return whether a detector can have a square input of this side: some ONNX networks can.

    The network is opened for it.
    """
    inner = detector.inner if isinstance(detector, MappedDetector) else detector
    return isinstance(inner, OnnxDetector) and inner.can_have((image_size, image_size))


def with_input(detector: Detector, image_size: int, *, flip: bool) -> Detector:
    """Return a detector with a square input, one that `can_have_input` allows.

    Args:
        detector: an ONNX network, its classes mapped or not; any other stays as it is.
        image_size: side of the input in pixels.
        flip: whether to detect in the mirror image too.
    """
    found = detector
    if isinstance(detector, OnnxDetector):
        found = cast("Detector", detector.at_size((image_size, image_size)))
    elif isinstance(detector, MappedDetector):
        inner = with_input(detector.inner, image_size, flip=False)
        found = cast("Detector", replace(detector, inner=inner))
    return cast("Detector", TwoViewDetector(found)) if flip else found


def load_class_teacher(project: Project, root: Path | None, spec: str) -> Classifier:
    """Return the classifier that labels in a round, with the classes of the workspace.

    Args:
        project: names the first teacher, its options and how its classes are called here.
        root: the workspace, None before there is one.
        spec: the classifier; see `reelabel.workspace.rounds.teacher_of`.

    Raises:
        ModelError: if it tells other classes apart than the workspace names, or where exactly one
            is right judges each for itself.
    """
    first = spec == project.teacher
    found = load_classifier(
        spec,
        home=root,
        options=project.teacher_options if first else {},
        wanted=project.classes,
        mapping=project.class_map if first else None,
    )
    suits = found.exclusive != project.multi_label
    if not suits and (project.multi_label or not leaves_a_rest(found)):
        kinds = ("classes of their own", "exclusive classes")
        raise ModelError(
            f"{spec}: expected probabilities of {kinds[not project.multi_label]}, as "
            f"multi_label is {str(project.multi_label).lower()}, but got those of "
            f"{kinds[found.exclusive]}: change multi_label, or teacher_options (exclusive)"
        )
    return found
