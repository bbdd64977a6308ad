"""A class-mapping wrapper of a detector: classes renamed, joined or left out.

A project's "ball" is COCO's "sports ball", and a network detects the same ball as "frisbee" in
every third frame. Joining the two before suppression gives one track instead of two halves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from reelabel.data.boxes import Boxes
from reelabel.errors import ModelError, first_of, nearest
from reelabel.models.base import Detector, Image, Predict
from reelabel.models.detectors.suppress import suppressed
from reelabel.models.detectors.wrapped import WrappedDetector
from reelabel.models.spec import fingerprint
from reelabel.short_names import spelled_as

_JOIN_IOU = 0.65


@dataclass(frozen=True)
class MappedDetector(WrappedDetector):
    """A detector restricted to the wanted classes; see `wanted_only`.

    Attributes:
        inner: the detector that does the work.
        classes: the wanted names.
        sources: for each class of `inner`, an index into `classes`, or -1 to leave it out.
    """

    classes: tuple[str, ...]
    sources: tuple[int, ...]

    @property
    def fingerprint(self) -> str:
        """Changes with the detector, the names or what they stand for."""
        return fingerprint("mapped", self.inner.fingerprint, self.classes, self.sources, _JOIN_IOU)

    def open(self) -> Predict:
        """Open the detector and return its function with the names exchanged."""
        inner = self.inner.open()
        sources = np.array(self.sources, np.int64)
        joined = len(set(self.sources) - {-1}) < sum(source >= 0 for source in self.sources)

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            return [_renamed(found, sources, joined=joined) for found in inner(pictures)]

        return predict


def _renamed(found: Boxes, sources: np.typing.NDArray[np.int64], *, joined: bool) -> Boxes:
    class_id = sources[found.class_id]
    kept = Boxes(found.xyxy, found.score, class_id)[class_id >= 0]
    return suppressed(kept, _JOIN_IOU) if joined else kept


def wanted_only(
    detector: Detector, wanted: Sequence[str], mapping: Mapping[str, str] | None = None
) -> Detector:
    """Return a detector whose classes are the wanted ones, in the order given.

    A wanted name stands for the model's class of that name and for every class that the mapping
    leads to it. Names that look alike are the same (`reelabel.short_names.spelled_as`). Boxes of
    classes that are joined go through suppression once more (IoU 0.65).

    Args:
        detector: the model.
        wanted: names that labels shall have.
        mapping: the model's name -> wanted name, several to one allowed. Names that the model
            does not have are passed over where it has the wanted name itself, so that one
            mapping serves the teacher and the students alike.

    Raises:
        ModelError: for a name that the model does not know, with the nearest that it does.
    """
    mapping = {source: name for source, name in (mapping or {}).items() if name in wanted}
    names = spelled_as(detector.classes, [*mapping, *wanted])
    known = set(names)
    for source, name in mapping.items():
        if source not in known and name not in known:
            raise _unknown(detector, source)
    for name in wanted:
        if name not in known and name not in mapping.values():
            raise _unknown(detector, name)
    positions = {name: i for i, name in enumerate(wanted)}
    sources = tuple(positions.get(mapping.get(name, name), -1) for name in names)
    if tuple(wanted) == detector.classes and sources == tuple(range(len(sources))):
        return detector
    # `Detector` declares variables, which read-only ones satisfy in all but the type checker.
    return cast("Detector", MappedDetector(detector, tuple(wanted), sources))


def _unknown(detector: Detector, name: str) -> ModelError:
    return ModelError(
        f"{detector.name} has no class '{name}'{nearest(name, detector.classes)}: "
        f"name one of its classes, or map some of them to '{name}'; it has "
        f"{first_of(detector.classes)}"
    )
