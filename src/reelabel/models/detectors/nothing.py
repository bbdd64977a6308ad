"""``none``: no detector. The first round is labelled by people alone.

It finds nothing in any frame, and no frame is decoded for it. Frames in which nobody drew are then
unlabelled, not background.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelabel.config import NoSettings
from reelabel.errors import ModelError
from reelabel.models.base import FrameDetections, Predict
from reelabel.models.spec import Request, fingerprint
from reelabel.short_names import NO_DETECTOR


@dataclass(frozen=True)
class NoDetector:
    """The place of a teacher where there is none; see `reelabel.models.base.Detector`."""

    classes: tuple[str, ...] = ()
    name: str = NO_DETECTOR
    fit_wh: tuple[int, int] | None = None
    in_order: bool = True
    batch_size: int = 1

    @property
    def fingerprint(self) -> str:
        """Changes with the classes."""
        return fingerprint(NO_DETECTOR, self.classes)

    def open(self) -> Predict:
        """Refuse: there is no model.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"the detector '{NO_DETECTOR}' finds nothing: train a student first (reelabel import "
            "FILE --as labels, then reelabel run), or name another model"
        )

    def replay(self, video: Path, video_id: str) -> list[FrameDetections]:
        """Return no frame of a video: none is processed."""
        del video, video_id
        return []


def load(request: Request) -> NoDetector:
    """Return the detector.

    Raises:
        UsageError: for any option.
    """
    request.settings(NoSettings)
    return NoDetector(request.wanted)
