"""Classes that people chose in Label Studio, as rows of tags: its exports JSON, JSON-MIN and CSV.

In JSON, a task has an annotation whose ``result`` holds rows of the type ``choices``. In JSON-MIN
and CSV, the column of the control holds the class, or ``{"choices": [...]}`` for several. What is
classified is named by its address on the server.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from reelabel.errors import FormatError
from reelabel.formats.checked import Row, rows_of
from reelabel.formats.label_studio_tasks import only_annotation, task_name
from reelabel.formats.pictures import served_name

_CHOICES = "choices"
_SERVED = ("/data/local-files/?d=", "/data/upload/")


def is_task(entry: object) -> bool:
    """Return whether an entry of a JSON file is a task."""
    if not isinstance(entry, dict):
        return False
    return isinstance(entry.get("data"), dict) and isinstance(entry.get("annotations"), list)


def task_row(where: str, task: Row) -> Row:
    """Return the ``video`` and ``class`` of a task, or the ``error`` for which it has none."""
    try:
        annotation = only_annotation(where, task)
        rows = [] if annotation is None else list(rows_of(where, annotation, "result"))
        name = task_name(where, task["data"])
    except FormatError as exc:
        return {"error": str(exc)}
    chosen = [each for _, row in rows if row.get("type") == _CHOICES for each in _chosen(row)]
    if not chosen:
        return {"error": f"{where}: expected an annotation with 'choices', but there is none"}
    return {"video": name, "class": list(dict.fromkeys(chosen))}


def _chosen(row: Row) -> list[object]:
    value = row.get("value")
    found = value.get(_CHOICES) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def several_of(value: object) -> object:
    """Return the classes that a cell holds as ``{"choices": [...]}``, else the cell."""
    given = value
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            given = json.loads(value)
        except (ValueError, RecursionError):
            return value
    found = given.get(_CHOICES) if isinstance(given, dict) else None
    return found if isinstance(found, list) else value


def local_name(address: str) -> str:
    """Return the name of a file that Label Studio serves; other names stay as they are."""
    if not any(mark in address for mark in _SERVED):
        return address
    return PurePosixPath(served_name(address)[0]).name
