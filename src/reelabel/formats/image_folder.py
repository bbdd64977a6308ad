"""A folder of pictures for each class, as torchvision's `ImageFolder` and many others read.

    train/indoor/3f2a_0.jpg    val/indoor/...    test/indoor/...
    classes.csv                folder,class
    left_out.csv               split,video,pts,until_pts,reason

Each split has the folder of every class, also where it is empty: readers number the classes by the
folders that they find. torchvision takes empty ones with ``allow_empty=True``.
"""

from __future__ import annotations

from pathlib import Path

from reelabel.files import new_folder
from reelabel.formats.class_export import (
    Parts,
    PicturePath,
    class_names,
    copy_flat,
    moment_names,
    only_class,
    require_exclusive,
    safe_folders,
    write_left_out,
    write_rows,
)


def write_image_folder(folder: Path, parts: Parts, picture_path: PicturePath) -> None:
    """Write folders of classes with copies of the pictures; of windows every picture.

    Moments whose class is not known are listed in ``left_out.csv``.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        parts: the data set of each split, of exclusive classes.
        picture_path: where the file of a picture lies.

    Raises:
        UsageError: if several classes may be right, two classes have the same name as a folder, or
            the folder holds something.
        FormatError: for an unknown split, or a picture that is missing or of an unusual kind.
        WorkspaceError: if the file system refuses.
    """
    classes = class_names(parts)
    require_exclusive(parts)
    folders = safe_folders(classes)
    new_folder(folder)
    names = moment_names(parts)
    left_out: list[tuple[str, int, str]] = []
    for split, data in parts.items():
        for name in folders.values():
            (folder / split / name).mkdir(parents=True, exist_ok=True)
        for number, pictures in enumerate(data.pictures):
            column = only_class(data, number)
            if column is None:
                left_out.append((split, number, "its class is not known"))
                continue
            target = folder / split / folders[classes[column]]
            copy_flat(target, names[split][number], pictures, picture_path)
    write_rows(folder / "classes.csv", ("folder", "class"), [(f, c) for c, f in folders.items()])
    write_left_out(folder, parts, left_out)
