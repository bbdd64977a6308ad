"""Temporal shift: 2-D convolutions that see the neighbouring pictures (arXiv 1811.08383)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

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
