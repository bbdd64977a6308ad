"""A simple CNN for single pictures as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.scratch import ScratchFamily

if TYPE_CHECKING:
    from torch import nn


class SimpleFamily(ScratchFamily):
    """`networks.simple.SimpleNet`: 2.5 million weights at 128 pixels, 6.8 million at 224."""

    name = "simple"
    purpose = "5 convolutions and a dense layer, 2.5 million weights, random initial weights"
    size = 128

    def parts(
        self, size: int, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the convolutions with the dense layer, and the last layer."""
        from reelabel.models.students.classes.networks import base, simple  # noqa: PLC0415 -- torch

        del arch
        net = simple.SimpleNet(size)
        return base.PerPicture(net), base.MeanHead(net.features, classes, dropout)


FAMILY = SimpleFamily()
