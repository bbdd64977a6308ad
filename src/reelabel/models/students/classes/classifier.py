"""A trained student as a classifier; describing one does not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from reelabel.models.base import Classify
from reelabel.models.students.classes.card import ClassCard, read_class_card
from reelabel.models.students.classes.family import ClassFamily
from reelabel.models.students.folder import MODEL_JSON, fingerprint
from reelabel.models.students.registry import family_named, require_family

_ROOM = 3  # a picture of 3:1, fitted into this multiple of the short side, still has that side


@dataclass
class StudentClassifier:
    """Classifies as a student was trained to; see `base.Classifier` for the attributes.

    Raises:
        ModelError: if the student's family is not known.
    """

    model_dir: Path
    card: ClassCard
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    exclusive: bool = field(init=False)
    frames: int = field(init=False)
    step_s: float = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        side = _ROOM * self.card.preprocessing.short_px
        self.name = f"student:{self.model_dir}"
        self.classes = self.card.classes
        self.fingerprint = fingerprint(self.model_dir)
        self.exclusive, self.frames = self.card.exclusive, self.card.frames
        self.step_s, self.batch_size = self.card.step_s, self.card.batch_size
        self.fit_wh = (side, side)

    def open(self) -> Classify:
        """Load the weights and return the function that classifies.

        Raises:
            ModelError: if the weights are missing or do not fit.
        """
        where = str(self.model_dir / MODEL_JSON)
        family = cast("ClassFamily", family_named(self.card.kind, where, "classes"))
        return family.open(self.model_dir, self.card)


def load_student_classifier(model_dir: Path) -> StudentClassifier:
    """Return the classifier in a finished student's folder.

    Nothing in the folder is run as code. The weights are loaded by the classifier's ``open()``.

    Raises:
        ModelError: if the folder is not a finished student, or of an unknown family or task.
        MissingExtra: if the student needs torch and it is not installed.
    """
    card = read_class_card(model_dir)
    require_family(model_dir, card, "classes")
    return StudentClassifier(model_dir, card)
