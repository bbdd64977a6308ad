"""Opening ONNX files: one place that knows ONNX Runtime and translates its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError

Device = Literal["auto", "cpu", "cuda"]


def open_session(
    path: Path, device: Device = "auto", input_wh: tuple[int, int] | None = None
) -> Any:
    """Return an ``onnxruntime.InferenceSession`` that computes on one thread or on the GPU.

    One thread, because workers run one session each: threads inside a session would compete
    with them.

    Args:
        path: the network.
        device: where to compute.
        input_wh: the size of its one input, if another than the file says.

    Raises:
        ModelError: if the file is no ONNX network, if it cannot have this size, or the GPU was
            asked for and is not there.
    """
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors; warnings tell users of the exporter's habits. Another size is no more than tried.
    options.log_severity_level = 3 if input_wh is None else 4
    try:
        network = path if input_wh is None else _resized(path, input_wh)
        return ort.InferenceSession(network, options, providers=_providers(device))
    except ModelError:
        raise
    except Exception as exc:  # its errors share no base class
        raise ModelError(
            f"{path} is not an ONNX network that can be run: {_first_line(exc)}. "
            "Export it again, or name another file"
        ) from exc


def _resized(path: Path, input_wh: tuple[int, int]) -> bytes:
    """Return a network whose input has this size; what follows from it is left open."""
    import onnx  # noqa: PLC0415 -- heavy

    model = onnx.load(path)
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    width.dim_value, height.dim_value = input_wh
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    data: bytes = model.SerializeToString()
    return data


def _providers(device: Device) -> list[str]:
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError(
            "device 'cuda' was asked for, but this onnxruntime computes on the CPU alone: "
            "install onnxruntime-gpu, or say device 'auto'"
        )
    gpu = ["CUDAExecutionProvider"] if has_cuda and device != "cpu" else []
    return [*gpu, "CPUExecutionProvider"]


def on_gpu(session: Any) -> bool:
    """Say whether a session computes on a GPU."""
    return "CUDAExecutionProvider" in session.get_providers()


def run(session: Any, batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return all outputs of a network of one input.

    Raises:
        ModelError: if it cannot be run on these inputs.
    """
    try:
        outputs: list[NDArray[np.float32]] = session.run(
            None, {session.get_inputs()[0].name: batch}
        )
    except Exception as exc:  # its errors share no base class
        raise ModelError(f"the ONNX network cannot be run: {_first_line(exc)}") from exc
    return outputs


def describe(session: Any) -> str:
    """Return what a network takes and gives, for messages.

    Such as ``images 1x3x416x416 -> output 1x3549x85``.
    """
    sides = (session.get_inputs(), session.get_outputs())
    takes, gives = (", ".join(f"{n.name} {'x'.join(map(str, n.shape))}" for n in s) for s in sides)
    return f"{takes} -> {gives}"


def _first_line(exc: Exception) -> str:
    return (str(exc).splitlines() or [type(exc).__name__])[0][:300]
