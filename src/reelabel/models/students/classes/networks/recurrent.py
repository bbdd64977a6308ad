"""Recurrent heads over the pictures of a window, and the layout that they keep of each picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

GRID = 2
"""Features are averaged in a grid of so many rows and columns, so that their place is kept."""


class Grid(nn.Module):
    """Feature maps as rows: the means of a grid of 2 x 2 cells.

    Args:
        net: ``(n, 3, size, size)`` -> maps ``(n, d, h, w)``.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.pool = net, nn.AdaptiveAvgPool2d(GRID)

    def forward(self, pictures: Tensor) -> Tensor:
        """Return ``(n, 4 d)`` for ``(n, 3, size, size)``."""
        maps = self.net(pictures)
        # The exporter to ONNX does not take adaptive pooling of maps whose size it does not know.
        pool = cell_means if torch.onnx.is_in_onnx_export() else self.pool
        found: Tensor = pool(maps).flatten(1)
        return found


def cell_means(maps: Tensor) -> Tensor:
    """Return what ``AdaptiveAvgPool2d(2)`` does: ``(n, d, 2, 2)`` for maps ``(n, d, h, w)``."""
    spans = [
        (slice(0, (side + 1) // 2), slice(side // 2, side)) for side in map(int, maps.shape[2:])
    ]
    cells = [maps[:, :, rows, columns].mean((2, 3)) for rows in spans[0] for columns in spans[1]]
    return torch.stack(cells, 2).reshape(*maps.shape[:2], GRID, GRID)


def with_differences(features: Tensor) -> Tensor:
    """Return features ``(b, t, d)`` with their change since the picture before: ``(b, t, 2 d)``."""
    change = features[:, 1:] - features[:, :-1]
    return torch.cat((features, torch.cat((torch.zeros_like(features[:, :1]), change), 1)), 2)


class _RecurrentHead(nn.Module):
    """A recurrent layer over time, the mean of its outputs, and one linear layer.

    The time axis is the second one, and what fills up shorter windows is not read: the outputs of a
    window do not depend on what else is in its batch.
    """

    def __init__(
        self, features: int, recurrent: Any, classes: int, *, differences: bool, dropout: float
    ) -> None:
        super().__init__()
        self.differences = differences
        self.norm = nn.LayerNorm(features)
        self.recurrent = recurrent
        self.dropout = nn.Dropout(dropout)
        ways = 2 if recurrent.bidirectional else 1
        self.linear = nn.Linear(ways * recurrent.hidden_size, classes)

    def prepared(self, features: Tensor) -> Tensor:
        """Return what the recurrent layer reads ``(b, t, d')`` of features ``(b, t, d)``."""
        features = self.norm(features)
        return with_differences(features) if self.differences else features

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return outputs ``(b, k)`` for features ``(b, t, d)`` of so many pictures ``(b,)``."""
        packed = pack_padded_sequence(
            self.prepared(features), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        states, _ = pad_packed_sequence(self.recurrent(packed)[0], batch_first=True)
        mean = states.sum(1) / lengths[:, None]
        outputs: Tensor = self.linear(self.dropout(mean))
        return outputs


class LstmHead(_RecurrentHead):
    """An LSTM of 128, forwards in time."""

    def __init__(
        self, features: int, classes: int, *, differences: bool, dropout: float = 0.0
    ) -> None:
        given = 2 * features if differences else features
        lstm = nn.LSTM(given, 128, batch_first=True)
        super().__init__(features, lstm, classes, differences=differences, dropout=dropout)


class GruHead(_RecurrentHead):
    """A linear layer of 128 and a GRU of 96 in both directions."""

    def __init__(
        self, features: int, classes: int, *, differences: bool, dropout: float = 0.0
    ) -> None:
        gru = nn.GRU(128, 96, batch_first=True, bidirectional=True)
        super().__init__(features, gru, classes, differences=differences, dropout=dropout)
        self.reduce = nn.Linear(2 * features if differences else features, 128)

    def prepared(self, features: Tensor) -> Tensor:
        """Return ``(b, t, 128)`` of features ``(b, t, d)``."""
        return torch.relu(self.reduce(super().prepared(features)))
