"""The small interfaces behind which every model stands.

A *description* (`Detector`, `Embedder`) is cheap, says what the model is and can be asked for
its fingerprint. `open()` loads it and returns the function that does the work; every worker
thread opens its own, so that nothing is shared between threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


@runtime_checkable
class Detector(Protocol):
    """Finds objects in pictures.

    Attributes:
        name: how it was asked for, such as ``onnx:yolox_nano.onnx``.
        classes: the class names that `Boxes.class_id` points into.
        fingerprint: changes when the weights or the way they are used change.
        fit_wh: a size into which pictures may be reduced (aspect kept) before they are given,
            without loss to the model; None wants them whole.
        in_order: True if it must see the frames of a video one after the other, in one thread,
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
        """Train, or go on where a killed run stopped; `log` takes the share done and a line."""
        ...
