"""Detectors on mirror images: the second view that consistency is measured with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from reelabel.data.boxes import Boxes
from reelabel.models.base import Detector, Image, Predict
from reelabel.models.detectors.fused import FusedDetector
from reelabel.models.detectors.mapped import MappedDetector
from reelabel.models.detectors.recorded import RecordedDetector
from reelabel.models.detectors.wrapped import WrappedDetector
from reelabel.models.mirror import in_mirror, joined
from reelabel.models.spec import fingerprint
from reelabel.models.students.detector import StudentDetector

JOIN_IOU = 0.5
"""Boxes of the two views that overlap by this are of one object, as in students."""


@dataclass(frozen=True)
class _WithMirror(WrappedDetector):
    """Base of detectors that are shown mirror images.

    Attributes:
        inner: the detector that does the work.
        views: what it is shown, for the fingerprint.
    """

    views: ClassVar[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names."""
        return self.inner.classes

    @property
    def fingerprint(self) -> str:
        """Changes with the detector."""
        return fingerprint(self.views, self.inner.fingerprint)


@dataclass(frozen=True)
class MirroredDetector(_WithMirror):
    """A detector that is shown the mirror image; its boxes are mapped back."""

    views: ClassVar[str] = "mirrored"

    def open(self) -> Predict:
        """Open the detector and return its function on mirror images."""
        inner = self.inner.open()

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            return in_mirror(inner, pictures)

        return predict


@dataclass(frozen=True)
class TwoViewDetector(_WithMirror):
    """A detector that is shown each picture and its mirror image; the boxes of both are joined.

    It goes around the mapping of classes: one object may have different names in the two views.
    """

    views: ClassVar[str] = "two views"

    def open(self) -> Predict:
        """Open the detector and return its function on both views."""
        inner = self.inner.open()

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            views = zip(inner(pictures), in_mirror(inner, pictures), strict=True)
            return [joined(a, b, JOIN_IOU) for a, b in views]

        return predict


def single_view(detector: Detector) -> Detector:
    """Return the detector without test-time mirroring, which would make both views equal."""
    if isinstance(detector, StudentDetector):
        card = detector.card.model_copy(update={"flip_test": False})
        return StudentDetector(detector.model_dir, card)
    if isinstance(detector, TwoViewDetector):
        return detector.inner
    if isinstance(detector, FusedDetector):
        return detector.with_members({
            label: single_view(one) for label, one in detector.members.items()
        })
    if isinstance(detector, MappedDetector):
        return cast("Detector", replace(detector, inner=single_view(detector.inner)))
    return detector


def has_two_views(detector: Detector) -> bool:
    """Return whether consistency under mirroring is informative about a detector.

    A recording has no second view. One that compares frames, such as motion, finds the same in
    both without knowing the object.
    """
    inner = detector.inner if isinstance(detector, MappedDetector) else detector
    return not inner.in_order and not isinstance(inner, RecordedDetector)
