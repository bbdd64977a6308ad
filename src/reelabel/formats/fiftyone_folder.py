"""Folders in the layout of FiftyOne's `FiftyOneImageClassificationDataset`, one for each split.

    train/data/3f2a_0.jpg ...
    train/labels.json    {"classes": ["indoor", "outdoor"], "labels": {"3f2a_0": 0}}

Where several classes may be right, a picture has a list of them. The format is documented at
https://docs.voxel51.com under "FiftyOneImageClassificationDataset".
"""

from __future__ import annotations

import json
from pathlib import Path

from reelabel.data.class_dataset import ClassDataset
from reelabel.files import new_folder, write_text
from reelabel.formats.class_export import (
    Parts,
    PicturePath,
    class_names,
    copy_flat,
    moment_names,
    only_class,
    positive_classes,
    write_left_out,
)


def write_fiftyone(folder: Path, parts: Parts, picture_path: PicturePath) -> None:
    """Write a folder for each split with copies of the pictures; of windows every picture.

    Moments of which nothing is known are listed in ``left_out.csv``; a class that is only known to
    be wrong counts as one that is not right.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        parts: the data set of each split.
        picture_path: where the file of a picture lies.

    Raises:
        UsageError: if one of exclusive classes is not alone, or the folder holds something.
        FormatError: for an unknown split, or a picture that is missing or of an unusual kind.
        WorkspaceError: if the file system refuses.
    """
    classes = class_names(parts)
    new_folder(folder)
    names = moment_names(parts)
    left_out: list[tuple[str, int, str]] = []
    for split, data in parts.items():
        labels: dict[str, int | list[int]] = {}
        (folder / split / "data").mkdir(parents=True)
        for number, pictures in enumerate(data.pictures):
            target = _target(data, number)
            if target is None:
                left_out.append((split, number, "its classes are not known"))
                continue
            place = folder / split / "data"
            copied = copy_flat(place, names[split][number], pictures, picture_path)
            labels |= {Path(name).stem: target for name in copied}
        content = {"classes": list(classes), "labels": labels}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_text(folder / split / "labels.json", text, atomic=False)
    write_left_out(folder, parts, left_out)


def _target(data: ClassDataset, number: int) -> int | list[int] | None:
    """Return what the file holds for a moment, None if nothing is known of it."""
    if data.exclusive:
        return only_class(data, number)
    known = (data.target[number] >= 0).any()
    return positive_classes(data, number) if known else None
