"""The trainer of a student."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from reelabel.errors import UsageError, nearest
from reelabel.models.base import Trainer
from reelabel.models.students.classes.family import ClassFamily
from reelabel.models.students.family import NetworkFamily, OnePassFamily
from reelabel.models.students.registry import (
    AUTO,
    STUDENTS,
    family_of,
    require_packages,
    spellings,
)
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.settings import TrainSettings, with_family_defaults

TRAINERS = "reelabel.trainers"
"""Entry points of plug-ins that train in their own way: functions `TrainSettings` -> `Trainer`. A
plug-in that only brings a network registers a family; see `reelabel.models.students.registry`."""


def load_trainer(settings: TrainSettings) -> Trainer:
    """Return the trainer for ``settings.student``: one of ours, or a plug-in's.

    Raises:
        UsageError: if no family and no plug-in has that name, or the settings do not suit it.
        MissingExtra: if it needs torch and that is not installed.
    """
    family = family_of(settings)
    if family is None:
        return _plug_in(settings)
    require_packages(family.packages, f"training the student '{settings.student}'")
    if isinstance(family, OnePassFamily):
        return _one_pass(settings, family)
    if isinstance(family, NetworkFamily):
        from reelabel.training.network_trainer import NetworkTrainer  # noqa: PLC0415 -- on demand

        return NetworkTrainer(settings, family)
    raise UsageError(
        f"expected the student '{settings.student}' to be a NetworkFamily or a OnePassFamily, but "
        f"got {type(family).__name__}: correct the plug-in"
    )


def check_choice(settings: TrainSettings) -> None:
    """Check the choice of student as far as that is possible before there are labels.

    What a detector starts from is known only with its weights; nothing that the student needs must
    be installed.

    Raises:
        UsageError: if no family and no plug-in has that name, or the settings do not suit it.
        ModelError: if a library that is installed has no network of that name.
    """
    family = family_of(settings)
    if family is None:
        _plug_in_point(settings)
        return
    if settings.student != AUTO:
        family.check_name(settings.student)
    if isinstance(family, ClassFamily) and isinstance(settings, ClassTrainSettings):
        family.check(with_family_defaults(settings, family))


def _one_pass(settings: TrainSettings, family: OnePassFamily[Any, Any]) -> Trainer:
    from reelabel.training.boxes import one_pass as boxes  # noqa: PLC0415 -- one of two
    from reelabel.training.classes import one_pass as classes  # noqa: PLC0415 -- one of two
    from reelabel.training.one_pass_trainer import OnePassTrainer  # noqa: PLC0415 -- on demand

    learn: Any = boxes.learn if settings.output == "boxes" else classes.learn
    return OnePassTrainer(settings, family, learn)


def _plug_in(settings: TrainSettings) -> Trainer:
    trainer: Trainer = _plug_in_point(settings).load()(settings)
    return trainer


def _plug_in_point(settings: TrainSettings) -> EntryPoint:
    """Return the entry point of the plug-in that trains the student.

    Raises:
        UsageError: if there is none.
    """
    found = {point.name: point for point in entry_points(group=TRAINERS)}
    name = settings.student.partition(":")[0]
    if name not in found:
        known = sorted({*spellings(settings.output), *found})
        raise UsageError(
            f"expected one of the students {', '.join(known)}, but got '{name}'"
            f"{nearest(name, known)}; plug-ins register in the entry points '{STUDENTS}' "
            f"(families) or '{TRAINERS}'"
        )
    return found[name]
