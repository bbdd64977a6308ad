"""The description of a trained classifier."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from reelabel.models.students.classes.inputs import Preprocessing
from reelabel.models.students.folder import Card, read_card_as


class ClassCard(Card):
    """The card of a student that classifies pictures or windows of pictures."""

    task: str = "classify"
    """What the student was trained for."""
    exclusive: bool = True
    """Exactly one class is right; else each class is a question of its own."""
    frames: int = Field(1, ge=1)
    """Pictures per window; 1: single pictures are classified."""
    step_s: float = Field(0.0, ge=0)
    """Seconds between the pictures of a window; 0: single pictures, or not known."""
    preprocessing: Preprocessing
    """How pictures become inputs."""


def read_class_card(model_dir: Path) -> ClassCard:
    """Return the content of `model.json` of a student that classifies.

    Raises:
        ModelError: if the folder is not a finished student, or one for another task or from a
            later version.
    """
    return read_card_as(ClassCard, model_dir)
