"""The neutral type between formats: pictures and boxes, nothing of where they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from reelabel.data.states import POSITIVE, State


@dataclass(frozen=True)
class ImageEntry:
    """One picture, or one frame of a video.

    Attributes:
        file_name: relative path of the picture; may be empty if `video` is given.
        width, height: in pixels; 0 if the format does not say.
        video: name of the video that it is a frame of, empty if it is a picture.
        frame_index: position among the decoded frames; None if the format does not say.
        pts: time stamp in the video's time base; None if the format does not say.
        pts_time: seconds from the first frame; None if the format does not say.
        complete: classes that are fully annotated in it; None means all.
        split: train, val or test; empty if the format does not say.
        extra: whatever else stood there, kept for the way back.
    """

    file_name: str
    width: int = 0
    height: int = 0
    video: str = ""
    frame_index: int | None = None
    pts: int | None = None
    pts_time: float | None = None
    complete: tuple[str, ...] | None = None
    split: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BoxEntry:
    """One box.

    Attributes:
        image: position of its picture in `Dataset.images`.
        category: class name.
        xywh: left, top, width, height in pixels.
        score: 0..1; None if nobody said how sure it is.
        state: positive: an object; ignore: a region that neither trains nor counts; negative: a
            box that is known to be background.
        origin: teacher, previous, tracker, truth or person; empty if unknown.
        extra: whatever else stood there, kept for the way back.
    """

    image: int
    category: str
    xywh: tuple[float, float, float, float]
    score: float | None = None
    state: State = POSITIVE
    origin: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Pictures with their boxes; pictures without boxes are background and count.

    Raises:
        ValueError: if a box points to no picture or names no class of the data set.
    """

    classes: tuple[str, ...]
    images: tuple[ImageEntry, ...]
    boxes: tuple[BoxEntry, ...] = ()

    def __post_init__(self) -> None:
        known = set(self.classes)
        for box in self.boxes:
            if not 0 <= box.image < len(self.images):
                raise ValueError(f"a box points to picture {box.image} of {len(self.images)}")
            if box.category not in known:
                raise ValueError(f"a box is of class '{box.category}', not one of {self.classes}")

    def boxes_by_image(self) -> list[list[BoxEntry]]:
        """Return the boxes of each picture, in their order."""
        found: list[list[BoxEntry]] = [[] for _ in self.images]
        for box in self.boxes:
            found[box.image].append(box)
        return found

    def subset(self, positions: Iterable[int]) -> Dataset:
        """Return some of the pictures with their boxes, renumbered in the order given."""
        new = {old: i for i, old in enumerate(positions)}
        images = tuple(self.images[old] for old in new)
        boxes = tuple(replace(box, image=new[box.image]) for box in self.boxes if box.image in new)
        return Dataset(self.classes, images, boxes)

    @classmethod
    def joined(cls, parts: Iterable[Dataset]) -> Dataset:
        """Return several data sets as one, classes in the order in which they first come."""
        parts = list(parts)
        firsts = accumulate((len(part.images) for part in parts), initial=0)
        boxes = (
            replace(box, image=first + box.image)
            for part, first in zip(parts, firsts, strict=False)
            for box in part.boxes
        )
        classes = dict.fromkeys(name for part in parts for name in part.classes)
        images = (image for part in parts for image in part.images)
        return cls(tuple(classes), tuple(images), tuple(boxes))
