"""Several classifiers that judge the same pictures, so that a video is decoded once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from reelabel.data.boxes import Floats
from reelabel.models.base import Classifier, Classify, Window
from reelabel.models.spec import fingerprint


@dataclass
class JointClassifier:
    """The columns of several classifiers side by side; see `base.Classifier` for the attributes.

    Attributes:
        parts: at least one; their pictures per window are those of the first.
    """

    parts: Sequence[Classifier]
    name: str = field(init=False)
    classes: tuple[str, ...] = field(init=False)
    fingerprint: str = field(init=False)
    exclusive: bool = field(init=False, default=False)
    frames: int = field(init=False)
    step_s: float = field(init=False)
    fit_wh: tuple[int, int] | None = field(init=False)
    batch_size: int = field(init=False)

    def __post_init__(self) -> None:
        parts = self.parts
        self.name = ", ".join(part.name for part in parts)
        self.classes = tuple(f"{i}: {name}" for i, p in enumerate(parts) for name in p.classes)
        self.fingerprint = fingerprint(*(part.fingerprint for part in parts))
        self.frames, self.step_s = parts[0].frames, parts[0].step_s
        sizes = [part.fit_wh for part in parts]
        known = [size for size in sizes if size is not None]
        whole = len(known) < len(sizes)
        self.fit_wh = None if whole else (max(w for w, _ in known), max(h for _, h in known))
        self.batch_size = min(part.batch_size for part in parts)

    def open(self) -> Classify:
        """Load all models and return the function that classifies with each."""
        opened = [part.open() for part in self.parts]

        def classify(windows: Sequence[Window]) -> Floats:
            return np.concatenate([one(windows) for one in opened], axis=1)

        return classify

    def columns(self) -> list[slice]:
        """Return the columns of each part."""
        ends = np.cumsum([0, *(len(part.classes) for part in self.parts)]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]
