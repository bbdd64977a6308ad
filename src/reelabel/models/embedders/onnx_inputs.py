"""The one picture that an ONNX embedder takes: its size, its layout, and how it is prepared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import MACHINE, Settings
from reelabel.errors import ModelError
from reelabel.models.base import Image
from reelabel.models.onnx_session import Device, describe

_CHANNELS = 3
_DEFAULT_SIDE = 224


class OnnxInputOptions(Settings):
    """Options of ONNX embedders; the default preparation is that of networks of ImageNet."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Subtracted from red, green, blue in 0..1."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Red, green and blue are divided by it after."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Channel order that the network expects; mean and std stay in the order red, green, blue."""
    side: int = Field(default=_DEFAULT_SIDE, ge=1)
    """Input size of a network that leaves it open."""
    device: Annotated[Device, MACHINE] = "auto"
    """Where to compute."""


@dataclass(frozen=True)
class PictureInput:
    """An input for one picture, which is stretched to it.

    Attributes:
        size_wh: in pixels.
        channels_last: whether it is ``(1, h, w, 3)`` instead of ``(1, 3, h, w)``.
    """

    size_wh: tuple[int, int]
    channels_last: bool

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of the array that the network is given."""
        width, height = self.size_wh
        planes = (1, _CHANNELS, height, width)
        return (1, height, width, _CHANNELS) if self.channels_last else planes

    @property
    def fit_wh(self) -> tuple[int, int]:
        """Twice the longer side, so that no side of a 2:1 picture falls below the input's."""
        return 2 * max(self.size_wh), 2 * max(self.size_wh)

    def prepare(self, picture: Image, options: OnnxInputOptions) -> NDArray[np.float32]:
        """Return a picture ``(h, w, 3)`` RGB as the array that the network is given."""
        smaller = min(picture.shape[:2]) > max(self.size_wh)
        way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        fitted = cv2.resize(picture, self.size_wh, interpolation=way).astype(np.float32) / 255
        fitted = (fitted - np.array(options.mean)) / np.array(options.std)
        if options.order == "bgr":
            fitted = fitted[..., ::-1]
        planes = fitted if self.channels_last else fitted.transpose(2, 0, 1)
        return np.ascontiguousarray(planes[None], np.float32)


def picture_input(session: Any, path: Path, side: int) -> PictureInput:
    """Return the input of a network that takes one picture.

    Args:
        session: of the network.
        path: its file, for the message.
        side: width and height in pixels where the network leaves them open.

    Raises:
        ModelError: if it takes something else.
    """
    shapes = [node.shape for node in session.get_inputs()]
    if len(shapes) == 1 and len(shapes[0]) == 4 and _CHANNELS in shapes[0][1::2]:  # noqa: PLR2004 -- batch, channel, row, column
        channels_last = shapes[0][1] != _CHANNELS
        sides = shapes[0][1:3] if channels_last else shapes[0][2:]
        height, width = (s if isinstance(s, int) else side for s in sides)
        return PictureInput((width, height), channels_last)
    raise ModelError(
        f"{path} should take one picture (1x3xHxW or 1xHxWx3), but has {describe(session)}"
    )
