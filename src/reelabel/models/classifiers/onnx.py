"""``onnx:PATH_OR_URL``: any ONNX network that gives one number per class, without torch.

Files of our own exports hold all that is needed in their metadata (`students.onnx_metadata`). Of
others the shape of the input and options tell it; the default preparation is that of networks
trained on ImageNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from reelabel.config import MACHINE, Settings
from reelabel.errors import ModelError
from reelabel.models.base import Classifier, Classify, Window
from reelabel.models.calibrated import CalibratedClassifier
from reelabel.models.classifiers.onnx_input import Input, Layout, input_of
from reelabel.models.classifiers.pictures import ROOM, per_picture, sound
from reelabel.models.names import given_names, literal_names
from reelabel.models.onnx_session import Device, describe, on_device, open_session, run
from reelabel.models.spec import Request, fingerprint
from reelabel.models.students.classes.inputs import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    window_of,
)
from reelabel.models.students.onnx_metadata import OnnxMetadata, read_metadata
from reelabel.models.weights import resolve

Activation = Literal["none", "softmax", "sigmoid"]
Rows = NDArray[np.float32]

_BATCH = 8
_GPU_BATCH = 16
_DEFAULT_SIDE = 224
_TOLERANCE = 1e-3


class OnnxClassifierOptions(Settings):
    """Options of ``onnx:``; where none is set, what the file itself states counts."""

    labels: str | tuple[str, ...] | None = None
    """Class names in the network's order, or a text file with one per line."""
    activation: Literal["auto", "none", "softmax", "sigmoid"] = "auto"
    """What makes probabilities of the outputs; auto: none if they are some already, else softmax
    where exactly one class is right and sigmoid elsewhere."""
    exclusive: bool | None = None
    """Exactly one class is right; None: yes, unless the outputs are probabilities with other sums
    than 1."""
    layout: Layout | None = None
    """Dimensions of the input, such as bchw; None recognises them by the channels."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Channel order that the network expects; mean and std stay in the order red, green, blue."""
    size: int | None = Field(default=None, ge=1)
    """Side of an input that the network leaves open; None means 224."""
    resize: Literal["crop", "stretch"] | None = None
    """crop (the default): the middle square; stretch: the whole picture."""
    crop: float | None = Field(default=None, gt=0, le=1)
    """Side of that square as a share of the picture's short side; None means 0.875."""
    interpolation: Literal["area", "bilinear", "bicubic"] | None = None
    """How pictures are resized; None means bilinear."""
    mean: tuple[float, float, float] | None = None
    """Subtracted from red, green, blue in 0..1; None means ImageNet's."""
    std: tuple[float, float, float] | None = None
    """Red, green and blue are divided by it after; None means ImageNet's."""
    frames: int | None = Field(default=None, ge=1)
    """Pictures per window of a network that leaves it open."""
    step_s: float | None = Field(default=None, ge=0)
    """Seconds between the pictures of a window."""
    device: Annotated[Device, MACHINE] = "auto"
    """Where to compute; auto takes the GPU if ONNX Runtime can."""


_PREPARATION = {
    "resize": "crop",
    "crop": 0.875,
    "interpolation": "bilinear",
    "mean": IMAGENET_MEAN,
    "std": IMAGENET_STD,
}
"""The options that `Preprocessing` has too, and their values where nothing states another."""


@dataclass(frozen=True)
class OnnxClassifier:
    """An ONNX network; see `reelabel.models.base.Classifier`.

    Attributes:
        path: the file.
        input: layout, type and size of its input.
        preprocessing: how a picture becomes an input.
        activation: what makes probabilities of its outputs.
        order: of the channels, ``rgb`` or ``bgr``.
        device: where to compute.
        temperature: what the network's own probabilities are calibrated with, if they are.
    """

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    exclusive: bool
    frames: int
    step_s: float
    batch_size: int
    path: Path
    input: Input
    preprocessing: Preprocessing
    activation: Activation
    order: Literal["rgb", "bgr"]
    device: Device
    temperature: float | None = None

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """A size in which the short side of pictures up to 3:1 is still that of the input."""
        side = ROOM * max(self.preprocessing.short_px, *self.input.size_wh)
        return side, side

    def open(self) -> Classify:
        """Open a session of its own and return the function that classifies."""
        session = open_session(self.path, self.device)
        size = self.input.batch or self.batch_size

        def judge(windows: Sequence[Window]) -> Rows:
            parts = [windows[i : i + size] for i in range(0, len(windows), size)]
            found = [self._probabilities(session, part) for part in parts]
            return np.concatenate([np.zeros((0, len(self.classes)), np.float32), *found])

        if self.frames == 1:
            return per_picture(lambda p: judge([[each] for each in p]), len(self.classes), size)
        return lambda windows: judge([window_of(window, self.frames) for window in windows])

    def _probabilities(self, session: Any, windows: Sequence[Window]) -> Rows:
        missing = max(self.input.batch - len(windows), 0)
        filled = [*windows, *missing * [windows[-1]]]
        batch = self.input.filled(filled, self.preprocessing, self.order)
        rows = rows_of(run(session, batch), len(filled), len(self.classes))
        return sound(activated(rows[: len(windows)], self.activation), self.name)


def activated(rows: Rows, activation: Activation) -> Rows:
    """Return the probabilities of outputs ``(n, k)``."""
    if activation == "none":
        return rows
    if activation == "sigmoid":
        shares = 1 / (1 + np.exp(-np.clip(rows, -80, 80)))
        return shares.astype(np.float32, copy=False)
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    found: Rows = powers / powers.sum(axis=1, keepdims=True)
    return found


def rows_of(outputs: Sequence[NDArray[Any]], n: int, classes: int | None) -> Rows:
    """Return the output that has a number per class as rows ``(n, k)``; the first if none fits.

    Args:
        outputs: of the network, each ``(n, ...)``.
        n: how many windows were given.
        classes: how many classes there are; None if that is not known.
    """
    rows = [np.asarray(each, np.float32).reshape(n, -1) for each in outputs]
    return next((each for each in rows if each.shape[1] == classes), rows[0])


def load(request: Request) -> Classifier:
    """Return the classifier in an ONNX file.

    Raises:
        ModelError: if the file is missing or changed, is no ONNX network that classifies pictures,
            or its classes have no names.
    """
    options = request.settings(OnnxClassifierOptions)
    weights = resolve(request.rest, home=request.home)
    session = open_session(weights.path, options.device)
    own = read_metadata(session, str(weights.path))
    if own is not None and own.task != "classify":
        raise ModelError(
            f"expected a network that classifies in {weights.path}, but it is one for '{own.task}'"
        )
    found = _Loading(request, options, session, own)
    exclusive, activation = found.activation()
    temperature = own.temperature if own else None
    is_applied = own is None or own.is_applied
    classifier = OnnxClassifier(
        name=request.spec,
        classes=found.classes,
        fingerprint=fingerprint("onnx-classifier", weights.sha256, options, found.classes),
        exclusive=exclusive,
        frames=found.frames,
        step_s=found.step_s,
        batch_size=_GPU_BATCH if on_device(session) else _BATCH,
        path=weights.path,
        input=found.input,
        preprocessing=found.preprocessing,
        activation=activation,
        order=options.order,
        device=options.device,
        temperature=temperature if is_applied else None,
    )
    if temperature is None or is_applied:
        return cast("Classifier", classifier)
    return cast("Classifier", CalibratedClassifier(cast("Classifier", classifier), temperature))


class _Loading:
    """What options, metadata and the network itself tell, in this order."""

    def __init__(
        self,
        request: Request,
        options: OnnxClassifierOptions,
        session: Any,
        own: OnnxMetadata | None,
    ) -> None:
        self._request, self._options, self._session, self._own = request, options, session, own
        layout: Any = options.layout or (own.layout if own else None)
        self.input = input_of(session, request.spec, layout)
        self.preprocessing = self._preprocessing()
        self.frames = self._frames()
        self.step_s = self._step_s()
        self._probes = [self._probe(kind) for kind in range(3)]
        self.classes = self._classes()

    def _preprocessing(self) -> Preprocessing:
        own = dict(self._own.preprocessing) if self._own else {}
        set_ = self._options.model_dump(exclude_none=True, include={*_PREPARATION, "size"})
        fixed = {"size": self.input.size_wh[0]} if self.input.size_wh[0] else {}
        values = {"size": _DEFAULT_SIDE, **_PREPARATION, **own, **set_, **fixed}
        try:
            return Preprocessing(**values)
        except ValidationError as exc:
            raise ModelError(
                f"{self._request.spec}: expected a description of how pictures become inputs, but "
                f"its metadata is damaged ({exc.errors()[0]['msg']}): export it again"
            ) from exc

    def _frames(self) -> int:
        if "t" not in self.input.layout:
            return 1
        found = self.input.frames or self._options.frames or (self._own.frames if self._own else 0)
        if not found:
            raise ModelError(
                f"{self._request.spec} takes windows of any number of pictures: set its option "
                "'frames'"
            )
        return found

    def _step_s(self) -> float:
        if self._options.step_s is not None:
            return self._options.step_s
        return self._own.step_s if self._own else 0.0

    def _probe(self, kind: int) -> list[NDArray[Any]]:
        """Return the outputs for black, white or random pictures."""
        side = self.preprocessing.short_px
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        picture = (np.zeros_like(noise), np.full_like(noise, 255), noise)[kind]
        window = self.frames * [picture]
        count = self.input.batch or 1
        batch = self.input.filled(count * [window], self.preprocessing, self._options.order)
        outputs = run(self._session, batch)
        if not outputs or any(len(each) != count for each in outputs[:1]):
            raise ModelError(
                f"{self._request.spec} should give a number per class for each of its inputs, but "
                f"has {describe(self._session)}"
            )
        return outputs

    def _classes(self) -> tuple[str, ...]:
        if all(np.squeeze(each[0]).ndim > 1 for each in self._probes[0]):
            raise ModelError(
                f"{self._request.spec} should give a number per class, but has "
                f"{describe(self._session)}: it does not classify; one that finds boxes is a "
                "detector"
            )
        names = given_names(self._request, self._options.labels)
        if not names and self._own is not None:
            names = self._own.classes
        if not names:
            props = self._session.get_modelmeta().custom_metadata_map
            names = literal_names(props.get("names", ""))
        sizes = [each[0].size for each in self._probes[0]]
        if len(names) not in sizes:
            raise ModelError(
                f"{self._request.spec} has {sizes[0]} classes, but {len(names) or 'no'} names are "
                "known: set its option 'labels' to the names, or to a text file with one per line"
            )
        return names

    def activation(self) -> tuple[bool, Activation]:
        """Return whether exactly one class is right, and what makes probabilities of outputs."""
        count = self.input.batch or 1
        rows = np.concatenate([rows_of(p, count, len(self.classes)) for p in self._probes])
        shares = bool(((rows >= 0) & (rows <= 1)).all())
        even = bool((np.abs(rows.sum(axis=1) - 1) < _TOLERANCE).all())
        exclusive = self._options.exclusive
        if exclusive is None:
            exclusive = self._own.exclusive if self._own else even or not shares
        if self._options.activation != "auto":
            return exclusive, self._options.activation
        if self._own is not None or (even if exclusive else shares):
            return exclusive, "none"
        return exclusive, "softmax" if exclusive else "sigmoid"
