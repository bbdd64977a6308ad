"""A COCO data set folder: pictures and one file per split, laid out as other tools find them.

::

    annotations/instances_<split>.json   objects; regions to ignore stand in `ignore_regions`
    annotations/<split>.json             the same, regions to ignore as crowds
    images/<split>/<file name>

It is the layout of the COCO releases, which Datumaro, CVAT and FiftyOne open as it stands; these
take a crowd for an object. COCO's evaluation ignores what lies in one: the second file is for it,
and for readers with one folder of pictures, as its names begin in ``images``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import FormatError
from reelabel.files import copy_file, join_inside, safe_join
from reelabel.formats.coco import DATA_FOLDER, picture_beside, read_coco, write_coco
from reelabel.formats.copied import split_in
from reelabel.formats.listing import visible

DEFAULT_SPLIT = "train"
"""Where pictures of no split go."""
_OF_SPLITS = ("_annotations.coco.json", "labels.json")
"""Files in the folders of splits: those of Roboflow, then those of FiftyOne."""


def coco_path(folder: Path, split: str) -> Path:
    """Return the file of a split."""
    return folder / "annotations" / f"instances_{split}.json"


def write_coco_folder(
    folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
) -> None:
    """Write the pictures and a COCO file for each split.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: if a picture is missing or its name leaves the folder.
        WorkspaceError: if something cannot be written.
    """
    images = [replace(image, split=image.split or DEFAULT_SPLIT) for image in dataset.images]
    splits = dict.fromkeys(image.split for image in images)
    homes = {split: safe_join(folder / "images", split) for split in splits}
    for image in images:
        copy_file(pictures(image), join_inside(homes[image.split], image.file_name))
    whole = replace(dataset, images=tuple(images))
    for split in splits:
        at = [i for i, image in enumerate(images) if image.split == split]
        part = whole.subset(at)
        write_coco(coco_path(folder, split), part, crowds=False)
        named = (replace(one, file_name=f"{split}/{one.file_name}") for one in part.images)
        crowds = folder / "annotations" / f"{split}.json"
        write_coco(crowds, replace(part, images=tuple(named)), crowds=True)


def read_coco_folder(path: Path, *, xyxy: bool | None = None) -> Dataset:
    """Read a COCO file, or all files of a folder.

    Args:
        path: a file, or a folder with ``annotations/instances_*.json``, ``annotations/*.json``,
            ``*.json``, ``*/_annotations.coco.json`` (of Roboflow) or ``*/labels.json`` (of
            FiftyOne), of which the first that are there are taken; the folders of the last two
            name the split. Pictures of a file that lie in ``data`` beside it, as FiftyOne's
            `COCODetectionDataset` has them, are named so.
        xyxy: as for `reelabel.formats.coco.read_coco`.

    Raises:
        FormatError: if there is no file, or one is damaged.
    """
    return Dataset.joined(
        _named(each, path, read_coco(each, xyxy=xyxy)) for each in coco_files(path)
    )


def _named(file: Path, path: Path, data: Dataset) -> Dataset:
    """Return the pictures of a file by their names in its home, as far as they exist."""
    home = picture_home(file, path)
    if home == file.parent and not (home / DATA_FOLDER).is_dir():
        return data
    split = split_in(file.parent.relative_to(home))
    named = (
        replace(image, file_name=found.relative_to(home).as_posix(), split=image.split or split)
        if image.file_name and (found := picture_beside(file, image.file_name))
        else replace(image, split=image.split or split)
        for image in data.images
    )
    return replace(data, images=tuple(named))


def picture_home(file: Path, path: Path) -> Path:
    """Return the folder that the names of pictures are relative to.

    Args:
        file: one of `coco_files`.
        path: what these were asked of: where each split has a folder of its own, that of all.
    """
    return path if file.name in _OF_SPLITS and file.parent.parent == path else file.parent


def coco_files(path: Path) -> list[Path]:
    """Return the COCO files that a file or a folder means.

    Raises:
        FormatError: if the folder holds none.
    """
    if not path.is_dir():
        return [path]
    # Beside the instances, COCO has files of key points and captions of the same pictures.
    of_splits = (f"*/{name}" for name in _OF_SPLITS)
    patterns = ("annotations/instances_*.json", "annotations/*.json", "*.json", *of_splits)
    paths = next((found for each in patterns if (found := sorted(visible(path, each)))), [])
    if not paths:
        raise FormatError(f"{path}: expected annotations/*.json, but there are none")
    return paths
