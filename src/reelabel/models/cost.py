"""How large a model is: its weights counted and its file measured, without loading it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from reelabel.errors import ModelError, os_reason
from reelabel.file_kinds import plain_file
from reelabel.models.students.folder import WEIGHTS

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of what a network counts, but does not learn."""
_LENGTH_BYTES = 8
_LONGEST_HEADER = 100_000_000  # bytes; the format's own limit


def model_size(place: Path | None) -> tuple[int | None, int | None]:
    """Return how many weights a model has and the bytes of its file, None where not known.

    Args:
        place: a student's folder, or an ONNX file; None for a model that has neither.

    Raises:
        ModelError: if the file is damaged.
    """
    if place is None:
        return None, None
    weights = place / WEIGHTS if place.is_dir() else place
    if not weights.is_file():
        return None, None
    size_bytes = weights.stat().st_size
    if weights.suffix == ".safetensors":
        return _of_safetensors(weights), size_bytes
    return (_of_onnx(weights) if weights.suffix == ".onnx" else None), size_bytes


def _of_safetensors(path: Path) -> int:
    """Return the number of weights that the file's header lists, buffers of statistics left out."""
    try:
        shapes = _shapes(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ModelError(
            f"{path}: expected safetensors, but {os_reason(exc)}: train again"
        ) from exc
    learnt = (shape for name, shape in shapes.items() if not name.endswith(_STATISTICS))
    return sum(math.prod(shape) for shape in learnt)


def _shapes(path: Path) -> dict[str, list[int]]:
    """Return the shape of each tensor of a safetensors file, from its header alone."""
    with plain_file(path).open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > _LONGEST_HEADER:
            raise ValueError(f"its header has {length} bytes")
        header: dict[str, Any] = json.loads(file.read(length))
    return {name: one["shape"] for name, one in header.items() if name != "__metadata__"}


def _of_onnx(path: Path) -> int:
    import onnx  # noqa: PLC0415 -- slow to load

    graph = onnx.load(str(path), load_external_data=False).graph
    return sum(math.prod(tensor.dims) for tensor in graph.initializer)
