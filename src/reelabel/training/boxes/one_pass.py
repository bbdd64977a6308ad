"""One pass over a data set of boxes, for families that learn without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reelabel.data.boxes import Boxes
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.models.students.box_family import BoxOnePassFamily
from reelabel.models.students.folder import TRAINED_ON, ModelCard
from reelabel.training.boxes.input_size import used_image_size
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.boxes.training_set import TrainingSet, read_training_set, require_labels


def learn(
    dataset_dir: Path, settings: BoxTrainSettings, family: BoxOnePassFamily
) -> tuple[ModelCard, str]:
    """Let a family learn from the pictures with labels; return its card, and a line about it.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no positive labels.
    """
    data = read_training_set(dataset_dir, "train", settings)
    require_labels(data)
    card = ModelCard(
        kind=family.name,
        classes=data.classes,
        image_size=settings.image_size or used_image_size(data, settings),
        batch_size=1,
        arch=family.learn(_examples(data), data.classes),
        training={
            "pictures": len(data.pictures),
            "student": settings.student,
            TRAINED_ON: data.videos,
        },
    )
    return card, f"learnt from {len(data.labelled)} labelled pictures"


def _examples(data: TrainingSet) -> Iterator[tuple[Image, Boxes]]:
    for number in data.labelled:
        picture = data.pictures[number]
        yield read_rgb(picture.path), picture.positive
