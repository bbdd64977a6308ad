"""Copies the pictures of a data set into an export, each under a name of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.files import copy_file, safe_join
from reelabel.formats.entries import Entry, to_entries
from reelabel.formats.pictures import picture_suffix, size_wh, unique_stems

SPLITS = ("train", "val", "test")
"""Sides of a data set; a picture of no split goes to the first one where each has its own place."""

SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
"""The split that a folder or file is of, by its name in lower case."""

Pictures = Callable[[ImageEntry], Path]
"""Returns where the file of a picture is."""


def split_in(folder: PurePath) -> str:
    """Return the split that the first part of a relative folder names that names any."""
    names = (part.lower() for part in folder.parts)
    return next((SPLIT_NAMES[name] for name in names if name in SPLIT_NAMES), "")


@dataclass(frozen=True)
class CopiedPicture:
    """A picture in the export.

    Attributes:
        image: its entry in the data set.
        split: its side, `SPLITS[0]` if the data set names none.
        stem: its file's name without suffix, which no other picture of the export has.
        name: its path in the export.
        size_wh: in pixels.
        entries: its boxes.
    """

    image: ImageEntry
    split: str
    stem: str
    name: str
    size_wh: tuple[int, int]
    entries: list[Entry]


def copied_pictures(
    folder: Path, dataset: Dataset, pictures: Pictures, place: str
) -> Iterator[CopiedPicture]:
    """Copy each picture and yield it, in the order of the data set.

    Args:
        folder: of the export.
        dataset: what is exported.
        pictures: where the file of a picture is.
        place: folder in the export, such as ``images/{split}``.

    Raises:
        FormatError: for a picture that is missing or of an unusual kind, or a split that leads out
            of the folder.
        WorkspaceError: if it cannot be written.
    """
    stems = unique_stems(dataset.images)
    for image, boxes, stem in zip(dataset.images, dataset.boxes, stems, strict=True):
        source, split = pictures(image), image.split or SPLITS[0]
        name = f"{place.format(split=split)}/{stem}{picture_suffix(source)}"
        copy_file(source, safe_join(folder, name))
        picture_wh = size_wh(image, source)
        entries = to_entries(boxes, picture_wh)
        yield CopiedPicture(image, split, stem, name, picture_wh, entries)
