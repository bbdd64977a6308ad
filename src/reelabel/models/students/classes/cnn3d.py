"""A small 3-D CNN for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.scratch import ScratchFamily

if TYPE_CHECKING:
    from torch import nn


class Cnn3dFamily(ScratchFamily):
    """`networks.small.Cnn3d`: 0.18 million weights."""

    name = "cnn3d"
    purpose = "3-D convolutions, 0.2 million weights, random initial weights"
    size = 64
    frames = 8

    def parts(
        self, size: int, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the 3-D convolutions and the last layer."""
        from reelabel.models.students.classes.networks import base, small  # noqa: PLC0415 -- torch

        del size, arch
        net = small.Cnn3d()
        return base.WholeWindow(net), base.MeanHead(net.features, classes, dropout)


FAMILY = Cnn3dFamily()
