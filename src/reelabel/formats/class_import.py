"""People's classes in every form that exports have: a table, a manifest, folders of pictures.

    labels.csv, tags.csv, labels.json     as tags are: see `reelabel.formats.tags`
    FOLDER/labels.csv                     of the format class-csv
    FOLDER/train.csv, val.csv, test.csv   of the format kinetics-csv
    FOLDER/indoor/..., FOLDER/train/indoor/...   of the format image-folder

In folders of pictures the folder that a picture lies in is its class, or stands for it in
``classes.csv``. ``<video>_<pts>.jpg`` and ``<video>_<pts>-<until_pts>_00001.jpg`` mean a frame and
a window; any other file has the name of one of the videos.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError
from reelabel.files import explained, read_text
from reelabel.formats.class_export import LEFT_OUT
from reelabel.formats.copied import SPLITS
from reelabel.formats.tags import Meaning, TagFile, read_tags

CLASSES_CSV = "classes.csv"
_MOMENT = re.compile(r"(?P<video>[0-9a-f]{16})_(?P<pts>-?\d+)(-(?P<until>-?\d+))?(_\d+)*\.\w+")


def read_people_classes(path: Path, columns: Mapping[Meaning, str] | None = None) -> TagFile:
    """Return the claims of a file, or of a folder as exports write them.

    Args:
        path: the file or folder.
        columns: as in `read_tags`.

    Raises:
        FormatError: if it is damaged as a whole, or nothing of it can be used.
        WorkspaceError: if it cannot be read.
    """
    if not path.is_dir():
        return read_tags(path, columns)
    found = TagFile()
    for table in _tables(path):
        one = read_tags(table, columns)
        found.rows += one.rows
        found.problems += one.problems
        found.unusable += one.unusable
    if not found.rows:
        unique = {replace(row, source=""): row for row in _of_pictures(path)}
        found.rows = list(unique.values())
    if not found.rows:
        raise FormatError(
            f"{path}: expected labels.csv, train.csv, or a folder of pictures for each class, but "
            "there is none"
        )
    return found


def _tables(folder: Path) -> list[Path]:
    """Return the tables that an export consists of."""
    whole = folder / "labels.csv"
    names = [whole] if whole.is_file() else [folder / f"{split}.csv" for split in SPLITS]
    return [path for path in names if path.is_file()]


def _of_pictures(folder: Path) -> Iterator[TagRow]:
    """Yield the claim of each picture; the pictures of a window claim the same."""
    classes = _classes(folder / CLASSES_CSV)
    with explained(folder):
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in paths:
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if len(inside.parts) > 1 and not hidden and path.name not in {CLASSES_CSV, LEFT_OUT}:
            yield _row(path, classes.get(path.parent.name, path.parent.name))


def _row(path: Path, category: str) -> TagRow:
    found = _MOMENT.fullmatch(path.name)
    if found is None:
        return TagRow(path.name, category, source=str(path))
    pts = int(found["pts"])
    until_pts = int(found["until"]) if found["until"] else pts
    return TagRow(found["video"], category, source=str(path), pts=pts, until_pts=until_pts)


def _classes(path: Path) -> dict[str, str]:
    """Return the class of each folder, as an export lists them."""
    if not path.is_file():
        return {}
    rows = csv.DictReader(read_text(path).splitlines())
    if not {"folder", "class"} <= set(rows.fieldnames or ()):
        raise FormatError(f"{path}:1: expected the columns folder and class, but got others")
    return {row["folder"]: row["class"] for row in rows}
