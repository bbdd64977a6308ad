"""The side file of exports: boxes that the format itself cannot hold.

``ignore.json`` lies in the export's folder::

    {"about": "...", "classes": ["ball", ...], "boxes": [
        {"image": "images/train/a.jpg", "category": "ball", "bbox": [left, top, width, height],
         "state": "ignore" | "negative" | "positive", "score": 0.4, "origin": "teacher",
         "track_id": 3}, ...]}

``bbox`` is in pixels; ``score``, ``origin`` and ``track_id`` stand there if known. A region to
ignore must neither train nor count as background; a negative is known to be background; a positive
is an object whose box the format has no way to write. Other readers do not see the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import STATES, State
from reelabel.files import write_text
from reelabel.formats.checked import (
    Row,
    bad,
    load_json,
    rows_of,
    score_of,
    text_of,
    whole_of,
    xyxy_of,
)
from reelabel.formats.entries import Entry, dataset_of

SIDE_FILE = "ignore.json"
_ABOUT = "boxes that the label files beside cannot hold: [left, top, width, height] in pixels"
_STATES: dict[object, State] = {each: each for each in STATES}


def write_side(folder: Path, classes: Sequence[str], listed: Iterable[tuple[str, Entry]]) -> None:
    """Write the side file.

    Args:
        folder: the export's folder.
        classes: all classes, in order.
        listed: the picture's name relative to the folder, with a box in it.

    Raises:
        WorkspaceError: if the file system refuses.
    """
    rows = [_row(name, classes[entry.class_id], entry) for name, entry in listed]
    content = {"about": _ABOUT, "classes": list(classes), "boxes": rows}
    write_text(folder / SIDE_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _row(name: str, category: str, entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"image": name, "category": category, "bbox": list(entry.xywh)}
    row["state"] = entry.state
    if entry.score is not None:
        row["score"] = entry.score
    if entry.origin:
        row["origin"] = entry.origin
    if entry.track_id is not None:
        row["track_id"] = entry.track_id
    return row


def read_side(folder: Path, names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, list[Entry]]]:
    """Return the classes of the side file and the boxes of each picture by its name.

    Class ids of the boxes are positions in those classes. Both are empty if there is no file.

    Args:
        folder: the export's folder.
        names: the names of the data set's pictures relative to the folder.

    Raises:
        FormatError: if an entry is wrong, or names a picture or class that is not there.
    """
    path = folder / SIDE_FILE
    if not path.is_file():
        return (), {}
    raw = load_json(path)
    classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        raise bad(f"{path}: 'classes'", "a list of class names", classes)
    known, found = set(names), dict[str, list[Entry]]()
    for where, row in rows_of(str(path), raw, "boxes"):
        image, category = text_of(where, row, "image"), text_of(where, row, "category")
        if image not in known:
            raise bad(f"{where}: 'image'", "one of the pictures of the folder", image)
        if category not in classes:
            raise bad(f"{where}: 'category'", f"one of {classes}", category)
        found.setdefault(image, []).append(_entry(where, row, classes.index(category)))
    return tuple(classes), found


def add_side(
    folder: Path,
    classes: Sequence[str],
    images: Sequence[ImageEntry],
    entries: Sequence[Sequence[Entry]],
    *,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Return what a reader found as a data set, with the boxes of the side file.

    Args:
        folder: the export's folder.
        classes: class names; those of the side file come behind them.
        images: the pictures.
        entries: the boxes of each.
        names: what the side file calls each picture; None is its file name.

    Raises:
        FormatError: if the side file is wrong, or names a picture that is not there.
    """
    called = [image.file_name for image in images] if names is None else names
    own, side = read_side(folder, called)
    every = tuple(dict.fromkeys((*classes, *own)))
    ids = [every.index(name) for name in own]
    whole = [
        [*some, *(replace(e, class_id=ids[e.class_id]) for e in side.get(name, ()))]
        for name, some in zip(called, entries, strict=True)
    ]
    return dataset_of(every, images, whole)


def _entry(where: str, row: Row, class_id: int) -> Entry:
    state = row.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise bad(f"{where}: 'state'", "positive, ignore or negative", state)
    return Entry(
        xyxy_of(f"{where}: 'bbox'", row.get("bbox"), corners=False),
        class_id,
        score_of(where, row),
        _STATES[state],
        text_of(where, row, "origin"),
        track_id=whole_of(where, row, "track_id", 0),
    )
