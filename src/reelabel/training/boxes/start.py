"""What a training starts from: the weights of the detector, where a family can use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from reelabel.config import Project
from reelabel.models.detectors.fused import member_options
from reelabel.models.registry import load_detector
from reelabel.models.students.registry import initial_weights
from reelabel.short_names import NO_DETECTOR, detector_labels, spelled_as
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.workspace.results import InputChoice
from reelabel.workspace.rounds import is_student

FEW_BOXES: Mapping[str, object] = {
    "image_size": 0,
    "size_by": "labels",
    "crop": 320,
    "crop_anywhere": 0.5,
    "copy_paste": 0.7,
    "drawn_repeat": 3,
    "freeze_backbone": False,
    "schedule": "cosine",
    "epochs": 4,
    "min_steps": 500,
}
"""Settings in place of the family's own where drawn boxes take the place of a detector: new classes
are learnt from few pictures, which takes more steps. See docs/experiments.md."""
CONTINUED: Mapping[str, object] = {"min_steps": 200}
"""In place of those where a later round goes on from the student of drawn boxes, which knows the
class: fewer steps, at the family's own rate. See docs/experiments.md."""
NEW_CLASS_LR = 1e-3
"""Learning rate where the initial weights are of other classes: outputs of new classes start from
nothing."""


def start_from_detector(
    settings: BoxTrainSettings,
    project: Project,
    root: Path,
    choice: InputChoice | None = None,
    *,
    teacher: str = "",
) -> BoxTrainSettings:
    """Return the settings, completed by the weights and the input of the project's detector.

    The weights stay as they are if the settings name some. Of several detectors it is the first
    whose weights a family can use. If there is none, as `motion` has no weights, a later round goes
    on from the student of an earlier one that labels it, if it is of the same family. Without a
    detector (`none`) the settings are completed by `FEW_BOXES`, and a later round goes on likewise.

    Args:
        settings: of the training.
        project: names the detector, and its class names for ours.
        root: the workspace.
        choice: the input that `tune` chose.
        teacher: what labels this round, such as ``round:0``.

    Raises:
        ModelError: if the detector cannot be loaded.
    """
    if project.detector == NO_DETECTOR:
        before = _from_student(settings, project, root, teacher)
        return with_input_size(_for_few_boxes(before, goes_on=before is not settings), choice)
    if settings.weights is not None:
        return with_input_size(settings, choice)
    options = member_options(project.detector, project.detector_options)
    for label, (spec, own) in zip(detector_labels(project.detector), options.items(), strict=True):
        load = partial(load_detector, spec, home=root, options=own)
        found = initial_weights(settings, spec.partition(":")[0], load, project.classes)
        if found is not None:
            names = _own_names(found.classes, project.classes, project.class_map)
            update = {"student": found.student, "weights": found.path, "source_classes": names}
            size = choice.members.get(label, choice) if choice is not None else None
            return with_input_size(settings.model_copy(update=update), size)
    return _from_student(settings, project, root, teacher)


def _from_student(
    settings: BoxTrainSettings, project: Project, root: Path, teacher: str
) -> BoxTrainSettings:
    """Return the settings with the weights of the student that labels this round, if they fit."""
    if not is_student(teacher):
        return settings
    load = partial(load_detector, teacher, home=root)
    found = initial_weights(settings, "student", load, project.classes)
    if found is None:
        return settings
    update = {"student": found.student, "weights": found.path, "source_classes": found.classes}
    return settings.model_copy(update=update)


def with_input_size(settings: BoxTrainSettings, choice: InputChoice | None) -> BoxTrainSettings:
    """Return the settings of a student that starts from weights, with the input that suits them.

    An input size that the settings name stays.

    Args:
        settings: of the training.
        choice: what `tune` chose for the teacher, whose weights they are.
    """
    size = choice.image_size if choice is not None else None
    if size is None or settings.weights is None or "image_size" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"image_size": size})


def _for_few_boxes(settings: BoxTrainSettings, *, goes_on: bool) -> BoxTrainSettings:
    """Return the settings with values for few boxes wherever the user set none."""
    values = {**FEW_BOXES, **(CONTINUED if goes_on else {})}
    if settings.weights is not None and not goes_on:
        values["lr"] = NEW_CLASS_LR
    unset = {k: v for k, v in values.items() if k not in settings.model_fields_set}
    return settings.model_copy(update=unset)


def _own_names(
    classes: tuple[str, ...], own: Sequence[str], class_map: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the detector's class names, those that the project maps under the project's names.

    Where several names are mapped to one class, the first is taken: a head has one row per class.
    """
    first: dict[str, str] = {}
    for theirs, ours in class_map.items():
        first.setdefault(ours, theirs)
    own_name = {theirs: ours for ours, theirs in first.items()}
    return tuple(own_name.get(name, name) for name in spelled_as(classes, [*class_map, *own]))
