"""A detector that changes what another one is given or finds."""

from __future__ import annotations

from dataclasses import dataclass

from reelabel.models.base import Detector


@dataclass(frozen=True)
class WrappedDetector:
    """Base of such detectors: it has the name of the other and takes pictures as that does.

    Attributes:
        inner: the detector that does the work.
    """

    inner: Detector

    @property
    def name(self) -> str:
        """How the detector was asked for."""
        return self.inner.name

    @property
    def fit_wh(self) -> tuple[int, int] | None:
        """The size that pictures may be reduced to."""
        return self.inner.fit_wh

    @property
    def in_order(self) -> bool:
        """Whether frames must come one after the other."""
        return self.inner.in_order

    @property
    def batch_size(self) -> int:
        """How many pictures are best given at once."""
        return self.inner.batch_size
