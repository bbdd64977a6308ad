"""``fake:``: a detector without weights for trying things out: it boxes whatever is bright."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from pydantic import Field

from reelabel.config import Settings
from reelabel.data.boxes import Boxes
from reelabel.models.base import Image, Predict
from reelabel.models.spec import Request, fingerprint


class FakeOptions(Settings):
    """Options of ``fake:``."""

    threshold: int = Field(default=200, ge=1, le=255)
    """A pixel is bright if its brightest channel is at least this."""
    min_px: int = Field(default=9, ge=1)
    """Smaller blobs are left out."""


@dataclass(frozen=True)
class FakeDetector:
    """Boxes around bright blobs; the score is the blob's mean brightness.

    With several classes, a blob belongs to the one that its strongest colour channel counts to:
    red the first, green the second, blue the third, and round again.
    """

    classes: tuple[str, ...] = ("blob",)
    options: FakeOptions = field(default_factory=FakeOptions)
    name: str = "fake:"
    fit_wh: tuple[int, int] | None = None
    in_order: bool = False
    batch_size: int = 4

    @property
    def fingerprint(self) -> str:
        """Changes with the options and the classes."""
        return fingerprint("fake", self.options, self.classes)

    def open(self) -> Predict:
        """Return the function that boxes bright blobs."""

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            return [self._one(picture) for picture in pictures]

        return predict

    def _one(self, picture: Image) -> Boxes:
        bright = np.where(picture.max(axis=2) >= self.options.threshold, 255, 0).astype(np.uint8)
        n, labelled, stats, _ = cv2.connectedComponentsWithStats(bright)
        blobs = [i for i in range(1, n) if stats[i, cv2.CC_STAT_AREA] >= self.options.min_px]
        colours = np.array([picture[labelled == i].mean(axis=0) for i in blobs]).reshape(-1, 3)
        left_top = stats[blobs, :2].astype(np.float32).reshape(-1, 2)
        size = stats[blobs, 2:4].astype(np.float32).reshape(-1, 2)
        return Boxes(
            np.concatenate([left_top, left_top + size], axis=1),
            colours.max(axis=1, initial=0).astype(np.float32) / 255,
            colours.argmax(axis=1) % len(self.classes),
        )


def load(request: Request) -> FakeDetector:
    """Return the detector; whatever follows the colon is only a name."""
    return FakeDetector(
        classes=request.prompts or ("blob",),
        options=request.settings(FakeOptions),
        name=request.spec,
    )
