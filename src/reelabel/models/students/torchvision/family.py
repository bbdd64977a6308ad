"""Faster R-CNN of torchvision as a family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reelabel.models.students.box_family import BoxNetworkFamily
from reelabel.models.students.folder import WEIGHTS, ModelCard
from reelabel.models.students.settings import BoxStudentSettings

if TYPE_CHECKING:
    from torch import nn


class TorchvisionFamily(BoxNetworkFamily):
    """The Faster R-CNN networks of torchvision; nothing is downloaded."""

    name = "torchvision"
    rest = "NAME"
    names = (
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
    )
    purpose = "Faster R-CNN with MobileNet or ResNet"

    def build(self, settings: BoxStudentSettings, classes: tuple[str, ...]) -> nn.Module:
        """Return a new network; initial weights come from a local file or are random."""
        from reelabel.models.students.torchvision import network  # noqa: PLC0415 -- imports torch

        return network.from_settings(settings, classes)

    def load(self, model_dir: Path, card: ModelCard) -> nn.Module:
        """Return the network that ``arch`` describes, with its weights."""
        from reelabel.models.students.torchvision import network  # noqa: PLC0415 -- imports torch
        from reelabel.models.students.weights import load_exactly  # noqa: PLC0415 -- imports torch

        student = network.TorchvisionStudent(len(card.classes), **card.arch)
        return load_exactly(student, model_dir / WEIGHTS).eval()


FAMILY = TorchvisionFamily()
