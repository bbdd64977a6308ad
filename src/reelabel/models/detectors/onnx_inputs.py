"""The inputs of an ONNX detector: one session for each size of picture that it meets.

A network made for 416 x 416 spends two fifths of its time on padding on pictures of 16:9. One
that is convolutions all the way can do with less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.errors import ModelError
from reelabel.models.base import Image
from reelabel.models.detectors.nanodet import NanoDet
from reelabel.models.detectors.yolox import Yolox
from reelabel.models.onnx_network import rewritten
from reelabel.models.onnx_session import Device, open_session, run

Family = Yolox | NanoDet
"""How the input of a network is prepared, and its output decoded."""

STRIDE = 32
"""The coarsest stride of both families: sides of an input are multiples of it."""
MARGIN = 64
"""Padding in pixels that stays below or beside a picture, because networks are trained with
it: without it YOLOX-nano has an AP50 of .447 instead of .462 on pictures of COCO, with 32
pixels .450, with 64 .460."""


@dataclass(frozen=True)
class NetworkOutput:
    """The outputs for one picture, and the factors x, y back to the picture's pixels."""

    family: Family
    outputs: list[NDArray[np.float32]]
    back_xy: tuple[float, float]


@dataclass(frozen=True)
class Input:
    """A session for one size of input, with room for a batch ``(b, 3, h, w)``."""

    session: Any
    family: Family
    buffer: NDArray[np.float32]

    def run(self, pictures: Sequence[Image]) -> list[NetworkOutput]:
        """Return the network's outputs for at most a batch of pictures."""
        rows = self.buffer[: len(pictures)]
        back = [self.family.prepare(p, into) for p, into in zip(pictures, rows, strict=True)]
        outputs = run(self.session, rows)
        return [
            NetworkOutput(self.family, [o[i] for o in outputs], xy) for i, xy in enumerate(back)
        ]


KEPT = 4
"""So many sizes stay open: footage has one, and a folder of pictures two or three."""


class Inputs:
    """Opens a network at the sizes that are asked for; those that were used last stay open.

    Args:
        path: the network.
        family: how it is read at the file's own size.
        batch_size: pictures per call of the network.
        device: where to compute.
    """

    def __init__(self, path: Path, family: Family, batch_size: int, device: Device) -> None:
        self._path, self._family, self._batch, self._device = path, family, batch_size, device
        self._known: dict[tuple[int, int], Input] = {}
        self._rigid = False

    def has(self, size_wh: tuple[int, int]) -> bool:
        """Return whether the network can have an input of this size."""
        return size_wh == self._family.size_wh or self._cut(size_wh) is not None

    def at(self, size_wh: tuple[int, int]) -> Input:
        """Return the input of this size, or the file's own of a network that cannot have it."""
        if self._rigid or size_wh == self._family.size_wh:
            return self._full()
        found = self._known.pop(size_wh, None) or self._cut(size_wh)
        if found is None:
            self._rigid = True
            return self._full()
        self._known[size_wh] = found
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        return found

    def _full(self) -> Input:
        full_wh = self._family.size_wh
        if full_wh not in self._known:
            session = open_session(self._path, self._device, rewritten(self._path))
            self._known[full_wh] = self._input(session, self._family)
        return self._known[full_wh]

    def _cut(self, size_wh: tuple[int, int]) -> Input | None:
        """Open the network at another size, if it then answers for all of its cells."""
        family = replace(self._family, size_wh=size_wh)
        network = rewritten(self._path, size_wh)
        if network is None:
            return None
        try:
            found = self._input(open_session(self._path, self._device, network), family)
            outputs = run(found.session, found.buffer[:1])
        except ModelError:
            return None
        read = type(family).recognise(size_wh, outputs)
        return found if read is not None and read.n_classes == family.n_classes else None

    def _input(self, session: Any, family: Family) -> Input:
        width, height = family.size_wh
        return Input(session, family, np.zeros((self._batch, 3, height, width), np.float32))


def part_of(full_wh: tuple[int, int], picture: Image) -> tuple[int, int]:
    """Return the part of an input that a fitted picture and its margin need, as width, height.

    >>> part_of((416, 416), np.zeros((720, 1280, 3), np.uint8))
    (416, 320)
    """
    sides = picture.shape[1::-1]
    ratio = min(most / side for most, side in zip(full_wh, sides, strict=True))
    # The tiny amount undoes float error, which would cost another stride.
    needed = (math.ceil((side * ratio + MARGIN - 1e-6) / STRIDE) * STRIDE for side in sides)
    width, height = (min(most, side) for most, side in zip(full_wh, needed, strict=True))
    return width, height
