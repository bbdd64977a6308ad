"""Adds what `flicker` mined to a COCO file, so that a detector can be trained on again.

Boxes that were kept become annotations, hard negatives stand in ``hard_negatives`` of their image;
both are cut at the picture's edges. Frames that hold nothing but hard negatives are added too. The
published write-back left those out, as well as boxes of up to 10 pixels, gave every box half the
picture's area, and kept no trace of the negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.data.states import State
from reelabel.errors import UsageError
from reelabel.formats.checked import Box
from reelabel.formats.coco_into import Added, CocoFile
from reelabel.formats.detections_txt import Block
from reelabel.temporal.published import MinedFrame


@dataclass(frozen=True)
class WriteBack:
    """A COCO file that mined frames are added to; see `reelabel.formats.coco_into`.

    Attributes:
        out: where to write; may be `source`.
        source: the file to begin with, None for an empty one.
        category: name of the detections' class; None takes that of the file if it has only one.
    """

    out: Path
    source: Path | None = None
    category: str | None = None


def asked(out: Path | None, source: Path | None, category: str | None) -> WriteBack | None:
    """Return what the command's flags ask for, None if they ask for nothing.

    Raises:
        UsageError: if a file to begin with or a class is named, but no file to write.
    """
    if out is not None:
        return WriteBack(out, source, category)
    if source is not None or category is not None:
        raise UsageError("--coco-in and --class are for --coco-out: name the file to write too")
    return None


class Writer:
    """Takes the mined frames one after the other, and adds them all at the end.

    Args:
        what: which file, and which class the boxes are of.

    Raises:
        FormatError: if the file is no COCO file.
        UsageError: if no class is named and the file does not have exactly one.
    """

    def __init__(self, what: WriteBack) -> None:
        self._out = what.out
        self._file = CocoFile.empty() if what.source is None else CocoFile.read(what.source)
        self._category = what.category or self._only_class()
        self._images: list[ImageEntry] = []
        self._boxes: list[BoxEntry] = []

    def _only_class(self) -> str:
        classes = self._file.classes
        if len(classes) != 1:
            raise UsageError(
                "expected the name of the class that the detections are of (--class), as the COCO "
                f"file does not have exactly one: {', '.join(classes[:20]) or 'it has none'}"
            )
        return classes[0]

    def take(self, image: ImageEntry, frame: MinedFrame, sure: Block) -> None:
        """Remember a mined frame.

        Args:
            image: its picture.
            frame: its boxes.
            sure: the detections that those boxes are, in the same order, for their scores.
        """
        self._images.append(image)
        for (*sides, flag), score in zip(frame.boxes, sure[:, 4].tolist(), strict=True):
            xywh = _inside(sides, image)
            if xywh is not None:
                at = len(self._images) - 1
                state: State = "positive" if flag else "negative"
                self._boxes.append(BoxEntry(at, self._category, xywh, score, state, "teacher"))

    def finish(self) -> Added:
        """Add what was taken to the file, write it, and return what was added."""
        dataset = Dataset((self._category,), tuple(self._images), tuple(self._boxes))
        added = self._file.add(dataset)
        self._file.write(self._out)
        return added


def _inside(xywh: list[float], image: ImageEntry) -> Box | None:
    """Return the part of a box that lies in the picture, None if nothing does."""
    x, y, w, h = xywh
    left, top = max(x, 0.0), max(y, 0.0)
    right, bottom = min(x + w, image.width), min(y + h, image.height)
    if right <= left or bottom <= top:
        return None
    # As many digits as the text has; more would be noise of the subtraction.
    return round(left, 6), round(top, 6), round(right - left, 6), round(bottom - top, 6)
