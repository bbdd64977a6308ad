"""One pass over a data set of classes, for families that learn without gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reelabel.data.boxes import Floats
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Window
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassOnePassFamily
from reelabel.models.students.classes.inputs import Preprocessing
from reelabel.models.students.folder import TRAINED_ON
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.classes.training_set import Examples, read_examples, require_classes

_SIZE = 64  # pixels, where the settings name none


def learn(
    dataset_dir: Path, settings: ClassTrainSettings, family: ClassOnePassFamily
) -> tuple[ClassCard, str]:
    """Let a family learn from the examples; return its card, and a line about it.

    Raises:
        MissingInput: if there is no data set.
        UsageError: if it has no two classes to tell apart.
    """
    data = read_examples(dataset_dir, "train")
    require_classes(data)
    size = settings.image_size or _SIZE
    frames = settings.frames or data.longest
    card = ClassCard(
        kind=family.name,
        classes=data.classes,
        exclusive=data.exclusive,
        image_size=size,
        batch_size=1,
        frames=frames,
        step_s=(settings.step_s or data.step_s) if frames > 1 else 0.0,
        preprocessing=Preprocessing(size=size),
        arch=family.learn(_examples(data), data.classes),
        training={
            "examples": len(data),
            "student": settings.student,
            TRAINED_ON: list(data.videos),
        },
    )
    return card, f"learnt from {len(data)} examples"


def _examples(data: Examples) -> Iterator[tuple[Window, Floats]]:
    for files, target in zip(data.pictures, data.target, strict=True):
        yield [read_rgb(path) for path in files], target
