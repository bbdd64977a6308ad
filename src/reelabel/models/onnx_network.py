"""Networks of ONNX files as they are run: at another input size, and with a faster first layer.

YOLOX begins with a "focus": four copies of the picture, each of every second pixel in every second
row, are laid behind one another for a convolution. The same sums are those of one convolution over
the picture itself with a kernel twice as wide and a stride of two, and nothing has to be copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Constants = Mapping[str, NDArray[Any]]
"""The fixed values of a graph by name."""

Phases = list[tuple[int, int]]
"""The row and the column that each copy of a focus begins with, in the order of the copies."""

_CORNERS = [(0, 0), (0, 1), (1, 0), (1, 1)]
_WHOLE = 1 << 30
"""A slice that ends this far out goes to the end."""


def rewritten(path: Path, input_wh: tuple[int, int] | None = None) -> bytes | None:
    """Return the network to run in place of a file's; None if it cannot be rewritten.

    Its outputs are those of the file's own, but for rounding.

    Args:
        path: the network.
        input_wh: the size of its one input, if it differs from the file's.
    """
    import onnx  # noqa: PLC0415 -- heavy

    try:
        model = onnx.load(path)
        if input_wh is not None:
            _resize(model.graph, input_wh)
        _join_focus(model.graph)
        data: bytes = model.SerializeToString()
    except Exception:  # noqa: BLE001 -- its errors share no base class, and the file itself still runs
        return None
    return data


def _resize(graph: Any, input_wh: tuple[int, int]) -> None:
    """Set the size of the input; what follows from it is left open."""
    height, width = graph.input[0].type.tensor_type.shape.dim[2:]
    width.dim_value, height.dim_value = input_wh
    del graph.value_info[:]
    for output in graph.output:
        output.type.tensor_type.ClearField("shape")


def _join_focus(graph: Any) -> None:
    """Let the first convolution do the work of a focus, if it is behind one."""
    from onnx import helper, numpy_helper  # noqa: PLC0415 -- heavy

    constants = _constants(graph)
    found = _find_focus(graph, constants)
    if found is None:
        return
    conv, source, phases_yx = found
    joined = _joined(constants[conv.input[1]], phases_yx)
    name = f"{conv.input[1]}_joined"
    graph.initializer.append(numpy_helper.from_array(joined, name))
    conv.input[0], conv.input[1] = source, name
    pads = [2 * pad for pad in _attributes(conv)["pads"]]
    attributes = {"kernel_shape": joined.shape[2:], "strides": (2, 2), "pads": pads}
    del conv.attribute[:]
    conv.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    _drop_copies(graph)


def _drop_copies(graph: Any) -> None:
    """Remove nodes whose output is not used: ONNX Runtime would still run them."""
    copiers = [node for node in graph.node if node.op_type in {"Slice", "Concat"}]
    for node in reversed(copiers):
        asked = {name for other in graph.node for name in other.input}
        asked |= {output.name for output in graph.output}
        if asked.isdisjoint(node.output):
            graph.node.remove(node)


def _joined(weight: NDArray[np.float32], phases_yx: Phases) -> NDArray[np.float32]:
    """Return the kernel ``(out, c, 2 k, 2 k)`` for one ``(out, 4 c, k, k)`` behind a focus."""
    out, stacked, rows, columns = weight.shape
    joined = np.zeros((out, stacked // len(phases_yx), 2 * rows, 2 * columns), weight.dtype)
    for part, (y, x) in zip(np.split(weight, len(phases_yx), axis=1), phases_yx, strict=True):
        joined[:, :, y::2, x::2] = part
    return joined


def _constants(graph: Any) -> dict[str, NDArray[Any]]:
    from onnx import numpy_helper  # noqa: PLC0415 -- heavy

    stored = {tensor.name: tensor for tensor in graph.initializer}
    inline = {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    return {name: numpy_helper.to_array(tensor) for name, tensor in (stored | inline).items()}


def _find_focus(graph: Any, constants: Constants) -> tuple[Any, str, Phases] | None:
    """Return the convolution behind a focus, and the input of the focus; None without one."""
    maker = {name: node for node in graph.node for name in node.output}
    conv = next((node for node in graph.node if node.op_type == "Conv"), None)
    if conv is None or conv.input[1] not in constants or not _is_plain(conv):
        return None
    concat = maker.get(conv.input[0])
    if concat is None or concat.op_type != "Concat" or _attributes(concat)["axis"] != 1:
        return None
    ways = [_slices(name, maker) for name in concat.input]
    phases_yx = [_phase_yx(way, constants) for way in ways]
    if sorted(phases_yx) != _CORNERS or len(sources := {way[-1].input[0] for way in ways}) > 1:
        return None
    return conv, sources.pop(), phases_yx


def _slices(name: str, maker: Mapping[str, Any]) -> list[Any]:
    """Return the slices that lead to a value, at most two of them, the last first."""
    way: list[Any] = []
    while len(way) < 2 and (node := maker.get(name)) is not None and node.op_type == "Slice":  # noqa: PLR2004 -- rows, columns
        way.append(node)
        name = node.input[0]
    return way


def _phase_yx(way: list[Any], constants: Constants) -> tuple[int, int]:
    """Return where slices of every second row and column begin; -1, -1 if they are others.

    A slice has the inputs data, starts, ends, axes and steps.
    """
    cuts = [[constants[name] for name in n.input[1:] if name in constants] for n in way]
    if not cuts or any(len(cut) != 4 for cut in cuts):  # noqa: PLR2004 -- one is not fixed
        return -1, -1
    start, end, axis, step = np.concatenate([np.stack(cut) for cut in cuts], axis=1)
    if sorted(axis) != [2, 3] or (step != 2).any() or (end < _WHOLE).any():  # noqa: PLR2004 -- y, x
        return -1, -1
    y, x = start[axis.argsort()].tolist()
    return y, x


def _is_plain(conv: Any) -> bool:
    """Return whether a convolution has stride 1, no dilation, no groups, and known padding."""
    attributes = _attributes(conv)
    ones = [attributes.get(name, [1, 1]) for name in ("strides", "dilations")]
    return ones == [[1, 1]] * 2 and attributes.get("group", 1) == 1 and "pads" in attributes


def _attributes(node: Any) -> dict[str, Any]:
    from onnx.helper import get_attribute_value  # noqa: PLC0415 -- heavy

    return {attribute.name: get_attribute_value(attribute) for attribute in node.attribute}
