"""Which trainer trains which student."""

from __future__ import annotations

from importlib.metadata import entry_points
from importlib.util import find_spec

from reelabel.errors import MissingExtra, UsageError, nearest
from reelabel.models.base import Trainer
from reelabel.models.trainers.settings import TrainSettings

ENTRY_POINTS = "reelabel.trainers"
"""Group under which a plug-in names a function: `TrainSettings` in, `Trainer` out."""

OWN = ("auto", "centre", "yolox", "torchvision", "hf")


def load_trainer(settings: TrainSettings) -> Trainer:
    """Return the trainer for ``settings.student``: an own one, or a plug-in's.

    Raises:
        UsageError: if neither we nor a plug-in know the student.
        MissingExtra: if it needs torch and that is not installed.
    """
    family = settings.student.partition(":")[0]
    if family == "fake":
        from reelabel.models.trainers.fake import FakeTrainer  # noqa: PLC0415 -- loaded on demand

        return FakeTrainer(settings)
    if family not in OWN:
        return _plugin(family, settings)
    if find_spec("torch") is None or find_spec("lightning") is None:
        raise MissingExtra(f"training the student '{settings.student}'", "train")
    from reelabel.models.trainers.trainer import StudentTrainer  # noqa: PLC0415 -- loaded on demand

    return StudentTrainer(settings)


def _plugin(name: str, settings: TrainSettings) -> Trainer:
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        known = sorted({*OWN, "fake", *found})
        raise UsageError(
            f"expected one of the students {', '.join(known)}, but got '{name}'"
            f"{nearest(name, known)}; plug-ins stand in the entry points '{ENTRY_POINTS}'"
        )
    trainer: Trainer = found[name].load()(settings)
    return trainer
