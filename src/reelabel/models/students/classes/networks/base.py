"""What all networks that classify share: normalised input, a backbone, a head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from reelabel.models.students.classes.inputs import Preprocessing


class ClassNetwork(nn.Module):
    """A backbone that gives features of windows, and a head that gives one output per class.

    Args:
        backbone: ``(b, t, size, size, 3)`` float32, normalised -> features ``(b, t', ...)``.
        head: features and lengths ``(b,)`` int64 -> outputs ``(b, k)``.
        preprocessing: mean and standard deviation of the input's channels.
        arch: what the network is built from; `model.json` keeps it.

    Attributes:
        default_lr: learning rate where the settings name none.
        backbone_rate: learning rate of the backbone, relative to that of the head.
        frames: pictures per window.
        fixed_norms: batch norms of the backbone keep their statistics in training. Those of weights
            that were folded into the convolutions have none of their own, and those of published
            weights are better than what a small batch gives.
    """

    default_lr: float = 1e-3
    backbone_rate: float = 1.0

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        preprocessing: Preprocessing,
        frames: int,
        arch: dict[str, Any],
    ) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head
        self.preprocessing, self.frames, self.arch = preprocessing, frames, arch
        self._frozen = False
        self.fixed_norms = False
        std = torch.tensor(preprocessing.std)
        self.register_buffer("_scale", 1 / (255 * std), persistent=False)
        shift = -torch.tensor(preprocessing.mean) / std
        self.register_buffer("_shift", shift, persistent=False)
        _channels_last(self)

    def freeze_backbone(self, frozen: bool) -> None:
        """Keep the backbone as it is, its batch norms included, or train it."""
        self._frozen = frozen
        self.backbone.requires_grad_(not frozen)
        self.train(self.training)

    def train(self, mode: bool = True) -> ClassNetwork:
        """Switch to training or evaluation; what is frozen or fixed stays in evaluation."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        elif self.fixed_norms:
            for layer in self.backbone.modules():
                if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # noqa: SLF001 -- its base
                    layer.eval()
        return self

    def features(self, pictures: Tensor) -> Tensor:
        """Return the features of windows ``(b, t, size, size, 3)``, RGB, 0..255."""
        scale, shift = (each.repeat(pictures.shape[-2]) for each in self._affine())
        # By whole rows of pixels: with three channels as the innermost loop it takes twice as long.
        rows = pictures.flatten(-2).to(torch.float32, copy=True).mul_(scale).add_(shift)
        normalised = rows.view(pictures.shape)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._frozen):
            found: Tensor = self.backbone(normalised)
        return found

    def _affine(self) -> tuple[Tensor, Tensor]:
        return self.get_buffer("_scale"), self.get_buffer("_shift")

    def classify(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs ``(b, k)`` float32 for features and lengths ``(b,)``.

        The head computes in full precision: it is small, and recurrence adds up errors.
        """
        with torch.autocast(features.device.type, enabled=False):
            outputs: Tensor = self.head(features.float(), lengths)
        return outputs

    def forward(self, pictures: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs ``(b, k)`` for windows ``(b, t, size, size, 3)`` and lengths ``(b,)``."""
        return self.classify(self.features(pictures), lengths)


class PerPicture(nn.Module):
    """Applies a network of single pictures to each picture of a window.

    Args:
        net: ``(n, 3, size, size)`` -> ``(n, ...)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(b, t, ...)`` for ``(b, t, size, size, 3)``."""
        found: Tensor = self.net(pictures.flatten(0, 1).permute(0, 3, 1, 2))
        return found.reshape(*pictures.shape[:2], *found.shape[1:])


class WholeWindow(nn.Module):
    """Applies a network of whole windows.

    Args:
        net: ``(b, 3, t, size, size)`` -> ``(b, d)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(b, 1, d)`` for ``(b, t, size, size, 3)``."""
        found: Tensor = self.net(pictures.permute(0, 4, 1, 2, 3))
        return found[:, None]


class MeanHead(nn.Module):
    """Dropout and one linear layer on the mean of the features over time."""

    def __init__(self, features: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs ``(b, k)`` for features ``(b, t, d)``."""
        del lengths
        outputs: Tensor = self.linear(self.dropout(features.mean(1)))
        return outputs


def _channels_last(network: nn.Module) -> None:
    """Store the weights of convolutions channels last, as pictures are stored: it is faster."""
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if parameter.ndim in formats:
            parameter.data = parameter.data.contiguous(memory_format=formats[parameter.ndim])
