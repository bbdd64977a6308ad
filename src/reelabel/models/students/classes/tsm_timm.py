"""Networks of timm with temporal shift for clips as a family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelabel.models.students.classes.library import LibraryFamily

if TYPE_CHECKING:
    from torch import nn

    from reelabel.models.students.classes.networks.library import BaseNetwork


class TsmTimmFamily(LibraryFamily):
    """A network of residual blocks of timm with a temporal shift in each block."""

    name = "tsm-timm"
    prefix = "tsm"
    rest = "TIMM_NAME"
    purpose = "a network of timm with temporal shift: the strong choice with weights on a CPU"
    packages = ("torch", "lightning", "timm")
    size = 112
    frames = 8

    def parts(
        self, base_net: BaseNetwork, classes: int, arch: dict[str, Any], *, dropout: float
    ) -> tuple[nn.Module, nn.Module]:
        """Return the network with shifts, and a linear layer.

        Raises:
            ModelError: if it has no residual blocks that are known here.
        """
        from reelabel.models.students.classes.networks import base, tsm  # noqa: PLC0415 -- torch

        net = tsm.ShiftedNet(base_net.net, arch["source"])
        return net, base.MeanHead(base_net.features, classes, dropout)


FAMILY = TsmTimmFamily()
