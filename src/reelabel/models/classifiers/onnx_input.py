"""The input of an ONNX network that classifies: its layout, and how windows are laid into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError
from reelabel.models.base import Image, Window
from reelabel.models.onnx_session import describe
from reelabel.models.students.classes.inputs import Preprocessing, middle, reduced

Layout = Literal["bchw", "bhwc", "bcthw", "btchw", "bthwc"]
"""b batch, t pictures, h rows, w columns, c channels."""

LAYOUTS: tuple[Layout, ...] = ("bchw", "bhwc", "bcthw", "btchw", "bthwc")

_CHANNELS = 3
_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


@dataclass(frozen=True)
class Input:
    """The one input of a network.

    Attributes:
        layout: the order of its dimensions.
        dtype: uint8 takes pictures as they are, 0..255; others are normalised.
        size_wh: width and height in pixels; 0 where the network leaves it open.
        frames: pictures per window; 0 where the network leaves it open, 1 if it takes single ones.
        batch: how many windows must be given at once; 0 for any number.
    """

    layout: Layout
    dtype: type[np.generic]
    size_wh: tuple[int, int]
    frames: int
    batch: int

    def filled(
        self, windows: Sequence[Window], how: Preprocessing, order: str
    ) -> NDArray[np.generic]:
        """Return windows of pictures ``(h, w, 3)`` as one batch in the network's layout.

        Args:
            windows: all with as many pictures as the network takes.
            how: size, cropping, and normalisation of inputs that are not uint8.
            order: ``rgb`` or ``bgr``: of the channels.
        """
        ready = np.stack([[self._fitted(picture, how) for picture in w] for w in windows])
        if order == "bgr":
            ready = ready[..., ::-1]
        if self.dtype is not np.uint8:
            mean = np.array(how.mean, np.float32)[:: -1 if order == "bgr" else 1]
            std = np.array(how.std, np.float32)[:: -1 if order == "bgr" else 1]
            ready = ((ready.astype(np.float32) / 255 - mean) / std).astype(self.dtype)
        if "t" not in self.layout:
            ready = ready[:, 0]
        own = "bthwc" if "t" in self.layout else "bhwc"
        return np.ascontiguousarray(ready.transpose([own.index(each) for each in self.layout]))

    def _fitted(self, picture: Image, how: Preprocessing) -> Image:
        w, h = self.size_wh
        if w != h:
            smaller = w < picture.shape[1] or h < picture.shape[0]
            way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
            stretched: Image = cv2.resize(picture, (w, h), interpolation=way).astype(np.uint8)
            return stretched
        return middle(reduced(picture, how), how)


def input_of(session: Any, where: str, layout: Layout | None = None) -> Input:
    """Return the input of a network.

    Args:
        session: of ONNX Runtime.
        where: the file, for messages.
        layout: of its dimensions; None recognises it by the dimension of the three channels.

    Raises:
        ModelError: if it takes something else than pictures, or its layout is not clear.
    """
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        raise _no_pictures(session, where)
    shape = [side if isinstance(side, int) and side > 0 else 0 for side in inputs[0].shape]
    fitting = [each for each in LAYOUTS if _fits(shape, each)]
    if layout is not None and layout not in fitting:
        raise ModelError(f"{where}: expected an input laid out as {layout}: {describe(session)}")
    if layout is None and len(fitting) > 1:
        certain = [each for each in fitting if shape[each.index("c")] == _CHANNELS]
        fitting = certain if len(certain) == 1 else fitting
    if layout is None and len(fitting) != 1:
        raise _no_pictures(session, where)
    found = layout or fitting[0]
    side = dict(zip(found, shape, strict=True))
    return Input(
        layout=found,
        dtype=_TYPES[inputs[0].type],
        size_wh=(side["w"], side["h"]),
        frames=side.get("t", 1),
        batch=side["b"],
    )


def _fits(shape: Sequence[int], layout: Layout) -> bool:
    return len(shape) == len(layout) and shape[layout.index("c")] in {0, _CHANNELS}


def _no_pictures(session: Any, where: str) -> ModelError:
    return ModelError(
        f"{where} should take pictures (bchw or bhwc) or windows of them (bcthw, btchw, bthwc) "
        f"with c = 3, as float or uint8, but has {describe(session)}: set its option 'layout', or "
        "name another file"
    )
