"""``fake:``: an embedder for trying things out: the mean colour of each quarter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.config import Settings
from reelabel.models.base import Embed, Image
from reelabel.models.embedders.unit import unit_rows
from reelabel.models.spec import Request, fingerprint


@dataclass(frozen=True)
class FakeEmbedder:
    """Twelve numbers: red, green and blue of the four quarters."""

    name: str = "fake:"
    fit_wh: tuple[int, int] | None = None
    dimensions: int = 12

    @property
    def fingerprint(self) -> str:
        """Always the same."""
        return fingerprint("fake-embedder")

    def open(self) -> Embed:
        """Return the function that embeds pictures."""

        def embed(pictures: Sequence[Image]) -> NDArray[np.float32]:
            quarters = [cv2.resize(p, (2, 2), interpolation=cv2.INTER_AREA) for p in pictures]
            return unit_rows(np.array(quarters, np.float32).reshape(-1, 12) + 1)

        return embed


def load(request: Request) -> FakeEmbedder:
    """Return the embedder; whatever follows the colon is only a name."""
    request.settings(Settings)
    return FakeEmbedder(name=request.spec)
