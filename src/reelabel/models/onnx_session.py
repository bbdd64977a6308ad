"""Opening ONNX files: the one place that uses ONNX Runtime and translates its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError, first_line
from reelabel.file_kinds import plain_file

Device = Literal["auto", "cpu", "cuda", "coreml", "openvino"]
"""Where a network is computed; ``auto`` takes a CUDA GPU if ONNX Runtime has one, else the CPU."""
_PROVIDERS: dict[str, tuple[str, str]] = {
    "cuda": ("CUDAExecutionProvider", "onnxruntime-gpu in place of onnxruntime"),
    "coreml": ("CoreMLExecutionProvider", "onnxruntime on macOS, which has it"),
    "openvino": ("OpenVINOExecutionProvider", "onnxruntime-openvino in place of onnxruntime"),
}
"""Device -> its name in ONNX Runtime, and the package that brings it."""
_CPU = "CPUExecutionProvider"


def open_session(path: Path, device: Device = "auto", network: bytes | None = None) -> Any:
    """Return an ``onnxruntime.InferenceSession`` that computes on one thread or a device.

    One thread, because workers run one session each: threads inside a session would compete
    with them.

    Args:
        path: the network.
        device: where to compute.
        network: what to run in place of the file's content, as `onnx_network.rewritten` gives it.

    Raises:
        ModelError: if this is no ONNX network that can be run, or a device was asked for that is
            not there.
    """
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # A plan of the memory is kept for every size of input that came by; it is not faster.
    options.enable_mem_pattern = False
    # Errors; warnings tell users of the exporter's habits. A rewritten network is a try.
    options.log_severity_level = 3 if network is None else 4
    providers = _providers(device)
    try:
        session = ort.InferenceSession(network or plain_file(path), options, providers=providers)
    except Exception as exc:  # its errors share no base class
        raise ModelError(
            f"{path} is not an ONNX network that can be run: {first_line(exc)}. "
            "Export it again, or name another file"
        ) from exc
    if device != "auto" and session.get_providers()[0] != providers[0]:
        raise ModelError(
            f"device '{device}' was asked for, but ONNX Runtime could not start it: look at "
            "which versions of its libraries it needs, or set device 'auto'"
        )
    return session


def _providers(device: Device) -> list[str]:
    import onnxruntime as ort  # noqa: PLC0415 -- heavy

    there = ort.get_available_providers()
    if device in _PROVIDERS and _PROVIDERS[device][0] not in there:
        raise ModelError(
            f"device '{device}' was asked for, but this onnxruntime has only {', '.join(there)}: "
            f"install {_PROVIDERS[device][1]}, or set device 'auto'"
        )
    name, _ = _PROVIDERS.get("cuda" if device == "auto" else device, (_CPU, ""))
    return [name, _CPU] if name in there and name != _CPU else [_CPU]


def on_device(session: Any) -> bool:
    """Return whether a session computes elsewhere than on the CPU."""
    return bool(session.get_providers()[0] != _CPU)


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
        raise ModelError(f"the ONNX network cannot be run: {first_line(exc)}") from exc
    return outputs


def describe(session: Any) -> str:
    """Return what a network takes and gives, for messages.

    Such as ``images 1x3x416x416 -> output 1x3549x85``.
    """
    sides = (session.get_inputs(), session.get_outputs())
    takes, gives = (", ".join(f"{n.name} {'x'.join(map(str, n.shape))}" for n in s) for s in sides)
    return f"{takes} -> {gives}"
