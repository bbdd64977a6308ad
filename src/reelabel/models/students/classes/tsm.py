"""A small CNN with temporal shift for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.scratch import ScratchFamily

if TYPE_CHECKING:
    from torch import nn


class TsmFamily(ScratchFamily):
    """`networks.tsm.ShiftCnn`: 0.06 million weights."""

    name = "tsm"
    purpose = "2-D convolutions with temporal shift, 0.06 million weights, random initial weights"
    size = 64
    frames = 8

    def parts(
        self, size: int, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the convolutions with shifts, and the last layer."""
        from reelabel.models.students.classes.networks import base, tsm  # noqa: PLC0415 -- torch

        del size, arch
        net = tsm.ShiftCnn()
        return net, base.MeanHead(net.features, classes, dropout)


FAMILY = TsmFamily()
