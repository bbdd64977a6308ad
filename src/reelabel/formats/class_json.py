"""A data set of classes as one JSON file, which is what training and evaluation read.

    {"version": 1, "classes": ["indoor", "outdoor"], "exclusive": true, "step_s": 0.0,
     "moments": [{"video": "3f2a", "pts": 0, "until_pts": 0, "pictures": ["../x.jpg"],
                  "classes": {"indoor": 1, "outdoor": 0}, "weight": 1.0, "group": "3f2a"}]}

Pictures are relative to the file's folder. A class that is left out of ``classes`` is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reelabel.data.boxes import Floats
from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments
from reelabel.formats.checked import bad, load_json, rows_of

VERSION = 1


def class_json(data: ClassDataset) -> dict[str, Any]:
    """Return a data set as the value that the file holds."""
    return {
        "version": VERSION,
        "classes": list(data.classes),
        "exclusive": data.exclusive,
        "step_s": round(data.step_s, 6),
        "moments": list(_moments(data)),
    }


def _moments(data: ClassDataset) -> Iterator[dict[str, Any]]:
    for i in range(len(data)):
        known = zip(data.classes, data.target[i].tolist(), strict=True)
        yield {
            "video": str(data.moments.video[i]),
            "pts": int(data.moments.pts[i]),
            "until_pts": int(data.moments.until_pts[i]),
            "pictures": list(data.pictures[i]),
            "classes": {name: int(value) for name, value in known if value in (0, 1)},
            "weight": round(float(data.weight[i]), 6),
            "group": str(data.group[i]),
        }


def read_class_json(path: Path) -> ClassDataset:
    """Return the data set that a file holds.

    Raises:
        FormatError: naming the file and entry, if it is damaged.
    """
    raw = load_json(path)
    classes = raw.get("classes") if isinstance(raw, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise bad(str(path), "an object with 'classes', a list of names", raw)
    rows = [(where, row) for where, row in rows_of(str(path), raw, "moments")]
    moments = Moments(
        np.array([_text(where, row, "video") for where, row in rows], np.str_),
        np.array([_whole(where, row, "pts") for where, row in rows], np.int64),
        np.array([_whole(where, row, "until_pts") for where, row in rows], np.int64),
    )
    return ClassDataset(
        tuple(classes),
        bool(raw.get("exclusive", True)),
        moments,
        tuple(_pictures(where, row) for where, row in rows),
        _targets(rows, classes),
        np.array([_number(where, row, "weight", 1.0) for where, row in rows], np.float32),
        np.array([_text(where, row, "group") for where, row in rows], np.str_),
        _number(str(path), raw, "step_s", 0.0),
    )


def _targets(rows: Sequence[tuple[str, Any]], classes: Sequence[str]) -> Floats:
    column = {name: i for i, name in enumerate(classes)}
    found = np.full((len(rows), len(classes)), np.nan, np.float32)
    for i, (where, row) in enumerate(rows):
        given = row.get("classes", {})
        if not isinstance(given, dict):
            raise bad(f"{where}: 'classes'", "an object of class names with 0 or 1", given)
        for name, value in given.items():
            if name not in column or value not in (0, 1):
                raise bad(f"{where}: 'classes'", f"0 or 1 for {', '.join(classes)}", {name: value})
            found[i, column[name]] = value
    return found


def _text(where: str, row: Any, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str):
        raise bad(f"{where}: '{key}'", "text", value)
    return value


def _whole(where: str, row: Any, key: str) -> int:
    value = row.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise bad(f"{where}: '{key}'", "a whole number", value)
    return value


def _number(where: str, row: Any, key: str, default: float) -> float:
    value = row.get(key, default)
    if not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise bad(f"{where}: '{key}'", "a number of at least 0", value)
    return float(value)


def _pictures(where: str, row: Any) -> tuple[str, ...]:
    value = row.get("pictures")
    if not isinstance(value, list) or not value or not all(isinstance(p, str) for p in value):
        raise bad(f"{where}: 'pictures'", "a list of file names", value)
    return tuple(value)
