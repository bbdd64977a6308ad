"""``fake:``: a classifier without weights for trying things out: by the strongest colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from reelabel.config import Settings
from reelabel.models.base import Classify, Window
from reelabel.models.spec import Request, fingerprint


class FakeOptions(Settings):
    """Options of ``fake:``."""

    frames: int = Field(1, ge=1)
    """Pictures per window."""
    step_s: float = Field(0.0, ge=0)
    """Seconds between the pictures of a window."""
    sharpness: float = Field(8.0, gt=0)
    """How fast probabilities follow a difference of colour."""


@dataclass(frozen=True)
class FakeClassifier:
    """Classes by mean colour: red is the first, green the second, blue the third, and round again.

    A class that shares its colour with others shares its probability too.
    """

    classes: tuple[str, ...] = ("red", "green", "blue")
    options: FakeOptions = field(default_factory=FakeOptions)
    name: str = "fake:"
    exclusive: bool = True
    fit_wh: tuple[int, int] | None = None
    batch_size: int = 4

    @property
    def frames(self) -> int:
        """Pictures per window."""
        return self.options.frames

    @property
    def step_s(self) -> float:
        """Seconds between the pictures of a window."""
        return self.options.step_s

    @property
    def fingerprint(self) -> str:
        """Changes with the options and the classes."""
        return fingerprint("fake-classifier", self.options, self.classes)

    def open(self) -> Classify:
        """Return the function that classifies by colour."""

        def classify(windows: Sequence[Window]) -> NDArray[np.float32]:
            rows = [self._one(window) for window in windows]
            return np.array(rows, np.float32).reshape(-1, len(self.classes))

        return classify

    def _one(self, window: Window) -> NDArray[np.float32]:
        colour = np.mean([picture.mean(axis=(0, 1)) for picture in window], axis=0) / 255
        channel = np.arange(len(self.classes)) % 3
        powers = np.exp(self.options.sharpness * (colour[channel] - colour.max()))
        found: NDArray[np.float32] = (powers / powers.sum()).astype(np.float32)
        return found


def load(request: Request) -> FakeClassifier:
    """Return the classifier; whatever follows the colon is only a name."""
    return FakeClassifier(
        classes=request.prompts or ("red", "green", "blue"),
        options=request.settings(FakeOptions),
        name=request.spec,
    )
