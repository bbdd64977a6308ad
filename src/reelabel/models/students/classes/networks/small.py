"""Small networks without initial weights: a CNN of single pictures, and one of windows."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


def block(before: int, after: int) -> nn.Sequential:
    """Return a 3 x 3 convolution of stride 2, batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


class SmallCnn(nn.Module):
    """Four blocks that halve the picture, of width w, 2w, 4w, 4w.

    Args:
        width: of the first block.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 4 * width)
        self.blocks = nn.ModuleList(block(before, after) for before, after in pairwise(widths))
        self.features = widths[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Return feature maps ``(n, d, size/16, size/16)`` of pictures ``(n, 3, size, size)``."""
        for each in self.blocks:
            pictures = each(pictures)
        return pictures


class Cnn3d(nn.Module):
    """Four 3 x 3 x 3 convolutions of stride 2 in space, the last two in time as well.

    Args:
        width: of the first convolution.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths, times = (3, width, 2 * width, 4 * width, 4 * width), (1, 1, 2, 2)
        layers: list[nn.Module] = []
        for before, after, time in zip(widths[:-1], widths[1:], times, strict=True):
            stride = (time, 2, 2)
            layers += [
                nn.Conv3d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm3d(after),
                nn.ReLU(),
            ]
        self.layers = nn.Sequential(*layers)
        self.features = widths[-1]

    def forward(self, windows: Tensor) -> Tensor:
        """Return features ``(b, d)`` of windows ``(b, 3, t, size, size)``."""
        found: Tensor = self.layers(windows).mean((2, 3, 4))
        return found
