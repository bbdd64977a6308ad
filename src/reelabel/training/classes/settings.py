"""The settings of a training that learns classes."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from reelabel.models.students.registry import class_families
from reelabel.models.students.settings import ClassStudentSettings
from reelabel.training.settings import TrainSettings, describe_families, with_default


class ClassTrainSettings(TrainSettings, ClassStudentSettings):
    """How a student that classifies is trained.

    Steps are counted in batches. Everything random depends on `seed` and the step alone.
    """

    batch_size: int = with_default(TrainSettings, "batch_size", 16)
    schedule: Literal["constant", "cosine"] = with_default(TrainSettings, "schedule", "cosine")
    head_share: float = Field(0.25, gt=0, lt=1)
    """Share of the steps in which a staged backbone is not trained yet."""
    backbone_rate: float | None = Field(None, gt=0, le=1)
    """Learning rate of the backbone, relative to that of the head; none: the student's own."""
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    """Share of each target that is spread over all classes."""
    class_balance: Literal["none", "weights", "sampling"] = "none"
    """What makes up for rare classes: a larger weight in the loss, or more frequent examples."""
    flip: float | None = Field(None, ge=0, le=1)
    """Share of examples that are mirrored; none: half of them, but no example if a class names a
    direction, such as left or clockwise."""
    crop_min: float = Field(0.6, gt=0, le=1)
    """Smallest share of the picture's area that a random crop keeps."""
    crop_aspect: float = Field(1.2, ge=1, le=4)
    """Largest random change of the aspect of a crop."""
    time_jitter: float = Field(0.0, ge=0, le=0.9)
    """Share of a window's length that random shifts of its first and last picture may take away."""


class ClipTrainSettings(ClassTrainSettings):
    """How a student that classifies clips is trained."""

    clips: ClassVar[bool] = True


describe_families(ClassTrainSettings, class_families(clips=False))
describe_families(ClipTrainSettings, class_families(clips=True))
