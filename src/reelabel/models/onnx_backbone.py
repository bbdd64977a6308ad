"""The backbone of a convolutional ONNX network: its feature levels, and the network cut there.

Convolutional networks halve the resolution several times. The last tensor before each halving is a
*feature level*, on which detectors build their pyramids (Lin et al., "Feature Pyramid Networks for
Object Detection", 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.errors import ModelError, first_line

_REDUCERS = frozenset({"Conv", "MaxPool", "AveragePool"})
_ENLARGERS = frozenset({"Resize", "Upsample", "ConvTranspose"})
_PLANES = 4
"""Dimensions of a feature map: batch, channel, row, column."""

Shapes = dict[str, tuple[int, ...]]
"""The size of each value of a graph by name; 0 stands for a side that is not known."""


@dataclass(frozen=True)
class FeatureLevel:
    """The last tensor ``(1, channels, h, w)`` of one resolution."""

    name: str
    channels: int
    size_wh: tuple[int, int]


def feature_levels(path: Path, input_shape: tuple[int, ...], most: int) -> tuple[FeatureLevel, ...]:
    """Return the last feature levels of a network's backbone, largest resolution first.

    The backbone ends where the network first enlarges its feature maps, as the neck of a detector
    does, or with the network.

    Args:
        path: the ONNX file.
        input_shape: of its one input, ``(1, 3, h, w)`` or ``(1, h, w, 3)``.
        most: how many levels are wanted; the last ones are taken.

    Raises:
        ModelError: if the file cannot be read, or none of its layers halves the picture.
    """
    with _border(path):
        levels = _levels(_shaped(path, input_shape).graph)[-most:]
    if not levels:
        raise ModelError(
            f"expected a convolutional network in {path}, but none of its layers halves the "
            "picture: name one such as YOLOX, ResNet or MobileNet, or 'onnx:' with a network that "
            "gives one vector"
        )
    return levels


def cut_network(path: Path, input_shape: tuple[int, ...], levels: Sequence[FeatureLevel]) -> bytes:
    """Return the serialised network without what lies behind its feature levels.

    Args:
        path: the ONNX file.
        input_shape: as for `feature_levels`.
        levels: its outputs, in order.

    Raises:
        ModelError: if the file cannot be read.
    """
    with _border(path):
        from onnx.utils import Extractor  # noqa: PLC0415 -- heavy

        model = _shaped(path, input_shape)
        inputs = [model.graph.input[0].name]
        cut = Extractor(model).extract_model(inputs, [level.name for level in levels])
        data: bytes = cut.SerializeToString()
    return data


@contextmanager
def _border(path: Path) -> Iterator[None]:
    """Translate the errors of onnx, which share no base class."""
    try:
        yield
    except Exception as exc:
        raise ModelError(
            f"the layers of {path} cannot be read ({first_line(exc)}): export it again, or name "
            "another file"
        ) from exc


def _shaped(path: Path, input_shape: tuple[int, ...]) -> Any:
    """Return a model with the shape of every value that follows from the input's."""
    import onnx  # noqa: PLC0415 -- heavy

    model = onnx.load(path)
    sides = model.graph.input[0].type.tensor_type.shape.dim
    for dim, side in zip(sides, input_shape, strict=True):
        dim.dim_value = side
    return onnx.shape_inference.infer_shapes(model, data_prop=True)


def _levels(graph: Any) -> tuple[FeatureLevel, ...]:
    """Return every feature level behind the first halving."""
    shapes = _shapes(graph)
    found: list[str] = []
    lowest: tuple[int, ...] = ()
    last = ""
    for node in graph.node:
        if node.op_type in _ENLARGERS and _enlarges(node, shapes):
            break
        if node.op_type in _REDUCERS and _reduces(node, shapes, lowest):
            found += [node.input[0]] if lowest else []
            lowest = shapes[node.output[0]][2:]
        last = next((name for name in node.output if _is_map(shapes, name, lowest)), last)
    names = [name for name in (*found, last) if name]
    return tuple(FeatureLevel(n, shapes[n][1], (shapes[n][3], shapes[n][2])) for n in names)


def _shapes(graph: Any) -> Shapes:
    values = [*graph.input, *graph.value_info, *graph.output]
    return {v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values}


def _is_map(shapes: Shapes, name: str, size_hw: tuple[int, ...]) -> bool:
    shape = shapes.get(name, ())
    return len(shape) == _PLANES and shape[1] > 0 and bool(size_hw) and shape[2:] == size_hw


def _reduces(node: Any, shapes: Shapes, lowest: tuple[int, ...]) -> bool:
    """Say whether a layer makes smaller maps than any before it.

    A map of one pixel is a mean over the picture, as channel attention takes it, and no level.
    """
    before, after = (shapes.get(n, ()) for n in (node.input[0], node.output[0]))
    if len(before) != _PLANES or len(after) != _PLANES or min(after[1:]) < 1:
        return False
    smaller = after[2] < (lowest or before[2:])[0] and after[3] < (lowest or before[2:])[1]
    return smaller and max(after[2:]) > 1


def _enlarges(node: Any, shapes: Shapes) -> bool:
    before, after = (shapes.get(n, ()) for n in (node.input[0], node.output[0]))
    return len(before) == len(after) == _PLANES and min(before[2:]) > 1 and after[2] > before[2]
