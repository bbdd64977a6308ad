"""The neutral type between formats: pictures and their boxes, without a file format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelabel.data.boxes import Bools, Boxes, Ints, clip
from reelabel.short_names import spelled_as

DIGITS = 3
"""Decimals of a pixel that files hold: float32 has them in pictures up to 8192 pixels wide."""

_AT_ONCE = 1000
"""Pictures whose boxes are clipped at once."""


@dataclass(frozen=True)
class ImageEntry:
    """One picture, or one frame of a video.

    Attributes:
        file_name: relative path of the picture; may be empty if `video` is given.
        width, height: in pixels; 0 if unknown.
        video: name of the video that it is a frame of, empty if it is a picture.
        frame_index: position among the decoded frames; None if unknown.
        pts: time stamp in the video's time base; None if unknown.
        pts_time: seconds from the first frame; None if unknown.
        time_base: seconds per tick of `pts`; None if it is that of the video.
        complete: classes that are fully annotated in it, as positions in `Dataset.classes`; None
            means all.
        split: train, val or test; empty if unknown.
        left_out: boxes that were not taken, because nothing of them lies in the picture or a side
            rounds to 0: class and corners of each, in words.
        without_box: classes of objects that are drawn in it as a shape that has no box, such as a
            single point, as positions in `Dataset.classes`; none of them is background in it.
        extra: further values of a file, kept for writing it again.
    """

    file_name: str
    width: int = 0
    height: int = 0
    video: str = ""
    frame_index: int | None = None
    pts: int | None = None
    pts_time: float | None = None
    complete: tuple[int, ...] | None = None
    split: str = ""
    left_out: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)
    time_base: Fraction | None = None
    without_box: tuple[int, ...] = ()

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels; 0 where unknown."""
        return self.width, self.height

    def __str__(self) -> str:
        """Return the name of the picture, or of the video and its frame, for messages."""
        if not self.video:
            return self.file_name
        if self.frame_index is not None:
            return f"{self.video} frame {self.frame_index}"
        if self.pts is not None:
            return f"{self.video} pts {self.pts}"
        return self.video if self.pts_time is None else f"{self.video} at {self.pts_time:g} s"


@dataclass(frozen=True)
class Dataset:
    """Pictures with their boxes; pictures without boxes are background and count.

    Attributes:
        classes: class names; `Boxes.class_id` and `ImageEntry.complete` are positions in them.
        images: the pictures.
        boxes: those of each picture, in its pixels and in the order of `images`; a box without
            a score has NaN. Left out, no picture has any.
        not_read: what a reader left out besides boxes, such as label files without a picture; a
            sentence each.

    Raises:
        ValueError: if the lengths differ, or a class id is outside the classes.
    """

    classes: tuple[str, ...]
    images: tuple[ImageEntry, ...]
    boxes: tuple[Boxes, ...] = ()
    not_read: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.boxes:
            object.__setattr__(self, "boxes", (Boxes.empty(),) * len(self.images))
        if len(self.boxes) != len(self.images):
            raise ValueError(
                f"expected boxes for {len(self.images)} images, but got {len(self.boxes)}"
            )
        for image, boxes in zip(self.images, self.boxes, strict=True):
            used = [*boxes.class_id.tolist(), *(image.complete or ()), *image.without_box]
            if used and not 0 <= min(used) <= max(used) < len(self.classes):
                raise ValueError(
                    f"{image}: expected class ids below {len(self.classes)}, but got "
                    f"{min(used)} to {max(used)}"
                )

    @property
    def box_count(self) -> int:
        """The number of boxes of all states."""
        return sum(map(len, self.boxes))

    @property
    def left_out(self) -> list[str]:
        """The boxes that were not taken: picture, class and corners of each, in words."""
        return [f"{image}, {box}" for image in self.images for box in image.left_out]

    @property
    def used_classes(self) -> tuple[str, ...]:
        """The classes of which an object is drawn, in the order of `classes`."""
        used = {class_id for boxes in self.boxes for class_id in boxes.class_id.tolist()}
        used |= {class_id for image in self.images for class_id in image.without_box}
        return tuple(name for i, name in enumerate(self.classes) if i in used)

    def subset(self, positions: Iterable[int]) -> Dataset:
        """Return some of the pictures with their boxes, in the order given."""
        at = list(positions)
        images, boxes = tuple(self.images[i] for i in at), tuple(self.boxes[i] for i in at)
        return Dataset(self.classes, images, boxes, self.not_read)

    def clipped(self) -> Dataset:
        """Return the data set with all boxes clipped to their pictures.

        Those of which nothing is left, or a side rounds to 0, are named in `left_out`.
        """
        images, boxes = list(self.images), list(self.boxes)
        for low in range(0, len(images), _AT_ONCE):
            part = slice(low, low + _AT_ONCE)
            images[part], boxes[part] = _clipped(images[part], boxes[part], self.classes)
        return Dataset(self.classes, tuple(images), tuple(boxes), self.not_read)

    def in_classes(
        self, classes: Sequence[str], renamed: Mapping[str, str] | None = None
    ) -> Dataset:
        """Return the data set with other classes; boxes of classes that are not in them go.

        Names that look alike are the same; see `reelabel.short_names.spelled_as`.

        Args:
            classes: the new class names.
            renamed: new names of present classes; those that are not in it keep theirs.
        """
        known = {name: i for i, name in enumerate(classes)}
        new = renamed or {}
        names = (new.get(name, name) for name in spelled_as(self.classes, [*new, *classes]))
        new_id = np.array([known.get(name, -1) for name in names], np.int64)
        images = tuple(_image_renumbered(image, new_id) for image in self.images)
        boxes = self.boxes
        if (new_id != np.arange(len(new_id))).any():
            boxes = tuple(_renumbered(each, new_id[each.class_id]) for each in boxes)
        return Dataset(tuple(classes), images, boxes, self.not_read)

    @classmethod
    def joined(cls, parts: Iterable[Dataset]) -> Dataset:
        """Return several data sets as one, classes in the order in which they first come."""
        parts = list(parts)
        classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
        parts = [part.in_classes(classes) for part in parts]
        return cls(
            classes,
            tuple(image for part in parts for image in part.images),
            tuple(boxes for part in parts for boxes in part.boxes),
            tuple(dict.fromkeys(sentence for part in parts for sentence in part.not_read)),
        )


def _clipped(
    images: list[ImageEntry], boxes: list[Boxes], classes: Sequence[str]
) -> tuple[list[ImageEntry], list[Boxes]]:
    """Return some pictures with their boxes clipped; see `Dataset.clipped`."""
    sizes_wh = np.array([image.size_wh for image in images], np.float64).reshape(-1, 2)
    ends = np.cumsum([0, *map(len, boxes)]).tolist()
    xyxy = np.concatenate([some.xyxy for some in boxes])
    sizes_wh = np.repeat(sizes_wh, np.diff(ends), axis=0)
    inside, kept = clip(xyxy, _edges(sizes_wh)), fitted(xyxy, sizes_wh)[1]
    changed = ~kept | (inside.view(np.uint32) != xyxy.view(np.uint32)).any(axis=1)
    # Most pictures have no box at an edge.
    for at in np.unique(np.searchsorted(ends, np.flatnonzero(changed), "right") - 1).tolist():
        rows = slice(ends[at], ends[at + 1])
        gone = np.flatnonzero(~kept[rows]).tolist()
        left_out = (_words(boxes[at], i, classes) for i in gone)
        images[at] = replace(images[at], left_out=(*images[at].left_out, *left_out))
        boxes[at] = replace(boxes[at], xyxy=inside[rows])[kept[rows]]
    return images, boxes


def _words(boxes: Boxes, at: int, classes: Sequence[str]) -> str:
    corners = ", ".join(f"{value:g}" for value in boxes.xyxy[at].tolist())
    return f"{classes[boxes.class_id[at]]} at {corners}"


def fitted(
    xyxy: NDArray[Any], size_wh: tuple[int, int] | NDArray[np.float64]
) -> tuple[NDArray[np.float64], Bools]:
    """Return boxes rounded to `DIGITS` and clipped, and which of them have an area then.

    Args:
        xyxy: ``(n, 4)`` in pixels of the picture.
        size_wh: size of the picture, or ``(n, 2)`` those of each box's; where it is 0 it is
            unknown, and there is no edge.

    Returns:
        ``(n, 4)`` float64 and ``(n,)`` bool.
    """
    found = clip(np.round(xyxy.astype(np.float64), DIGITS), _edges(size_wh))
    return found, (found[:, 2] > found[:, 0]) & (found[:, 3] > found[:, 1])


def _edges(size_wh: tuple[int, int] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where pictures end; nowhere where their size is unknown."""
    size = np.asarray(size_wh, np.float64)
    return np.where(size == 0, math.inf, size)


def _image_renumbered(image: ImageEntry, new_id: Ints) -> ImageEntry:
    """Return an image with other class ids, without those that are negative."""
    if image.complete is None and not image.without_box:
        return image
    complete = image.complete
    return replace(
        image,
        complete=None if complete is None else _known(new_id[np.array(complete, np.int64)]),
        without_box=_known(new_id[np.array(image.without_box, np.int64)]),
    )


def _renumbered(boxes: Boxes, class_id: Ints) -> Boxes:
    """Return the boxes with other class ids, without those whose id is negative."""
    return replace(boxes, class_id=class_id)[class_id >= 0]


def _known(ids: Ints) -> tuple[int, ...]:
    """Return the ids that are classes, each once, in order."""
    return tuple(np.unique(ids[ids >= 0]).tolist())
