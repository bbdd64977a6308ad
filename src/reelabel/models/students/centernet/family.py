"""CenterNet as a family: a small network with random initial weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reelabel.models.students.box_family import BoxNetworkFamily
from reelabel.models.students.folder import WEIGHTS, ModelCard
from reelabel.models.students.settings import BoxStudentSettings

if TYPE_CHECKING:
    from torch import nn


class CenterNetFamily(BoxNetworkFamily):
    """`network.CenterNet`, from random weights or from those of an earlier CenterNet."""

    name = "centernet"
    purpose = "centre points, 0.4 million weights, random initial weights"
    mixed_precision = frozenset({"cpu", "cuda"})

    def detects_untrained(self, settings: BoxStudentSettings, classes: Sequence[str]) -> bool:
        """Return whether it continues an earlier CenterNet."""
        del classes
        return settings.weights is not None

    def build(self, settings: BoxStudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return a new network; tensors of `settings.weights` that fit are loaded."""
        from reelabel.models.students.centernet.network import CenterNet  # noqa: PLC0415 -- torch
        from reelabel.models.students.weights import load_matching  # noqa: PLC0415 -- torch
        from reelabel.models.torch_tools import read_state  # noqa: PLC0415 -- on demand

        net = CenterNet(len(classes), settings.negative_weight, frozen=settings.freeze_backbone)
        if settings.weights is not None:
            load_matching(net, read_state(settings.weights))
        return net

    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the network for the card's classes, with its weights."""
        from reelabel.models.students.centernet.network import CenterNet  # noqa: PLC0415 -- torch
        from reelabel.models.students.weights import load_exactly  # noqa: PLC0415 -- torch

        return load_exactly(CenterNet(len(card.classes)), model_dir / WEIGHTS).eval()


FAMILY = CenterNetFamily()
