"""``onnx:PATH_OR_URL``: any ONNX network that turns one picture into one vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import MACHINE, Settings
from reelabel.errors import ModelError
from reelabel.models.base import Embed, Image
from reelabel.models.embedders.unit import unit_rows
from reelabel.models.onnx_session import describe, open_session, run
from reelabel.models.spec import Request, fingerprint
from reelabel.models.weights import resolve

_CHANNELS = 3
_DEFAULT_SIDE = 224


class OnnxEmbedderOptions(Settings):
    """Options of ``onnx:``; the default preparation is that of networks trained on ImageNet."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from red, green, blue in 0..1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Red, green and blue are divided by it after."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Channel order that the network expects; mean and std stay in the order red, green, blue."""
    side: int = Field(default=_DEFAULT_SIDE, ge=1)
    """Input size of a network that leaves it open."""
    device: Annotated[Literal["auto", "cpu", "cuda"], MACHINE] = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class OnnxEmbedder:
    """An ONNX network; pictures are stretched to its input. See `reelabel.models.base.Embedder`."""

    name: str
    fingerprint: str
    dimensions: int
    path: Path
    size_wh: tuple[int, int]
    channels_last: bool
    options: OnnxEmbedderOptions

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """Twice the longer side, so that no side of a 2:1 picture falls below the input's."""
        return 2 * max(self.size_wh), 2 * max(self.size_wh)

    def open(self) -> Embed:
        """Open a session of its own and return the function that embeds pictures."""
        session = open_session(self.path, self.options.device)

        def embed(pictures: Sequence[Image]) -> NDArray[np.float32]:
            rows = [run(session, self._prepared(p))[0].ravel() for p in pictures]
            return unit_rows(np.array(rows, np.float32).reshape(-1, self.dimensions))

        return embed

    def _prepared(self, picture: Image) -> NDArray[np.float32]:
        smaller = min(picture.shape[:2]) > max(self.size_wh)
        way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        fitted = cv2.resize(picture, self.size_wh, interpolation=way).astype(np.float32) / 255
        fitted = (fitted - np.array(self.options.mean)) / np.array(self.options.std)
        if self.options.order == "bgr":
            fitted = fitted[..., ::-1]
        planes = fitted if self.channels_last else fitted.transpose(2, 0, 1)
        return np.ascontiguousarray(planes[None], np.float32)


def load(request: Request) -> OnnxEmbedder:
    """Return the embedder in an ONNX file.

    Raises:
        ModelError: if the file is missing or changed, or does not turn one picture into one
            vector.
    """
    options = request.settings(OnnxEmbedderOptions)
    weights = resolve(request.rest, home=request.home)
    session = open_session(weights.path, options.device)
    size_wh, channels_last = _input(session, weights.path, options)
    shape = (*size_wh[::-1], _CHANNELS) if channels_last else (_CHANNELS, *size_wh[::-1])
    outputs = run(session, np.zeros((1, *shape), np.float32))
    if len(outputs) != 1 or outputs[0].size != outputs[0].shape[-1]:
        vectors = [o for o in outputs if o.size == np.prod(o.shape[1:2])]
        shown = f"{len(outputs)} outputs, {len(vectors)} of them vectors"
        raise ModelError(
            f"{weights.path} should turn one picture into one vector, but gives {shown}: "
            f"{describe(session)}"
        )
    return OnnxEmbedder(
        name=request.spec,
        fingerprint=fingerprint("onnx-embedder", weights.sha256, options),
        dimensions=outputs[0].size,
        path=weights.path,
        size_wh=size_wh,
        channels_last=channels_last,
        options=options,
    )


def _input(session: Any, path: Path, options: OnnxEmbedderOptions) -> tuple[tuple[int, int], bool]:
    """Return the input's size and whether its channels come last."""
    shapes = [node.shape for node in session.get_inputs()]
    if len(shapes) == 1 and len(shapes[0]) == 4 and _CHANNELS in shapes[0][1::2]:  # noqa: PLR2004 -- batch, channel, row, column
        channels_last = shapes[0][1] != _CHANNELS
        sides = shapes[0][1:3] if channels_last else shapes[0][2:]
        height, width = (s if isinstance(s, int) else options.side for s in sides)
        return (width, height), channels_last
    raise ModelError(
        f"{path} should take one picture (1x3xHxW or 1xHxWx3), but has {describe(session)}"
    )
