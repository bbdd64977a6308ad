"""The simple CNN: five convolutions and a dense layer."""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = (16, 32, 64, 128, 256)
DENSE = 512


class SimpleNet(nn.Module):
    """Five 3 x 3 convolutions, each halved by a maximum, then a dense layer of 512.

    Args:
        size: side of the input in pixels, at least 32.
    """

    features = DENSE

    def __init__(self, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        self.convolutions = nn.Sequential(*layers)
        side = size >> len(WIDTHS)
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(WIDTHS[-1] * side * side, DENSE))
        self.activation = nn.ReLU()
        for module in self.convolutions:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features ``(n, 512)`` of pictures ``(n, 3, size, size)``."""
        found: Tensor = self.activation(self.dense(self.convolutions(pictures)))
        return found
