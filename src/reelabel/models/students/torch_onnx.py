"""Writes torch networks as ONNX files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from reelabel.errors import ModelError, first_line

OpenSides = Mapping[str, Mapping[int, str]]
"""Name of an input or output -> the dimensions that stay open, with their names."""


def write_onnx(module: nn.Module, example: Tensor, path: Path, open_sides: OpenSides) -> None:
    """Write a network of one input.

    Args:
        module: in eval mode, on the CPU.
        example: an input ``(1, ...)``.
        path: the file.
        open_sides: of the input and of the outputs, in this order.

    Raises:
        ModelError: if the network cannot be written.
    """
    given, *taken = open_sides
    try:
        with warnings.catch_warnings():
            # The newer exporter needs one more package and writes the same network.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                str(path),
                dynamo=False,
                input_names=[given],
                output_names=taken,
                dynamic_axes={name: dict(sides) for name, sides in open_sides.items()},
            )
    except Exception as exc:  # its errors share no base class
        raise ModelError(f"this network cannot be written as ONNX: {first_line(exc)}") from exc
