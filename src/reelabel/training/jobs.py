"""The training that settings describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from reelabel.models.students.family import NetworkFamily
from reelabel.training.boxes.job import BoxJob
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.classes.job import ClassJob
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.job import TrainingJob
from reelabel.training.settings import TrainSettings


def make_job(
    dataset_dir: Path, settings: TrainSettings, family: NetworkFamily[Any, Any]
) -> TrainingJob:
    """Return a training, its data read and its student built.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no labels.
        ModelError: if the initial weights cannot be used.
    """
    if isinstance(settings, ClassTrainSettings):
        return ClassJob(dataset_dir, settings, cast("Any", family))
    return BoxJob(dataset_dir, cast("BoxTrainSettings", settings), cast("Any", family))
