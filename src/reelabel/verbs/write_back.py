"""Adds what `flicker` mined to a COCO file, so that a detector can be trained on again.

Boxes that were kept become annotations, hard negatives stand in ``hard_negatives`` of their image;
both are cut at the picture's edges. Frames that hold nothing but hard negatives are added too. The
published write-back left those out, as well as boxes of up to 10 pixels, gave every box half the
picture's area, and kept no trace of the negatives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelabel.data.boxes import Boxes, xywh_to_xyxy
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import NEGATIVE, POSITIVE, TEACHER
from reelabel.errors import UsageError
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


def asked_write_back(
    out: Path | str | None, source: Path | str | None, category: str | None
) -> WriteBack | None:
    """Return what is asked for, None if nothing is.

    Raises:
        UsageError: if a file to begin with or a class is named, but no file to write.
    """
    if out is not None:
        return WriteBack(Path(out), Path(source) if source is not None else None, category)
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
        self._boxes: list[Boxes] = []

    def _only_class(self) -> str:
        classes = self._file.classes
        if len(classes) != 1:
            raise UsageError(
                "expected the name of the class that the detections are of (--class), as the COCO "
                f"file does not have exactly one: {', '.join(classes[:20]) or 'it has none'}"
            )
        return classes[0]

    def take(self, image: ImageEntry, frame: MinedFrame, detected: Block) -> None:
        """Add a mined frame.

        Args:
            image: its picture.
            frame: its boxes.
            detected: the detections that those boxes are, in the same order, for their scores.
        """
        mined = np.array(frame.boxes, np.float32).reshape(-1, 5)
        n = len(mined)
        self._images.append(image)
        self._boxes.append(
            Boxes(
                xywh_to_xyxy(mined[:, :4]),
                detected[:, 4].astype(np.float32),
                np.zeros(n, np.int64),
                state=np.where(mined[:, 4] > 0, POSITIVE, NEGATIVE),
                origin=np.full(n, TEACHER),
            )
        )

    def finish(self) -> Added:
        """Add the frames to the file, write it, and return what was added."""
        dataset = Dataset((self._category,), tuple(self._images), tuple(self._boxes))
        added = self._file.add(dataset)
        self._file.write(self._out)
        return added
