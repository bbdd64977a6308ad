"""A small CNN with an LSTM for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.family import RecurrentFamily
from reelabel.models.students.classes.scratch import ScratchFamily

if TYPE_CHECKING:
    from torch import nn


class CnnLstmFamily(RecurrentFamily, ScratchFamily):
    """A small CNN whose features keep a grid of 2 x 2, and an LSTM over time, trained together."""

    name = "cnn-lstm"
    purpose = "a small CNN and an LSTM, 0.4 million weights, random initial weights"
    size = 64
    frames = 8

    def parts(
        self, size: int, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the CNN and the LSTM."""
        from reelabel.models.students.classes.networks import (  # noqa: PLC0415 -- torch
            base,
            recurrent,
            small,
        )

        del size
        net = small.SmallCnn()
        features = net.features * recurrent.GRID**2
        head = recurrent.LstmHead(
            features, classes, differences=arch["differences"], dropout=dropout
        )
        return base.PerPicture(recurrent.Grid(net)), head


FAMILY = CnnLstmFamily()
