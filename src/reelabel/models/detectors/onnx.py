"""``onnx:PATH_OR_URL``: detectors that need nothing but the core.

A file says by its shapes which family it belongs to. The families are YOLOX and NanoDet-m.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.errors import ModelError
from reelabel.labels.boxes import Detections
from reelabel.models.base import Image, Predict
from reelabel.models.coco import COCO_80
from reelabel.models.detectors.nanodet import NanoDet
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.detectors.yolox import Yolox
from reelabel.models.onnx_session import describe, on_gpu, open_session, run
from reelabel.models.spec import Request, fingerprint
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
    """Input size of a network that leaves it open; None means 640 x 640."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes the GPU if ONNX Runtime can."""


Family = Yolox | NanoDet
"""A way to feed a network and to read what it says."""


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
    batch_size: int = 1
    in_order: bool = False

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """The network's input size."""
        return self.family.size_wh

    def open(self) -> Predict:
        """Open a session of its own and return the function that finds boxes."""
        session = open_session(self.path, self.options.device)
        width, height = self.family.size_wh
        source = session.get_inputs()[0].name
        buffer = np.zeros((self.batch_size, 3, height, width), np.float32)

        def some(pictures: Sequence[Image]) -> list[Detections]:
            back = [self.family.prepare(p, buffer[i]) for i, p in enumerate(pictures)]
            outputs = run(session, {source: buffer[: len(pictures)]})
            return [
                self._finish([o[i] for o in outputs], back[i], picture.shape)
                for i, picture in enumerate(pictures)
            ]

        def predict(pictures: Sequence[Image]) -> list[Detections]:
            starts = range(0, len(pictures), self.batch_size)
            return [found for i in starts for found in some(pictures[i : i + self.batch_size])]

        return predict

    def _finish(
        self, outputs: list[NDArray[np.float32]], back: tuple[float, float], shape: Sequence[int]
    ) -> Detections:
        found = self.family.decode(outputs, self.options.floor, np.array(self.asked, np.int64))
        own = self.options.nms_iou
        found = suppressed(found, self.family.nms_iou if own is None else own)
        return found.scaled(back).clipped((shape[1], shape[0]))


def load(request: Request) -> OnnxDetector:
    """Return the detector in an ONNX file.

    Raises:
        ModelError: if the file is missing, is no ONNX network or of no known family, or if its
            classes have no names.
    """
    options = request.settings(OnnxOptions)
    weights = resolve(request.rest, home=request.home)
    session = open_session(weights.path, options.device)
    family = _family(session, weights.path, options)
    classes = _class_names(session, family.n_classes, request, options)
    # Among the wanted classes alone: a ball that is a little more like a frisbee is still found.
    asked = tuple(i for i, name in enumerate(classes) if name in request.prompts)
    return OnnxDetector(
        name=request.spec,
        classes=classes,
        fingerprint=fingerprint("onnx", weights.sha256, options, asked),
        path=weights.path,
        family=family,
        options=options,
        asked=asked or tuple(range(len(classes))),
        batch_size=_GPU_BATCH if on_gpu(session) and _batch_is_open(session) else 1,
    )


def _batch_is_open(session: Any) -> bool:
    return not isinstance(session.get_inputs()[0].shape[0], int)


def _family(session: Any, path: Path, options: OnnxOptions) -> Family:
    """Return the family that a network's inputs and outputs speak of."""
    size_wh = _input_wh(session, options)
    if size_wh is not None:
        grey = np.full((1, 3, size_wh[1], size_wh[0]), 114, np.float32)
        outputs = run(session, {session.get_inputs()[0].name: grey})
        for family in (Yolox, NanoDet):
            if known := family.recognise(size_wh, outputs):
                return known
    raise ModelError(
        f"{path} is of no known family: it has {describe(session)}. Known are yolox "
        "(1x3xHxW -> 1xNx(5+classes), N cells of strides 8, 16, 32) and nanodet "
        "(1x3xHxW -> class scores and 32 box columns for each of three strides)"
    )


def _input_wh(session: Any, options: OnnxOptions) -> tuple[int, int] | None:
    """Return the input size, or None if the network does not take one RGB picture."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":  # noqa: PLR2004 -- batch, channel, row, column
        return None
    batch, channels, height, width = inputs[0].shape
    if channels != 3 or (isinstance(batch, int) and batch != 1):  # noqa: PLR2004 -- RGB
        return None
    asked = options.input_wh or (_DEFAULT_SIDE, _DEFAULT_SIDE)
    return (
        width if isinstance(width, int) else asked[0],
        height if isinstance(height, int) else asked[1],
    )


def _class_names(
    session: Any, n_classes: int, request: Request, options: OnnxOptions
) -> tuple[str, ...]:
    names = _given_names(request, options) or _carried_names(session)
    if not names and n_classes == len(COCO_80):
        names = COCO_80
    if len(names) != n_classes:
        raise ModelError(
            f"{request.spec} has {n_classes} classes, but {len(names) or 'no'} names are known: "
            "set its option 'classes' to the names, or to a text file with one per line"
        )
    return names


def _given_names(request: Request, options: OnnxOptions) -> tuple[str, ...]:
    if not isinstance(options.classes, str):
        return options.classes or ()
    return read_names(request.rooted(options.classes))


def read_names(path: Path) -> tuple[str, ...]:
    """Return class names from a text file, one per line; empty lines at the end are ignored.

    Raises:
        ModelError: if it cannot be read.
    """
    try:
        return tuple(line.strip() for line in path.read_text("utf-8").rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelError(f"class names cannot be read from {path}: {exc}") from exc


def _carried_names(session: Any) -> tuple[str, ...]:
    """Return the names in a file's metadata: ``names`` = ``{0: 'ball', ...}`` or a list."""
    text = session.get_modelmeta().custom_metadata_map.get("names", "")
    try:
        names = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return ()
    if isinstance(names, dict):
        names = [names[key] for key in sorted(names)]
    return tuple(map(str, names)) if isinstance(names, list | tuple) else ()
