"""Folders in the layout of FiftyOne's `FiftyOneImageDetectionDataset`, one for each split.

    train/data/3f2a_0.jpg ...
    train/labels.json    {"classes": ["dog", "ball"], "labels": {"3f2a_0": [
                             {"label": 0, "bounding_box": [left, top, width, height],
                              "confidence": 0.9, "attributes": {"track_id": 3}}]}}
    ignore.json          what it cannot hold (see `reelabel.formats.side`)

Boxes are shares of the picture in 0..1. A picture with an empty list is background, one with null
was not labelled. Where a folder has no pictures at all, only their names are known. Pictures of
folders in ``data`` have keys such as ``sub/3f2a_0``; where ``classes`` is null, as FiftyOne writes
it for data sets without class lists, labels are names. The format is
documented at https://docs.voxel51.com under "FiftyOneImageDetectionDataset".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import FormatError, counted, few
from reelabel.files import write_text
from reelabel.formats.checked import Row, bad, load_json, number, text_of, whole_of
from reelabel.formats.copied import SPLIT_NAMES, copied_pictures
from reelabel.formats.entries import Entry
from reelabel.formats.fiftyone_samples import BOXES, SAMPLES, read_samples
from reelabel.formats.listing import visible
from reelabel.formats.pictures import UNKNOWN_SIDE, picture_size_wh, pictures_by_key, usual_picture
from reelabel.formats.side import add_side, write_side

_OUTSIDE = 2
"""Shares beyond are pixels, not a box that reaches over the edge."""


def write_fiftyone_boxes(
    folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
) -> None:
    """Write a folder for each split with copies of the pictures.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: for a picture that is missing or of an unusual kind.
        WorkspaceError: if something cannot be written.
    """
    labels: dict[str, dict[str, Any]] = {}
    aside: list[tuple[str, Entry]] = []
    for one in copied_pictures(folder, dataset, pictures, "{split}/data"):
        shown = [_row(entry, one.size_wh) for entry in one.entries if entry.state == POSITIVE]
        labels.setdefault(one.split, {})[one.stem] = shown
        aside += [(one.name, entry) for entry in one.entries if entry.state != POSITIVE]
    for split, rows in labels.items():
        content = {"classes": list(dataset.classes), "labels": rows}
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        write_text(folder / split / "labels.json", text, atomic=False)
    write_side(folder, dataset.classes, aside)


def _row(entry: Entry, picture_wh: tuple[int, int]) -> dict[str, Any]:
    shares = [value / side for value, side in zip(entry.xywh, picture_wh * 2, strict=True)]
    row: dict[str, Any] = {"label": entry.class_id, "bounding_box": shares}
    if entry.score is not None:
        row["confidence"] = entry.score
    attributes: dict[str, Any] = {"origin": entry.origin} if entry.origin else {}
    if entry.track_id is not None:
        attributes |= {"track_id": entry.track_id}
    return row | ({"attributes": attributes} if attributes else {})


def read_fiftyone_boxes(path: Path) -> Dataset:
    """Read a folder with ``labels.json``, or one with such a folder for each split.

    Raises:
        FormatError: naming the file and picture that is wrong, and what was expected.
    """
    folder = path if path.is_dir() else path.parent
    files = [folder / name for name in ("labels.json", SAMPLES) if (folder / name).is_file()][:1]
    files = files or sorted(visible(folder, "*/labels.json"))
    if not files:
        raise FormatError(
            f"{folder}: expected labels.json, <split>/labels.json or {SAMPLES}, but found none"
        )
    parts = [_Part.read(each) for each in files]
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    images, entries = list[ImageEntry](), list[list[Entry]]()
    for part in parts:
        ids = [classes.index(name) for name in part.classes]
        for stem, rows in part.labels.items():
            images.append(part.image(stem, folder))
            entries.append(part.entries(stem, rows, images[-1].size_wh, ids))
    not_read = tuple(sentence for part in parts for sentence in part.not_labelled())
    return replace(add_side(folder, classes, images, entries), not_read=not_read)


class _Part:
    """One ``labels.json`` or ``samples.json`` and the pictures beside it."""

    def __init__(self, path: Path, labels: Mapping[str, Any], classes: Sequence[str]) -> None:
        # A picture that nobody labelled is null.
        self.labels = {key: rows for key, rows in labels.items() if rows is not None}
        self.without = [key for key, rows in labels.items() if rows is None]
        self.path, self.classes, self.splits = path, list(classes), dict[str, str]()
        self.pictures = pictures_by_key(path.parent / "data")

    @classmethod
    def read(cls, path: Path) -> _Part:
        """Return the content of a file."""
        raw = load_json(path) if path.name != SAMPLES else read_samples(path, BOXES)
        labels = raw.get("labels") if isinstance(raw, dict) else None
        if not isinstance(raw, dict) or not isinstance(labels, dict):
            raise bad(
                f"{path}: 'labels'", "an object with a list of boxes for each picture", labels
            )
        given = raw.get("classes") or []
        if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
            raise bad(f"{path}: 'classes'", "a list of names", given)
        part = cls(path, labels, given or _names(labels.values()))
        part.splits = raw.get("splits", {}) if path.name == SAMPLES else {}
        return part

    def not_labelled(self) -> Iterator[str]:
        """Yield a sentence on the pictures without labels, if there are any."""
        if self.without:
            count = counted(len(self.without), "picture")
            yield f"{count} that nobody labelled left out (null): {few(self.without)}"

    def image(self, stem: str, folder: Path) -> ImageEntry:
        """Return a picture with its size.

        Raises:
            FormatError: if its file is missing: without its size no box has a place.
        """
        picture = self.pictures.get(stem.replace("\\", "/"))
        split = self.splits.get(stem) or SPLIT_NAMES.get(self.path.parent.name.lower(), "")
        if not self.pictures:
            home = (self.path.parent / "data").relative_to(folder)
            name = (home / usual_picture(stem)).as_posix()
            return ImageEntry(name, UNKNOWN_SIDE, UNKNOWN_SIDE, split=split)
        if picture is None:
            raise FormatError(
                f"{self.path}: {stem!r}: expected its picture in {self.path.parent / 'data'}, but "
                "there is none; put it there, or remove the entry"
            )
        name = picture.relative_to(folder).as_posix()
        return ImageEntry(name, *picture_size_wh(picture), split=split)

    def entries(
        self, stem: str, rows: object, picture_wh: tuple[int, int], ids: list[int]
    ) -> list[Entry]:
        """Return the boxes of a picture; `ids`: the class id of each of the file's classes."""
        if not isinstance(rows, list):
            raise bad(f"{self.path}: {stem!r}", "a list of boxes", rows)
        found = []
        for at, row in enumerate(rows):
            where = f"{self.path}: {stem!r}: box {at}"
            if not isinstance(row, dict):
                raise bad(where, "an object with 'label' and 'bounding_box'", row)
            attributes = row.get("attributes")
            known: Row = attributes if isinstance(attributes, dict) else {}
            found.append(
                Entry.from_xywh(
                    _xywh(where, row.get("bounding_box"), picture_wh),
                    self._class_id(where, row.get("label"), ids),
                    score=_confidence(where, row),
                    origin=text_of(where, known, "origin"),
                    track_id=whole_of(where, known, "track_id", 0),
                )
            )
        return found

    def _class_id(self, where: str, label: object, ids: list[int]) -> int:
        if type(label) is int and 0 <= label < len(ids):
            return ids[label]
        if isinstance(label, str) and label in self.classes:
            return ids[self.classes.index(label)]
        raise bad(
            f"{where}: 'label'", f"one of the classes {self.classes[:20]}, or its place", label
        )


def _names(labels: Iterable[object]) -> list[str]:
    """Return the names that label the boxes of pictures, in the order of the file."""
    rows = (row for some in labels if isinstance(some, list) for row in some)
    names = (row.get("label") for row in rows if isinstance(row, dict))
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and name))


def _confidence(where: str, row: Row) -> float | None:
    value = row.get("confidence")
    if value is None:
        return None
    score = number(f"{where}: 'confidence'", value, "a number in 0..1")
    if not 0 <= score <= 1:
        raise bad(f"{where}: 'confidence'", "a number in 0..1", value)
    return score


def _xywh(
    where: str, box: object, picture_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    expected = "[left, top, width, height] as shares of the picture"
    if not isinstance(box, list) or len(box) != 4:  # noqa: PLR2004 -- a box has four sides
        raise bad(f"{where}: 'bounding_box'", expected, box)
    x, y, w, h = (number(f"{where}: 'bounding_box'", each, expected) for each in box)
    if min(w, h) < 0 or max(map(abs, (x, y, w, h))) > _OUTSIDE:
        raise bad(f"{where}: 'bounding_box'", expected, box)
    width, height = picture_wh
    return x * width, y * height, w * width, h * height
