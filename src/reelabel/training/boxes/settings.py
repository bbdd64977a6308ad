"""The settings of a training that learns boxes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from reelabel.models.students.inputs import STRIDE
from reelabel.models.students.registry import built_in
from reelabel.models.students.settings import BoxStudentSettings
from reelabel.training.settings import TrainSettings, describe_families


class BoxTrainSettings(TrainSettings, BoxStudentSettings):
    """How a student that finds boxes is trained.

    Steps are counted in batches. Everything random depends on `seed` and the step alone.
    """

    image_size: int = Field(480, ge=0, le=4096)
    """Longest side of the input in pixels, a multiple of 32, at most that of the footage; 0: what
    `tune` chose for the detector that the student starts from, else such that the median object is
    about 128 pixels large, within 320 to 640. An object that would then have less than 12 is given
    24, within 640 to 1280, and its pictures may be enlarged twofold."""
    size_by: Literal["auto", "labels"] = "auto"
    """What an image_size of 0 goes by. auto: a student that detects already is used where it agrees
    most with itself, any other as the labelled objects need it; labels: as those need it."""
    crop: int = Field(0, ge=0, le=4096)
    """Side in pixels of the square around an object that a step is trained on, a multiple of 32; 0:
    the whole picture."""
    crop_anywhere: float = Field(0.0, ge=0, le=1)
    """Share of such squares that lie anywhere in the picture: with an object in every square,
    scores in whole pictures are too high."""
    flip_test: bool = False
    """Detect in the mirrored picture too when labelling, and take the mean."""
    flip: float = Field(0.5, ge=0, le=1)
    """Share of pictures that are mirrored."""
    scale_min: float = Field(0.7, gt=0, le=1)
    """Smallest random scale."""
    scale_max: float = Field(1.5, ge=1, le=4)
    """Largest random scale."""
    shift: float = Field(0.1, ge=0, le=0.5)
    """Largest random shift, as a share of the picture's side."""
    copy_paste: float = Field(0.0, ge=0, le=1)
    """Share of pictures into which one to three labelled objects of any picture are pasted: more
    examples of few labels, and the places where no object is become background more often."""
    background_share: float = Field(0.33, ge=0, le=10)
    """Pictures without labels for each picture with labels."""
    negative_repeat: int = Field(2, ge=1, le=100)
    """Frequency of pictures with hard negatives, relative to other pictures."""
    drawn_repeat: int = Field(1, ge=1, le=100)
    """Frequency of pictures in which a person drew, relative to other pictures."""
    use_negatives: bool = True
    """Use hard negatives in the loss."""
    use_ignore: bool = True
    """Exclude ignore regions from the loss; off: they are background."""
    soft_lambda: float = Field(0.0, ge=0, le=1)
    """Target score of a box that the tracker filled in: 1 - soft_lambda * (1 - score); 0: hard
    labels."""

    @field_validator("image_size", "crop")
    @classmethod
    def whole_cells(cls, value: int) -> int:
        """Refuse sides that the coarsest cells do not divide."""
        if value % STRIDE:
            raise ValueError(f"expected a multiple of {STRIDE}, but got {value}")
        return value


describe_families(BoxTrainSettings, built_in("boxes"))
