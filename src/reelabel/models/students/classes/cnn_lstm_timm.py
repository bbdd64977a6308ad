"""A network of timm with an LSTM for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.family import RecurrentFamily
from reelabel.models.students.classes.library import LibraryFamily

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class CnnLstmTimmFamily(RecurrentFamily, LibraryFamily):
    """A CNN of timm whose features keep a grid of 2 x 2, and an LSTM over time."""

    name = "cnn-lstm-timm"
    prefix = "cnn-lstm"
    rest = "TIMM_NAME"
    purpose = "a CNN of timm, such as resnet18, and an LSTM"
    packages = ("torch", "lightning", "timm")
    maps = True
    size = 112
    frames = 8

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the CNN and the LSTM."""
        from reelabel.models.students.classes.networks import (  # noqa: PLC0415 -- torch
            base,
            recurrent,
        )

        features = base_net.features * recurrent.GRID**2
        head = recurrent.LstmHead(
            features, classes, differences=arch["differences"], dropout=dropout
        )
        return base.PerPicture(recurrent.Grid(base_net.net)), head


FAMILY = CnnLstmTimmFamily()
