"""The trainer of a student."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from reelabel.errors import UsageError, nearest
from reelabel.models.base import Trainer
from reelabel.models.students.family import NetworkFamily, OnePassFamily
from reelabel.models.students.registry import STUDENTS, family_of, require_packages, spellings
from reelabel.training.settings import TrainSettings

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


def _one_pass(settings: TrainSettings, family: OnePassFamily[Any, Any]) -> Trainer:
    from reelabel.training.boxes import one_pass as boxes  # noqa: PLC0415 -- one of two
    from reelabel.training.classes import one_pass as classes  # noqa: PLC0415 -- one of two
    from reelabel.training.one_pass_trainer import OnePassTrainer  # noqa: PLC0415 -- on demand

    learn: Any = boxes.learn if settings.output == "boxes" else classes.learn
    return OnePassTrainer(settings, family, learn)


def _plug_in(settings: TrainSettings) -> Trainer:
    found = {point.name: point for point in entry_points(group=TRAINERS)}
    name = settings.student.partition(":")[0]
    if name not in found:
        known = sorted({*spellings(settings.output), *found})
        raise UsageError(
            f"expected one of the students {', '.join(known)}, but got '{name}'"
            f"{nearest(name, known)}; plug-ins register in the entry points '{STUDENTS}' "
            f"(families) or '{TRAINERS}'"
        )
    trainer: Trainer = found[name].load()(settings)
    return trainer
