"""Opening ONNX files: the one place that uses ONNX Runtime and translates its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError

Device = Literal["auto", "cpu", "cuda"]


def open_session(path: Path, device: Device = "auto", network: bytes | None = None) -> Any:
    """Return an ``onnxruntime.InferenceSession`` that computes on one thread or on the GPU.

    One thread, because workers run one session each: threads inside a session would compete
    with them.

    Args:
        path: the network.
        device: where to compute.
        network: what to run in place of the file's content, as `onnx_network.rewritten` gives it.

    Raises:
        ModelError: if this is no ONNX network that can be run, or the GPU was asked for and is
            not there.
    """
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Errors; warnings tell users of the exporter's habits. A rewritten network is a try.
    options.log_severity_level = 3 if network is None else 4
    try:
        return ort.InferenceSession(network or path, options, providers=_providers(device))
    except ModelError:
        raise
    except Exception as exc:  # its errors share no base class
        raise ModelError(
            f"{path} is not an ONNX network that can be run: {_first_line(exc)}. "
            "Export it again, or name another file"
        ) from exc


def _providers(device: Device) -> list[str]:
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    has_cuda = "CUDAExecutionProvider" in ort.get_available_providers()
    if device == "cuda" and not has_cuda:
        raise ModelError(
            "device 'cuda' was asked for, but this onnxruntime computes on the CPU alone: "
            "install onnxruntime-gpu, or set device 'auto'"
        )
    gpu = ["CUDAExecutionProvider"] if has_cuda and device != "cpu" else []
    return [*gpu, "CPUExecutionProvider"]


def on_gpu(session: Any) -> bool:
    """Return whether a session computes on a GPU."""
    return "CUDAExecutionProvider" in session.get_providers()


def run(session: Any, batch: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return all outputs of a network for one input ``(b, ...)``.

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
