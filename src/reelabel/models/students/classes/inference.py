"""Classification with a trained student: windows in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reelabel.errors import ModelError
from reelabel.models.base import Image, Window
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.inputs import Preprocessing, middle, reduced, window_of
from reelabel.models.students.classes.networks.base import ClassNetwork
from reelabel.models.students.settings import Device


class ClassPredictor:
    """The function that classifies; each has its own copy of the network.

    A student of single pictures that is given windows returns the mean over their pictures.

    Args:
        network: in eval mode.
        card: how pictures become inputs.
        device: where the network is.
        any_length: do not fill up windows that have fewer pictures than the card names.
    """

    def __init__(
        self, network: ClassNetwork, card: ClassCard, device: Device, *, any_length: bool
    ) -> None:
        self._network, self._card, self._device = network, card, device
        self._any_length = any_length

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Return probabilities ``(n, classes)`` float32 of each window of pictures ``(h, w, 3)``.

        Raises:
            ModelError: if the network returns something that is no number.
        """
        if not windows:
            return np.zeros((0, len(self._card.classes)), np.float32)
        if self._card.frames > 1:
            return self._classified([self._cut(window) for window in windows])
        lengths = [len(window) for window in windows]
        single = self._classified([[image] for window in windows for image in window])
        starts = np.cumsum([0, *lengths[:-1]])
        sums = np.add.reduceat(single, starts, axis=0)
        mean = sums / np.array(lengths, np.float32)[:, None]
        return mean.astype(np.float32, copy=False)

    def _cut(self, window: Window) -> list[Image]:
        frames = self._card.frames
        return window_of(window, min(frames, len(window)) if self._any_length else frames)

    def _classified(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        size = self._card.batch_size
        parts = [windows[i : i + size] for i in range(0, len(windows), size)]
        return np.concatenate([self._batch(part) for part in parts])

    def _batch(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        ready = [
            np.stack([model_input(each, self._card.preprocessing) for each in window])
            for window in windows
        ]
        pictures, lengths = stacked(ready)
        with torch.inference_mode():
            logits = self._network(pictures.to(self._device), lengths.to(self._device))
            found: NDArray[np.float32] = probabilities(logits, self._card.exclusive).cpu().numpy()
        if not np.isfinite(found).all():
            raise ModelError(
                "expected probabilities from the student, but got values that are no numbers: "
                "train again with a lower lr or precision 32"
            )
        return found


def model_input(image: Image, how: Preprocessing) -> Image:
    """Return a picture ``(h, w, 3)`` as the network's input ``(size, size, 3)``."""
    return middle(reduced(image, how), how)


def stacked(windows: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Return windows ``(t, size, size, 3)`` as one batch, and how many pictures each has.

    Returns:
        ``(b, t, size, size, 3)`` uint8, shorter windows filled up with their last picture, and
        ``(b,)`` int64.
    """
    lengths = [len(window) for window in windows]
    longest = max(lengths)
    filled = [np.stack(window_of(list(window), longest)) for window in windows]
    return torch.from_numpy(np.stack(filled)), torch.tensor(lengths)


def probabilities(logits: Tensor, exclusive: bool) -> Tensor:
    """Return the probabilities ``(n, k)`` float32 of outputs ``(n, k)``."""
    return logits.float().softmax(1) if exclusive else logits.float().sigmoid()
