"""What every model that runs on torch shares: where it computes, and in which precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import MACHINE, Settings
from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError, first_line
from reelabel.file_kinds import plain_file
from reelabel.models.base import Image, Predict

GPU_BATCH = 16
_LONGEST = 4


class EmbedOptions(Settings):
    """Options of every model that runs on torch."""

    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], MACHINE] = "auto"
    """Where to compute; auto takes a GPU if torch has one."""
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Of the network's inside; auto is float16 on a CUDA GPU, else float32. With bfloat16 a box
    edge may be off by a pixel in 256."""


class TorchOptions(EmbedOptions):
    """Options of every detector that runs on torch."""

    floor: float = Field(default=0.05, ge=0, le=1)
    """Boxes with a lower score are not returned."""


def pick_device(device: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ModelError: if a device was asked for that torch does not see.
    """
    import torch  # noqa: PLC0415 -- heavy

    seen = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, there in seen.items() if there), "cpu")
    if not seen.get(device, True):
        raise ModelError(
            f"expected a device that torch has, but got '{device}': set 'auto' or 'cpu'"
        )
    return device


def batch_for(device: str) -> int:
    """Return how many pictures are best given at once."""
    return GPU_BATCH if pick_device(device) == "cuda" else 1


def computing(device: str, precision: str) -> AbstractContextManager[Any]:
    """Return a context in which networks run without gradients in the given precision."""
    import torch  # noqa: PLC0415 -- heavy

    if precision == "auto":
        precision = "float16" if device == "cuda" else "float32"
    stack = ExitStack()
    stack.enter_context(torch.inference_mode())
    if precision != "float32":
        stack.enter_context(torch.autocast(device, dtype=getattr(torch, precision)))
    return stack


def pad_aspect(picture: Image) -> Image:
    """Return a picture ``(h, w, 3)``, padded with black to an aspect of 4:1 at most.

    Preprocessing that keeps the aspect would reduce the short side to nothing.
    """
    h, w = picture.shape[:2]
    more = (max(-(-w // _LONGEST) - h, 0), max(-(-h // _LONGEST) - w, 0))
    return np.pad(picture, ((0, more[0]), (0, more[1]), (0, 0))) if any(more) else picture


def in_batches(some: Callable[[Sequence[Image]], list[Boxes]], batch_size: int) -> Predict:
    """Return a function that gives `some` batches of pictures of one size.

    Networks pad pictures of different sizes to a common one, which changes the detections in each
    of them.
    """

    def predict(pictures: Sequence[Image]) -> list[Boxes]:
        found: list[Boxes] = []
        start = 0
        for i in range(1, len(pictures) + 1):
            full = i - start == batch_size
            if full or i == len(pictures) or pictures[i].shape != pictures[start].shape:
                found += some(pictures[start:i])
                start = i
        return found

    return predict


def as_detections(
    boxes: Any, scores: Any, labels: Any, *, size_wh: tuple[int, int], floor: float
) -> Boxes:
    """Return torch tensors as boxes inside the picture, highest score first.

    Args:
        boxes: ``(n, 4)``, left, top, right, bottom in pixels.
        scores: ``(n,)`` in 0..1.
        labels: ``(n,)`` class indices.
        size_wh: of the picture.
        floor: boxes with a lower score are dropped.
    """
    arrays = [np.asarray(t.detach().float().cpu().numpy()) for t in (boxes, scores)]
    xyxy: NDArray[np.float32] = arrays[0].reshape(-1, 4)
    score = np.clip(arrays[1], 0, 1)
    found = Boxes(xyxy, score, labels.detach().cpu().numpy().astype(np.int64))
    # Outputs that overflowed are dropped.
    sound = np.isfinite(found.xyxy).all(axis=1) & (found.score >= floor)
    order = np.argsort(-found.score[sound], kind="stable")
    return found[sound][order].clipped(size_wh)


def read_state(path: Path | str) -> dict[str, Any]:
    """Return the tensors of a safetensors file or a PyTorch state dict, by name; no code runs.

    A checkpoint that holds the weights under ``state_dict`` counts too.

    Raises:
        ModelError: if the file is missing, damaged, or holds something else.
    """
    path = Path(path)
    try:
        state = _load_tensors(path)
    except Exception as exc:  # zip, pickle, safetensors: each has its own errors
        raise ModelError(
            f"expected weights in {path}, but it cannot be read ({first_line(exc)}): "
            "save the network's state_dict() alone, or name another file"
        ) from exc
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(hasattr(v, "shape") for v in state.values()):
        raise ModelError(
            f"expected a dictionary of tensors in {path}, but it holds something else: "
            "save the network's state_dict() alone"
        )
    return state


def _load_tensors(path: Path) -> Any:
    import torch  # noqa: PLC0415 -- heavy
    from safetensors.torch import load_file  # noqa: PLC0415 -- imports torch

    file = plain_file(path)
    if file.suffix == ".safetensors":
        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
