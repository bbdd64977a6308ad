"""Batches for training: pictures, or their features, with targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from reelabel.data.boxes import Floats
from reelabel.models.students.classes.inference import stacked
from reelabel.models.students.classes.inputs import Preprocessing, middle, window_of
from reelabel.training.augmentation import augment_image
from reelabel.training.classes.augmentation import flip_share, positions, sample
from reelabel.training.classes.pictures import PictureCache
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.classes.training_set import Examples
from reelabel.training.schedule import BatchItem

Clip = NDArray[np.uint8]
"""``(t, size, size, 3)`` RGB: the input that a window becomes."""


class ClassBatch(NamedTuple):
    """One batch.

    Attributes:
        inputs: ``(b, t, size, size, 3)`` uint8 RGB, or features ``(b, t', ...)`` float32.
        lengths: ``(b,)`` int64, pictures of each window; what follows repeats the last.
        target: ``(b, k)`` float32: 1 right, 0 wrong, NaN unknown.
        weight: ``(b,)`` float32.
    """

    inputs: Tensor
    lengths: Tensor
    target: Tensor
    weight: Tensor

    def to(self, device: torch.device) -> ClassBatch:
        """Return the same on another device."""
        return ClassBatch(*(each.to(device, non_blocking=True) for each in self))


class Inputs:
    """Makes inputs of the examples of one split.

    Args:
        data: the examples.
        cache: their pictures.
        how: the input.
        frames: pictures per input.
        any_length: shorter windows stay so; else the last picture is repeated.
    """

    def __init__(
        self,
        data: Examples,
        cache: PictureCache,
        how: Preprocessing,
        *,
        frames: int,
        any_length: bool,
    ) -> None:
        self.data, self._cache, self._how = data, cache, how
        self._frames, self._any_length = frames, any_length

    def plain(self, number: int, *, mirrored: bool = False) -> Clip:
        """Return the input of an example as prediction makes it, or its mirror image."""
        images = self._cache.window(window_of(self.data.pictures[number], self._length(number)))
        clip = np.stack([middle(image, self._how) for image in images])
        return np.ascontiguousarray(clip[:, :, ::-1]) if mirrored else clip

    def augmented(
        self, number: int, rng: np.random.Generator, settings: ClassTrainSettings, flip: float
    ) -> Clip:
        """Return the input of an example with random changes, the same for all its pictures."""
        files = self.data.pictures[number]
        chosen = [files[i] for i in positions(rng, len(files), self._frames, settings.time_jitter)]
        images = self._cache.window(window_of(chosen, self._length(number)))
        size_wh = (images[0].shape[1], images[0].shape[0])
        change = sample(rng, settings, self._how, size_wh=size_wh, flip=flip)
        side = (self._how.size, self._how.size)
        return np.stack([augment_image(image, change, side) for image in images])

    def _length(self, number: int) -> int:
        given = len(self.data.pictures[number])
        return min(given, self._frames) if self._any_length else self._frames


class ClassBatches(Dataset[ClassBatch]):
    """Makes a whole batch of augmented pictures from the items of a step."""

    def __init__(self, inputs: Inputs, settings: ClassTrainSettings, weight: Floats) -> None:
        self._inputs, self._settings, self._weight = inputs, settings, weight
        self._flip = flip_share(settings, inputs.data.classes)

    def __getitem__(self, items: list[BatchItem]) -> ClassBatch:
        clips = [
            self._inputs.augmented(
                each.example,
                np.random.default_rng((self._settings.seed, 2, each.step, each.slot)),
                self._settings,
                self._flip,
            )
            for each in items
        ]
        return labelled(stacked(clips), self._inputs.data, self._weight, items)


def labelled(
    inputs: tuple[Tensor, Tensor], data: Examples, weight: Floats, items: list[BatchItem]
) -> ClassBatch:
    """Return inputs ``(b, ...)`` and their lengths ``(b,)`` with targets and weights ``(n,)``."""
    rows = [each.example for each in items]
    target, weights = torch.from_numpy(data.target[rows]), torch.from_numpy(weight[rows])
    return ClassBatch(*inputs, target, weights)
