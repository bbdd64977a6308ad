"""A data set folder as detectors' training code reads it: pictures, and a COCO file per split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.files import copy_file, safe_join
from reelabel.formats.coco import write_coco


def write_coco_folder(
    folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
) -> None:
    """Write ``images/`` and ``annotations/<split>.json``.

    Args:
        folder: an empty folder.
        dataset: pictures named by their split.
        pictures: where each picture's file is.

    Raises:
        FormatError: if a picture is missing or its name leaves the folder.
        WorkspaceError: if something cannot be written.
    """
    home = folder / "images"
    for image in dataset.images:
        copy_file(pictures(image), safe_join(home, image.file_name))
    for split in dict.fromkeys(image.split for image in dataset.images):
        at = [i for i, image in enumerate(dataset.images) if image.split == split]
        write_coco(folder / "annotations" / f"{split}.json", dataset.subset(at))
