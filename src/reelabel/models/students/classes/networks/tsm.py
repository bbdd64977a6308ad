"""Temporal shift: 2-D convolutions that see the neighbouring pictures (arXiv 1811.08383)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reelabel.errors import ModelError
from reelabel.models.students.classes.networks.small import SmallCnn

SHARE = 8
"""One channel in so many comes from the next picture, and one from the one before."""


def shifted(maps: Tensor) -> Tensor:
    """Return feature maps ``(b, t, c, h, w)`` with some channels moved by one picture in time.

    The first eighth comes from the next picture, the second from the one before; outside of the
    window they are 0.
    """
    part = max(maps.shape[2] // SHARE, 1)
    result = torch.zeros_like(maps)
    result[:, :-1, :part] = maps[:, 1:, :part]
    result[:, 1:, part : 2 * part] = maps[:, :-1, part : 2 * part]
    result[:, :, 2 * part :] = maps[:, :, 2 * part :]
    return result


class ShiftCnn(nn.Module):
    """A `SmallCnn` with a temporal shift before each block but the first.

    Args:
        width: of the first block.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.net = SmallCnn(width)
        self.features = self.net.features

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features ``(b, t, d)`` of windows ``(b, t, size, size, 3)``."""
        b, t = pictures.shape[:2]
        maps = pictures.flatten(0, 1).permute(0, 3, 1, 2)
        for number, each in enumerate(self.net.blocks):
            if number:
                maps = shifted(maps.view(b, t, *maps.shape[1:])).flatten(0, 1)
            maps = each(maps)
        return maps.mean((2, 3)).view(b, t, -1)


class Shift(nn.Module):
    """A temporal shift of feature maps ``(b t, c, h, w)``.

    Attributes:
        frames: t; set before each use.
    """

    def __init__(self) -> None:
        super().__init__()
        self.frames = 1

    def forward(self, maps: Tensor) -> Tensor:
        """Return the shifted maps ``(b t, c, h, w)``."""
        window = maps.view(-1, self.frames, *maps.shape[1:])
        return shifted(window).flatten(0, 1)


class ShiftedNet(nn.Module):
    """A network of single pictures with a temporal shift at the begin of each residual branch.

    Args:
        net: ``(n, 3, size, size)`` -> ``(n, d)``; is changed.
        name: of the network, for the message.

    Raises:
        ModelError: if it has no residual blocks that are known here.
    """

    def __init__(self, net: nn.Module, name: str) -> None:
        super().__init__()
        self.net = net
        branches = [(block, _first(block)) for block in net.modules()]
        found = [(block, first) for block, first in branches if first]
        if not found:
            raise ModelError(
                f"expected a network of residual blocks, such as resnet18 or mobilenetv2_100, for "
                f"temporal shift, but got {name}"
            )
        for block, first in found:
            setattr(block, first, nn.Sequential(Shift(), getattr(block, first)))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features ``(b, t, d)`` of windows ``(b, t, size, size, 3)``."""
        b, t = pictures.shape[:2]
        for module in self.net.modules():
            if isinstance(module, Shift):
                module.frames = t
        found: Tensor = self.net(pictures.flatten(0, 1).permute(0, 3, 1, 2))
        return found.view(b, t, -1)


def _first(block: nn.Module) -> str:
    """Return the name of the first layer of a residual block's branch; empty for other modules."""
    return _FIRST.get(type(block).__name__, "")


_FIRST = {
    "BasicBlock": "conv1",
    "Bottleneck": "conv1",
    "DepthwiseSeparableConv": "conv_dw",
    "EdgeResidual": "conv_exp",
    "InvertedResidual": "conv_pw",
}
"""Kind of a residual block of timm -> its first layer."""
