"""A trained YOLOX in ONNX Runtime: the same boxes as in torch, several times faster on a CPU."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from reelabel.files import write_atomic
from reelabel.models.onnx_network import rewritten
from reelabel.models.onnx_session import open_session
from reelabel.models.students.yolox.network import YoloxNetwork

_PROBE_WH = (64, 96)


def write_network(path: Path, student: Any) -> None:
    """Write a student's network for ONNX Runtime; batch and picture size stay open.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    net = student.net.cpu().eval().to(memory_format=torch.contiguous_format)
    write_atomic(path, lambda scratch: _export(net, scratch))


def _export(net: nn.Module, path: Path) -> None:
    open_sides = {"images": {0: "batch", 2: "height", 3: "width"}, "raw": {0: "batch", 1: "cells"}}
    with warnings.catch_warnings():
        # The newer exporter needs one more package and writes the same network.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, *_PROBE_WH),),
            str(path),
            dynamo=False,
            input_names=["images"],
            output_names=["raw"],
            dynamic_axes=open_sides,
        )


class YoloxOnnx(YoloxNetwork):
    """The network in an ONNX Runtime session; its outputs are decoded as torch's are."""

    def __init__(self, path: Path) -> None:
        nn.Module.__init__(self)
        self._session = open_session(path, "cpu", rewritten(path))

    def forward(self, images: Tensor) -> Tensor:
        """Return the raw outputs ``(b, cells, 5 + classes)``."""
        raw = self._session.run(None, {"images": images.numpy()})[0]
        return torch.from_numpy(raw)
