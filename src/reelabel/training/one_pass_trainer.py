"""The `Trainer` of families that learn in one pass, without gradients."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reelabel.config import result_values
from reelabel.data.boxes import Boxes
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.models.students.family import OnePassFamily
from reelabel.models.students.folder import ModelCard, is_finished, write_card
from reelabel.training.settings import TrainSettings, with_family_defaults
from reelabel.training.training_set import TrainingSet, read_training_set, require_labels


@dataclass
class OnePassTrainer:
    """Shows the labelled pictures to the family once; see `base.Trainer`."""

    settings: TrainSettings
    family: OnePassFamily
    name: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.settings = with_family_defaults(self.settings, self.family)
        self.name = self.family.name
        text = f"{self.name}:2:{json.dumps(result_values(self.settings), sort_keys=True)}"
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()

    def fit(self, dataset_dir: Path, model_dir: Path, log: Callable[[float, str], None]) -> None:
        """Learn and write `model.json`.

        Raises:
            MissingInput: if there is no data set.
            UsageError: if it has no positive labels.
        """
        if is_finished(model_dir):
            log(1.0, "already trained")
            return
        data = read_training_set(dataset_dir, "train", self.settings)
        require_labels(data)
        card = ModelCard(
            kind=self.family.name,
            classes=data.classes,
            image_size=self.settings.image_size,
            batch_size=1,
            arch=self.family.learn(_examples(data), data.classes),
            training={"pictures": len(data.pictures), "student": self.settings.student},
        )
        write_card(model_dir, card)
        log(1.0, f"learnt from {len(data.labelled)} labelled pictures")


def _examples(data: TrainingSet) -> Iterator[tuple[Image, Boxes]]:
    for number in data.labelled:
        picture = data.pictures[number]
        yield read_rgb(picture.path), picture.positive
