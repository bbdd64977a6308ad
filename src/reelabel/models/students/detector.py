"""A trained student as a detector; describing one does not import torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from reelabel.models.base import Predict
from reelabel.models.students.box_family import BoxFamily
from reelabel.models.students.folder import MODEL_JSON, ModelCard, fingerprint, read_card
from reelabel.models.students.registry import family_named, require_family


@dataclass
class StudentDetector:
    """Detects what a student was trained for; see `base.Detector` for the attributes.

    Raises:
        ModelError: if the student's family is not known.
    """

    model_dir: Path
    card: ModelCard
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False)
    in_order: bool = field(init=False, default=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        side = self.card.image_size
        self.name = f"student:{self.model_dir}"
        self.classes = self.card.classes
        self.fingerprint = fingerprint(self.model_dir)
        self.fit_wh = (side, side) if self._family().reduces_input else None
        self.batch_size = self.card.batch_size

    def _family(self) -> BoxFamily:
        where = str(self.model_dir / MODEL_JSON)
        return cast("BoxFamily", family_named(self.card.kind, where, "boxes"))

    def open(self) -> Predict:
        """Load the weights and return the function that detects.

        Raises:
            ModelError: if the weights are missing or do not fit.
        """
        return self._family().open(self.model_dir, self.card)


def load_student_detector(model_dir: Path) -> StudentDetector:
    """Return the detector in a finished student's folder.

    Nothing in the folder is run as code. The weights are loaded by the detector's ``open()``.

    Raises:
        ModelError: if the folder is not a finished student, or of an unknown family or task.
        MissingExtra: if the student needs torch and it is not installed.
    """
    card = read_card(model_dir)
    require_family(model_dir, card, "boxes")
    return StudentDetector(model_dir, card)
