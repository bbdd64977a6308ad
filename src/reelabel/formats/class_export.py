"""What the exports of class data sets share: names, copies of pictures, and what was left out.

Their imports read the names again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from reelabel.data.class_dataset import ClassDataset
from reelabel.data.tag_rows import TagRow
from reelabel.errors import FormatError, UsageError, few
from reelabel.files import copy_file, safe_stem, write_text
from reelabel.formats.copied import SPLITS
from reelabel.formats.detections_txt import class_folders
from reelabel.formats.pictures import PICTURE_SUFFIXES, picture_suffix

LEFT_OUT = "left_out.csv"
"""Lists the moments that a format cannot hold; it is there only if there are any."""

Parts = Mapping[str, ClassDataset]
"""The data set of each split: train, val, test."""
PicturePath = Callable[[str], Path]
"""Returns where the file of a picture of the data set lies."""
_MOMENT = re.compile(r"(?P<video>[0-9a-f]{16})_(?P<pts>-?\d+)(-(?P<until>-?\d+))?(_\d+)*(\.\w+)?")


def class_names(parts: Parts) -> tuple[str, ...]:
    """Return the class names, which all splits share.

    Raises:
        FormatError: if splits have other names than train, val and test, or differ in classes.
        UsageError: if there are none.
    """
    if unknown := [name for name in parts if name not in SPLITS]:
        raise FormatError(f"expected splits among {few(SPLITS)}, but got '{unknown[0]}': rename it")
    kinds = {(data.classes, data.exclusive) for data in parts.values()}
    if not kinds:
        raise UsageError("expected at least one split to export: train a round first")
    if len(kinds) > 1:
        names = " and ".join(f"'{name}'" for name in parts)
        raise FormatError(f"expected the same classes in {names}, but they differ: split again")
    return next(iter(kinds))[0]


def require_exclusive(parts: Parts) -> None:
    """Refuse data sets in which several classes may be right.

    Raises:
        UsageError: naming formats that can hold them.
    """
    if not all(data.exclusive for data in parts.values()):
        raise UsageError(
            "expected one class for each picture, which is all that a folder for each class can "
            "hold, but several may be right here: export as class-csv or fiftyone"
        )


def safe_folders(classes: Sequence[str]) -> dict[str, str]:
    """Return the folder of each class: a safe name, no two alike.

    Raises:
        UsageError: if two classes would share one.
    """
    try:
        return class_folders(classes)
    except FormatError as exc:
        raise UsageError(str(exc)) from exc


def moment_names(parts: Parts) -> dict[str, list[str]]:
    """Return a file name without suffix for each moment of each split, no two alike.

    Such as ``3f2a_1200`` for a frame and ``3f2a_1200-2400`` for a window.
    """
    used: set[str] = set()
    return {split: [_unused(name, used) for name in _names(data)] for split, data in parts.items()}


def _names(data: ClassDataset) -> Iterator[str]:
    moments = data.moments
    for video, pts, until in zip(moments.video, moments.pts, moments.until_pts, strict=True):
        yield f"{safe_stem(str(video))}_{pts}" + (f"-{until}" if until != pts else "")


def _unused(name: str, used: set[str]) -> str:
    number, candidate = 1, name
    while candidate.casefold() in used:
        number += 1
        candidate = f"{name}_{number}"
    used.add(candidate.casefold())
    return candidate


def picture_claim(name: str, category: str, source: str, *, right: bool = True) -> TagRow:
    """Return what the name of a picture and its class claim.

    ``<video>_<pts>.jpg`` and ``<video>_<pts>-<until_pts>_00001.jpg`` mean a frame and a window, as
    `moment_names` and `copy_flat` name them; any other file has the name of a video.
    """
    found = _MOMENT.fullmatch(name)
    if found is None:
        return TagRow(name, category, right, source=source)
    pts = int(found["pts"])
    until_pts = int(found["until"]) if found["until"] else pts
    return TagRow(found["video"], category, right, source=source, pts=pts, until_pts=until_pts)


def named_moment(path: str) -> tuple[str, int, int] | None:
    """Return video id and time stamps in the name of an exported picture; None of other files."""
    place = PurePosixPath(path.replace("\\", "/"))
    if place.suffix.lower() not in PICTURE_SUFFIXES:
        return None
    row = picture_claim(place.name, "", "")
    if row.pts is None or row.until_pts is None:
        return None
    return row.video, row.pts, row.until_pts


def positive_classes(data: ClassDataset, number: int) -> list[int]:
    """Return the columns of the classes that are right at a moment."""
    return [int(i) for i in np.flatnonzero(data.target[number] == 1)]


def only_class(data: ClassDataset, number: int) -> int | None:
    """Return the column of the one class of a moment; None if it is not known.

    Raises:
        UsageError: if several are right.
    """
    found = positive_classes(data, number)
    if len(found) > 1:
        names = few([data.classes[i] for i in found])
        raise UsageError(
            f"expected one class at pts {data.moments.pts[number]} of "
            f"{data.moments.video[number]}, but got {names}: review it"
        )
    return found[0] if found else None


def copy_flat(
    folder: Path, name: str, pictures: Sequence[str], picture_path: PicturePath
) -> list[str]:
    """Copy the pictures of a moment into a folder; return the files' names there, in order.

    A frame keeps the moment's name, the pictures of a window get a number behind it.

    Raises:
        FormatError: if one is missing, or of a kind that readers do not find.
        WorkspaceError: if the file system refuses.
    """
    copied = []
    for number, picture in enumerate(pictures, start=1):
        source = picture_path(picture)
        numbered = f"{name}_{number:05d}" if len(pictures) > 1 else name
        copied.append(f"{numbered}{picture_suffix(source)}")
        copy_file(source, folder / copied[-1])
    return copied


def copy_frames(folder: Path, pictures: Sequence[str], picture_path: PicturePath) -> list[str]:
    """Copy the pictures of a moment into a folder of its own, as ``img_00001.jpg`` and so on.

    Returns:
        Their names in that folder.

    Raises:
        FormatError: if one is missing, or of a kind that readers do not find.
        WorkspaceError: if the file system refuses.
    """
    copied = []
    for number, picture in enumerate(pictures, start=1):
        source = picture_path(picture)
        copied.append(f"img_{number:05d}{picture_suffix(source)}")
        copy_file(source, folder / copied[-1])
    return copied


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file in UTF-8.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, out.getvalue(), atomic=False)


def write_left_out(folder: Path, parts: Parts, left_out: Sequence[tuple[str, int, str]]) -> None:
    """List the moments that a format cannot hold, if there are any.

    Args:
        folder: of the export.
        parts: the data set of each split.
        left_out: split, number of the moment, and reason of each.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    if not left_out:
        return
    rows = []
    for split, number, reason in left_out:
        moments = parts[split].moments
        at = (moments.video[number], moments.pts[number], moments.until_pts[number])
        rows.append((split, *at, reason))
    write_rows(folder / LEFT_OUT, ("split", "video", "pts", "until_pts", "reason"), rows)
