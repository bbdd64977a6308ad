"""The small interfaces that every model implements.

A *description* (`Detector`, `Embedder`) is cheap to make and has a fingerprint. `open()` loads the
model and returns the function that computes; every worker thread opens its own, so that nothing is
shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Boxes

Image = NDArray[np.uint8]
"""``(height, width, 3)`` uint8, RGB."""

Predict = Callable[[Sequence[Image]], list[Boxes]]
"""Pictures in, one `Boxes` each out, boxes in the pixels of the picture that was given."""

Embed = Callable[[Sequence[Image]], NDArray[np.float32]]
"""Pictures in, ``(n, dimensions)`` float32 rows of length 1 out."""


Window = Sequence[Image]
"""The pictures of one moment in order of time; a single one for models that judge frames."""

Classify = Callable[[Sequence[Window]], NDArray[np.float32]]
"""Windows in, ``(n, classes)`` float32 probabilities out."""


@dataclass(frozen=True)
class FrameDetections:
    """The detections in one frame of a video.

    Attributes:
        pts: time stamp in the video's time base.
        index: position among the decoded frames.
        time_s: seconds from the first frame.
        boxes: in pixels of the upright video, with square pixels.
    """

    pts: int
    index: int
    time_s: float
    boxes: Boxes


@runtime_checkable
class Detector(Protocol):
    """Finds objects in pictures.

    Attributes:
        name: how it was asked for, such as ``onnx:yolox_nano.onnx``.
        classes: the class names that `Boxes.class_id` points into.
        fingerprint: changes when the weights or the way they are used change.
        fit_wh: a size into which pictures may be reduced (aspect kept) before they are given,
            without loss to the model; None: they must be whole.
        in_order: True if it needs the frames of a video one after the other, in one thread,
            with a fresh ``open()`` for each shot.
        batch_size: how many pictures are best given at once.
    """

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    fit_wh: tuple[int, int] | None
    in_order: bool
    batch_size: int

    def open(self) -> Predict:
        """Load the model and return the function that finds boxes, scores from a low floor up."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """Gives class probabilities of pictures, or of windows of pictures.

    Attributes:
        name: how it was asked for, such as ``student:FOLDER``.
        classes: the class names of the columns.
        fingerprint: changes when the weights or the way they are used change.
        exclusive: True if the probabilities of a moment sum to 1.
        frames: pictures per window; 1 for models of single frames.
        step_s: seconds between the pictures of a window; 0 for models of single frames.
        fit_wh: a size into which pictures may be reduced (aspect kept) before they are given,
            without loss to the model; None: they must be whole.
        batch_size: how many windows are best given at once.
    """

    name: str
    classes: tuple[str, ...]
    fingerprint: str
    exclusive: bool
    frames: int
    step_s: float
    fit_wh: tuple[int, int] | None
    batch_size: int

    def open(self) -> Classify:
        """Load the model and return the function that classifies."""
        ...


@runtime_checkable
class Embedder(Protocol):
    """Describes a picture by a vector; near vectors mean alike pictures (cosine)."""

    name: str
    fingerprint: str
    fit_wh: tuple[int, int] | None
    dimensions: int

    def open(self) -> Embed:
        """Load the model and return the function that embeds pictures."""
        ...


@runtime_checkable
class Trainer(Protocol):
    """Trains a student on a data set folder and leaves a model folder that stands alone."""

    name: str
    fingerprint: str

    def fit(self, dataset_dir: Path, model_dir: Path, log: Callable[[float, str], None]) -> None:
        """Train, or resume an interrupted training; `log` takes the share done and a line."""
        ...
