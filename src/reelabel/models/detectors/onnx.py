"""``onnx:PATH_OR_URL``: detectors that need nothing but the core.

The shapes of its inputs and outputs determine the family of a file: YOLOX or NanoDet-m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from reelabel.config import MACHINE, Settings
from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError
from reelabel.models.base import Image, Predict
from reelabel.models.coco import COCO_80
from reelabel.models.detectors.nanodet import NanoDet
from reelabel.models.detectors.onnx_inputs import Family, Inputs, NetworkOutput, part_of
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.detectors.yolox import Yolox
from reelabel.models.foreign import checkpoint_advice, ultralytics_advice
from reelabel.models.names import given_names, literal_names
from reelabel.models.onnx_session import Device, describe, on_device, open_session, run
from reelabel.models.spec import Request, fingerprint
from reelabel.models.students.onnx_metadata import read_metadata
from reelabel.models.weights import resolve

_GPU_BATCH = 16
_DEFAULT_SIDE = 640


class OnnxOptions(Settings):
    """Options of ``onnx:``."""

    floor: float = Field(default=0.05, ge=0, le=1)
    """Boxes with a lower score are not returned."""
    nms_iou: float | None = Field(default=None, ge=0, le=1)
    """Of two boxes of one class that overlap by more than this, the better one stays; None takes
    what the family is evaluated with: 0.65 for YOLOX, 0.6 for NanoDet."""
    classes: str | tuple[str, ...] | None = None
    """Names in the network's order, or a text file with one per line; None takes those that the
    file carries, else COCO's for a network with 80 classes."""
    input_wh: tuple[int, int] | None = None
    """Input size, multiples of 32; a network of another size is resized if it can be. None takes
    what `tune` chose in a workspace, else the file's own, else 640 x 640."""
    rect: bool = True
    """Cut off most of the padding that a picture does not fill: footage of 16:9 needs three
    quarters of a square input. A network that cannot be resized keeps its input."""
    device: Annotated[Device, MACHINE] = "auto"
    """Where to compute; auto takes the GPU if ONNX Runtime can."""


@dataclass(frozen=True)
class OnnxDetector:
    """An ONNX file of a known family; see `reelabel.models.base.Detector`."""

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    path: Path
    family: Family
    options: OnnxOptions
    asked: tuple[int, ...]
    own_wh: tuple[int, int]
    batch_size: int = 1
    in_order: bool = False

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """The network's input size."""
        return self.family.size_wh

    def open(self) -> Predict:
        """Return a function that finds boxes, with sessions of its own."""
        inputs = self._inputs()

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            return [
                self._finish(output, picture)
                for size_wh, alike in groupby(pictures, self._size_for)
                for batch in _batches(list(alike), self.batch_size)
                for output, picture in zip(inputs.at(size_wh).run(batch), batch, strict=True)
            ]

        return predict

    def can_have(self, size_wh: tuple[int, int]) -> bool:
        """Return whether the network can have an input of this width and height; it is opened."""
        return self._inputs().has(size_wh)

    def at_size(self, size_wh: tuple[int, int]) -> OnnxDetector:
        """Return the detector with another input, one that `can_have` allows.

        Args:
            size_wh: width and height of the input in pixels.
        """
        family = replace(self.family, size_wh=size_wh)
        return replace(self, family=family, fingerprint=fingerprint(self.fingerprint, size_wh))

    def _inputs(self) -> Inputs:
        own = replace(self.family, size_wh=self.own_wh)
        return Inputs(self.path, own, self.batch_size, self.options.device)

    def _size_for(self, picture: Image) -> tuple[int, int]:
        full_wh = self.family.size_wh
        return part_of(full_wh, picture) if self.options.rect else full_wh

    def _finish(self, output: NetworkOutput, picture: Image) -> Boxes:
        asked = np.array(self.asked, np.int64)
        found = output.family.decode(output.outputs, self.options.floor, asked)
        own = self.options.nms_iou
        found = suppressed(found, self.family.nms_iou if own is None else own)
        return found.scaled(output.back_xy).clipped((picture.shape[1], picture.shape[0]))


def _batches(pictures: list[Image], size: int) -> list[list[Image]]:
    return [pictures[i : i + size] for i in range(0, len(pictures), size)]


def load(request: Request) -> OnnxDetector:
    """Return the detector in an ONNX file.

    Raises:
        ModelError: if the file is missing, is no ONNX network or of no known family, or if its
            classes have no names.
    """
    options = request.settings(OnnxOptions)
    if advice := checkpoint_advice(request.rest):
        raise ModelError(advice)
    weights = resolve(request.rest, home=request.home)
    session = open_session(weights.path, options.device)
    family = _family(session, weights.path, options)
    classes = _class_names(session, family.n_classes, request, options)
    # Among the wanted classes alone: a ball that scores higher as a frisbee is still found.
    names = {*request.prompts, *request.wanted}
    asked = tuple(i for i, name in enumerate(classes) if name in names)
    found = OnnxDetector(
        name=request.spec,
        classes=classes,
        fingerprint=fingerprint("onnx", weights.sha256, options, asked),
        path=weights.path,
        family=family,
        options=options,
        asked=asked or tuple(range(len(classes))),
        own_wh=family.size_wh,
        batch_size=_GPU_BATCH if on_device(session) and _batch_is_open(session) else 1,
    )
    wanted = options.input_wh
    return found if wanted in {None, family.size_wh} else _resized(found, wanted)


def _resized(detector: OnnxDetector, wanted: tuple[int, int]) -> OnnxDetector:
    """Return a detector with the input that its options ask for.

    Raises:
        ModelError: if the network cannot have it.
    """
    if not detector.can_have(wanted):
        raise ModelError(
            f"{detector.path}: expected a network that can have an input of {wanted[0]} x "
            f"{wanted[1]} pixels, but it works at {detector.own_wh[0]} x {detector.own_wh[1]} "
            "alone: leave input_wh out, or export it with another input"
        )
    return detector.at_size(wanted)


def _batch_is_open(session: Any) -> bool:
    return not isinstance(session.get_inputs()[0].shape[0], int)


def _family(session: Any, path: Path, options: OnnxOptions) -> Family:
    """Return the family that has a network's inputs and outputs."""
    size_wh = _input_wh(session, path, options)
    if size_wh is not None:
        grey = np.full((1, 3, size_wh[1], size_wh[0]), 114, np.float32)
        outputs = run(session, grey)
        for family in (Yolox, NanoDet):
            if known := family.recognise(size_wh, outputs):
                return known
    if advice := ultralytics_advice(session, path):
        raise ModelError(advice)
    raise ModelError(
        f"{path} is of no known family: it has {describe(session)}. Known are yolox "
        "(1x3xHxW -> 1xNx(5+classes), N cells of strides 8, 16, 32) and nanodet "
        "(1x3xHxW -> class scores and 32 box columns for each of three strides)"
    )


def _input_wh(session: Any, path: Path, options: OnnxOptions) -> tuple[int, int] | None:
    """Return the input size, or None if the network does not take one RGB picture."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":  # noqa: PLR2004 -- batch, channel, row, column
        return None
    batch, channels, height, width = inputs[0].shape
    if channels != 3 or (isinstance(batch, int) and batch != 1):  # noqa: PLR2004 -- RGB
        return None
    own = read_metadata(session, str(path))
    side = int(own.preprocessing.get("image_size", _DEFAULT_SIDE)) if own else _DEFAULT_SIDE
    asked = options.input_wh or (side, side)
    return (
        width if isinstance(width, int) else asked[0],
        height if isinstance(height, int) else asked[1],
    )


def _class_names(
    session: Any, n_classes: int, request: Request, options: OnnxOptions
) -> tuple[str, ...]:
    names = given_names(request, options.classes) or _carried_names(session)
    if not names and n_classes == len(COCO_80):
        names = COCO_80
    if len(names) != n_classes:
        raise ModelError(
            f"{request.spec} has {n_classes} classes, but {len(names) or 'no'} names are known: "
            "set its option 'classes' to the names, or to a text file with one per line"
        )
    return names


def _carried_names(session: Any) -> tuple[str, ...]:
    """Return the names in a file's metadata."""
    return literal_names(session.get_modelmeta().custom_metadata_map.get("names", ""))
