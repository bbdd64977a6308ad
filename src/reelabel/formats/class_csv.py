"""One table of moments with a column for each class: any data set of classes, nothing left out.

    labels.csv    split,path,frames,video,pts,until_pts,weight,group,class,class:indoor,...
    images/train/3f2a_0.jpg              a frame
    images/train/3f2a_0-1200/img_00001.jpg ...   the frames of a window

``class`` holds the right classes, several with ``;``. Behind it each class has a column of its own:
1 it is right, 0 it is wrong, empty unknown. `path` is the picture of a frame, or the folder of a
window, and `frames` the number of pictures.
"""

from __future__ import annotations

from pathlib import Path

from reelabel.data.class_dataset import ClassDataset
from reelabel.files import new_folder
from reelabel.formats.class_export import (
    Parts,
    PicturePath,
    class_names,
    copy_flat,
    copy_frames,
    moment_names,
    write_rows,
)

FIXED = ("split", "path", "frames", "video", "pts", "until_pts", "weight", "group", "class")
_VALUES = {0.0: "0", 1.0: "1"}


def write_class_csv(folder: Path, parts: Parts, picture_path: PicturePath) -> None:
    """Write the table, and copies of the pictures.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        parts: the data set of each split.
        picture_path: where the file of a picture lies.

    Raises:
        UsageError: if the folder holds something.
        FormatError: for an unknown split, or a picture that is missing or of an unusual kind.
        WorkspaceError: if the file system refuses.
    """
    classes = class_names(parts)
    new_folder(folder)
    names = moment_names(parts)
    rows = []
    for split, data in parts.items():
        for number, pictures in enumerate(data.pictures):
            path = f"images/{split}/{names[split][number]}"
            if len(pictures) > 1:
                copy_frames(folder / path, pictures, picture_path)
            else:
                place = folder / "images" / split
                (file,) = copy_flat(place, names[split][number], pictures, picture_path)
                path = f"images/{split}/{file}"
            rows.append((split, path, len(pictures), *_row(data, number)))
    header = (*FIXED, *(f"class:{name}" for name in classes))
    write_rows(folder / "labels.csv", header, rows)


def _row(data: ClassDataset, number: int) -> tuple[object, ...]:
    moments = data.moments
    return (
        moments.video[number],
        moments.pts[number],
        moments.until_pts[number],
        round(float(data.weight[number]), 6),
        data.group[number],
        ";".join(data.names_at(number)),
        *(_VALUES.get(float(value), "") for value in data.target[number]),
    )
