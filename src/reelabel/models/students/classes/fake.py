"""A student without a network: it remembers the colours of the pictures of each class.

With it the whole loop runs in seconds and without torch. What it answers depends on its labels, so
better labels make it better, and wrong ones worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Floats
from reelabel.models.base import Classify, Image, Window
from reelabel.models.students.classes.card import ClassCard
from reelabel.models.students.classes.family import ClassOnePassFamily

_SPAN = 24.0  # a colour this far from the remembered one, of 255, is clearly another


class FakeFamily(ClassOnePassFamily):
    """Remembers the mean colours of the four quarters of the first and the last picture."""

    name = "fake"
    purpose = "remembers colours, for tests and the tutorial"

    def learn(
        self, examples: Iterable[tuple[Window, Floats]], classes: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return the mean colours of the examples that are of each class, and that are not."""
        rows, targets = [], []
        for window, target in examples:
            rows.append(_colours(window))
            targets.append(target)
        colours, target = np.array(rows), np.array(targets)
        return {
            "right": [_mean(colours[target[:, i] == 1]) for i in range(len(classes))],
            "wrong": [_mean(colours[target[:, i] == 0]) for i in range(len(classes))],
        }

    def open(self, model_dir: Path, card: ClassCard) -> Classify:
        """Return the function that compares colours; all it needs is in the card."""
        del model_dir

        def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
            colours = np.array([_colours(window) for window in windows]).reshape(-1, 24)
            right, wrong = (_distance(colours, card.arch[name]) for name in ("right", "wrong"))
            found = _softmax(-right) if card.exclusive else 1 / (1 + np.exp(right - wrong))
            return found.astype(np.float32)

        return classify


def _colours(window: Window) -> NDArray[np.float64]:
    """Return 24 numbers: red, green, blue of four quarters of the first and the last picture."""
    return np.concatenate([_quarters(window[0]), _quarters(window[-1])])


def _quarters(image: Image) -> NDArray[np.float64]:
    small = cv2.resize(image, (2, 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float64).ravel()


def _mean(rows: NDArray[np.float64]) -> list[float] | None:
    return [round(float(v), 3) for v in rows.mean(axis=0)] if len(rows) else None


def _distance(colours: NDArray[np.float64], means: list[list[float] | None]) -> NDArray[np.float64]:
    """Return how far rows ``(n, 24)`` are from each mean, in spans: ``(n, k)``."""
    far = np.full(24, 1e3)
    known = np.array([far if mean is None else mean for mean in means])
    return np.asarray(np.abs(colours[:, None] - known[None]).mean(axis=2) / _SPAN)


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


FAMILY = FakeFamily()
