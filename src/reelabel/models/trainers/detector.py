"""What a finished student does when it is opened as a detector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image, Predict
from reelabel.models.trainers.augment import canvas_wh, fitted_wh, padded, reduce
from reelabel.models.trainers.fast import NETWORK, FastYolox
from reelabel.models.trainers.folder import ModelCard
from reelabel.models.trainers.students import Found, Student, detect, load_student


def open_student(model_dir: Path, card: ModelCard) -> Predict:
    """Load the weights, on the GPU if there is one, and return the function that finds.

    Each call loads its own copy. On the CPU torch is set to one thread: more of them wait for each
    other as soon as anything else runs.

    Raises:
        ModelError: if the weights are missing or do not fit.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    network = model_dir / NETWORK
    if device.type == "cpu" and network.is_file():
        return _Finder(FastYolox(network).eval(), card, device)
    return _Finder(load_student(model_dir, card).to(device), card, device)


class _Finder:
    """The function that `open_student` returns."""

    def __init__(self, student: nn.Module, card: ModelCard, device: torch.device) -> None:
        self._student = cast("Student", student)
        self._card, self._device = card, device

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """Return what is found in each picture, in its own pixels."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, image in enumerate(images):
            groups[self._canvas(image)].append(i)
        found: dict[int, Boxes] = {}
        for size_wh, numbers in groups.items():
            for start in range(0, len(numbers), self._card.batch_size):
                part = numbers[start : start + self._card.batch_size]
                found.update(
                    zip(part, self._batch([images[i] for i in part], size_wh), strict=True)
                )
        return [found[i] for i in range(len(images))]

    def _canvas(self, image: Image) -> tuple[int, int]:
        fitted = fitted_wh((image.shape[1], image.shape[0]), self._card.image_size)
        return canvas_wh(fitted, self._card.stride)

    def _batch(self, images: Sequence[Image], size_wh: tuple[int, int]) -> list[Boxes]:
        ready = [padded(reduce(each, self._card.image_size), size_wh) for each in images]
        batch = as_input(ready).to(self._device)
        found = detect(self._student, batch, self._card)
        return [
            back(each, (image.shape[1], image.shape[0]), self._card.image_size)
            for each, image in zip(found, images, strict=True)
        ]


def as_input(images: Sequence[Image]) -> Tensor:
    """Return pictures of one size as ``(b, 3, h, w)`` float32, 0..255."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()


def back(found: Found, size_wh: tuple[int, int], image_size: int) -> Boxes:
    """Return boxes in the pixels of the picture that had this size before it was reduced."""
    fitted = fitted_wh(size_wh, image_size)
    boxes, scores, labels = (each.cpu().numpy() for each in found)
    said = Boxes(boxes, scores, cast("Any", labels))
    return said.scaled((size_wh[0] / fitted[0], size_wh[1] / fitted[1])).clipped(size_wh)
