"""The side file of YOLO and VOC exports: boxes that the format itself cannot hold.

``ignore.json`` lies in the export's folder::

    {"about": "...", "classes": ["ball", ...], "boxes": [
        {"image": "images/train/a.jpg", "category": "ball", "bbox": [left, top, width, height],
         "state": "ignore" | "negative" | "positive", "score": 0.4, "origin": "teacher"}, ...]}

``bbox`` is in pixels; ``score`` and ``origin`` stand there if known. A region to ignore must
neither train nor count as background; a negative is known to be background; a positive is an
object whose box the format has no way to write. Other readers do not see the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reelabel.data.dataset import BoxEntry
from reelabel.data.states import State
from reelabel.errors import FormatError
from reelabel.files import write_text
from reelabel.formats.checked import bad, load_json, real_of, rows_of, text_of, xywh_of

SIDE_FILE = "ignore.json"
_ABOUT = "boxes that the label files beside cannot hold: [left, top, width, height] in pixels"
_STATES: dict[object, State] = {each: each for each in ("positive", "ignore", "negative")}


def write_side(
    folder: Path, classes: Sequence[str], listed: Iterable[tuple[str, BoxEntry]]
) -> None:
    """Write the side file.

    Args:
        folder: the export's folder.
        classes: all classes, in order.
        listed: the picture's name relative to the folder, with a box in it.

    Raises:
        FormatError: if a box holds no finite numbers.
        WorkspaceError: if the file system refuses.
    """
    rows = [_row(name, box) for name, box in listed]
    content = {"about": _ABOUT, "classes": list(classes), "boxes": rows}
    try:
        text = json.dumps(content, indent=1, allow_nan=False)
    except ValueError as exc:
        raise FormatError(f"{folder}: expected finite numbers in boxes, but {exc}") from exc
    write_text(folder / SIDE_FILE, text + "\n")


def _row(name: str, box: BoxEntry) -> dict[str, Any]:
    row: dict[str, Any] = {"image": name, "category": box.category, "bbox": list(box.xywh)}
    row["state"] = box.state
    if box.score is not None:
        row["score"] = box.score
    if box.origin:
        row["origin"] = box.origin
    return row


def read_side(folder: Path, names: Sequence[str]) -> tuple[tuple[str, ...], list[BoxEntry]]:
    """Return the classes and boxes of the side file; both empty if there is none.

    Args:
        folder: the export's folder.
        names: the names of the data set's pictures relative to the folder, in its order.

    Raises:
        FormatError: if an entry is wrong, or names a picture or class that is not there.
    """
    path = folder / SIDE_FILE
    if not path.is_file():
        return (), []
    raw = load_json(path)
    classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        raise bad(f"{path}: 'classes'", "a list of class names", classes)
    position = {name: i for i, name in enumerate(names)}
    boxes = []
    for where, row in rows_of(str(path), raw, "boxes"):
        image, category = text_of(where, row, "image"), text_of(where, row, "category")
        if image not in position:
            raise bad(f"{where}: 'image'", "one of the pictures of the folder", image)
        if category not in classes:
            raise bad(f"{where}: 'category'", f"one of {classes}", category)
        boxes.append(_box(where, row, position[image]))
    return tuple(classes), boxes


def _box(where: str, row: Any, image: int) -> BoxEntry:
    state = row.get("state")
    if not isinstance(state, str) or state not in _STATES:
        raise bad(f"{where}: 'state'", "positive, ignore or negative", state)
    return BoxEntry(
        image=image,
        category=text_of(where, row, "category"),
        xywh=xywh_of(f"{where}: 'bbox'", row.get("bbox"), xyxy=False),
        score=real_of(where, row, "score"),
        state=_STATES[state],
        origin=text_of(where, row, "origin"),
    )
