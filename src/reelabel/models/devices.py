"""Which devices there are, found out without loading what uses them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_NVIDIA = Path("/dev/nvidiactl")


def has_torch_gpu() -> bool:
    """Return whether torch is installed and a driver of NVIDIA GPUs is loaded."""
    return _NVIDIA.exists() and find_spec("torch") is not None
