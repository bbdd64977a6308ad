"""The `Trainer` of families that learn in one pass, without gradients."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.config import result_values
from reelabel.models.students.family import OnePassFamily
from reelabel.models.students.folder import Card, is_finished, write_card
from reelabel.training.settings import TrainSettings, with_family_defaults

Learn = Callable[[Path, Any, Any], tuple[Card, str]]
"""Takes the data set's folder, the settings and the family; returns what was learnt, and a line."""


@dataclass
class OnePassTrainer:
    """Shows the labelled pictures to the family once; see `base.Trainer`.

    Args:
        settings: of the training.
        family: of the student.
        learn: reads a data set and lets the family learn from it.
    """

    settings: TrainSettings
    family: OnePassFamily[Any, Any]
    learn: Learn
    name: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.settings = with_family_defaults(self.settings, self.family)
        self.family.check(self.settings)
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
        card, line = self.learn(dataset_dir, self.settings, self.family)
        write_card(model_dir, card)
        log(1.0, line)
