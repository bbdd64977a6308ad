"""People's classes in every form that exports have: a table, a manifest, folders of pictures.

    labels.csv, tags.csv, labels.json     as tags are: see `reelabel.formats.tags`
    FOLDER/labels.csv                     of the format class-csv
    FOLDER/train.csv, val.csv, test.csv   of the format kinetics-csv
    FOLDER/labels.json, FOLDER/train/labels.json   of the format fiftyone
    FOLDER/indoor/..., FOLDER/train/indoor/...   of the format image-folder

In folders of pictures the folder that a picture lies in is its class, or stands for it in
``classes.csv``. What a picture is of is in its name: see `class_export.picture_claim`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError, counted
from reelabel.files import explained
from reelabel.formats.class_export import LEFT_OUT, picture_claim
from reelabel.formats.copied import SPLITS
from reelabel.formats.fiftyone_folder import fiftyone_contents, read_fiftyone
from reelabel.formats.listing import visible
from reelabel.formats.table_text import read_table_text, table_rows
from reelabel.formats.tags import Meaning, TagFile, read_tags

CLASSES_CSV = "classes.csv"
MOST_DAMAGED = 5
"""Further damaged files of a folder are counted, not named."""

F = TypeVar("F")
T = TypeVar("T")


def read_people_classes(path: Path, columns: Mapping[Meaning, str] | None = None) -> TagFile:
    """Return the claims of a file, or of a folder as exports write them.

    Args:
        path: the file or folder.
        columns: as in `read_tags`.

    Raises:
        FormatError: if it is damaged as a whole, or nothing of it can be used.
        WorkspaceError: if it cannot be read.
    """
    if contents := fiftyone_contents(path):
        files = _each_read(contents.items(), lambda each: list(read_fiftyone(*each)))
        return TagFile(_once(one for rows in files for one in rows))
    if not path.is_dir():
        return read_tags(path, columns)
    found = TagFile()
    for one in _each_read(_tables(path), lambda table: read_tags(table, columns)):
        found.rows += one.rows
        found.problems += one.problems
        found.unusable += one.unusable
    if not found.rows:
        found.rows = _once(_of_pictures(path))
    if not found.rows:
        raise FormatError(
            f"{path}: expected labels.csv, train.csv, labels.json, or a folder of pictures for "
            "each class, but there is none"
        )
    return found


def _each_read(files: Iterable[F], read: Callable[[F], T]) -> list[T]:
    """Return what each file of a folder holds.

    Raises:
        FormatError: naming all files that are damaged, at most `MOST_DAMAGED` of them.
    """
    found, faults = [], []
    for file in files:
        try:
            found.append(read(file))
        except FormatError as exc:
            faults.append(str(exc))
    if faults:
        more = len(faults) - MOST_DAMAGED
        shown = [*faults[:MOST_DAMAGED], *([f"and {counted(more, 'file')} more"] * (more > 0))]
        raise FormatError("; ".join(shown))
    return found


def _once(rows: Iterable[TagRow]) -> list[TagRow]:
    """Return the claims, each once: all pictures of a window claim the same."""
    return list({replace(row, source=""): row for row in rows}.values())


def _tables(folder: Path) -> list[Path]:
    """Return the tables that an export consists of."""
    whole = folder / "labels.csv"
    names = [whole] if whole.is_file() else [folder / f"{split}.csv" for split in SPLITS]
    return [path for path in names if path.is_file()]


def _of_pictures(folder: Path) -> Iterator[TagRow]:
    """Yield the claim of each picture."""
    classes = _classes(folder / CLASSES_CSV)
    with explained(folder):
        paths = sorted(visible(folder, "**/*"))
    for path in paths:
        inside = path.relative_to(folder)
        if len(inside.parts) > 1 and path.name not in {CLASSES_CSV, LEFT_OUT}:
            category = classes.get(path.parent.name, path.parent.name)
            yield picture_claim(path.name, category, str(path))


def _classes(path: Path) -> dict[str, str]:
    """Return the class of each folder, as an export lists them."""
    if not path.is_file():
        return {}
    header, *rows = [cells or [] for _, cells in table_rows(read_table_text(path))] or [[]]
    if not {"folder", "class"} <= set(header):
        raise FormatError(f"{path}:1: expected the columns folder and class, but got others")
    at, named = header.index("folder"), header.index("class")
    return {row[at]: row[named] for row in rows if len(row) == len(header)}
