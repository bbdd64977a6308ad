"""A trained YOLOX as ONNX: for ONNX Runtime, and in the form of the published exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reelabel.files import write_atomic
from reelabel.models.students.torch_onnx import write_onnx

_PROBE_WH = (64, 96)
_OPEN_SIDES = {
    "images": {0: "batch", 2: "height", 3: "width"},
    "raw": {0: "batch", 1: "cells"},
}


def write_network(path: Path, student: Any) -> None:
    """Write a student's network for ONNX Runtime; batch and picture size stay open.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    net = student.net.cpu().eval().to(memory_format=torch.contiguous_format)
    example = torch.zeros(1, 3, *_PROBE_WH)
    write_atomic(path, lambda scratch: write_onnx(net, example, scratch, _OPEN_SIDES))


class PublishedForm(nn.Module):
    """A student's network with the inputs and outputs of YOLOX's own exports.

    Args:
        student: whose `net` takes RGB and gives logits.
    """

    def __init__(self, student: Any) -> None:
        super().__init__()
        self.net: nn.Module = student.net

    def forward(self, images: Tensor) -> Tensor:
        """Return ``(b, cells, 5 + classes)`` for BGR ``(b, 3, h, w)``: scores in 0..1."""
        raw = self.net(images.flip(1))
        return torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], dim=-1)
