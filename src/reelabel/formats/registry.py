"""The formats of boxes by name, and which one a file or folder is in.

Writers take an empty folder, the data set and a function that returns where each picture's file
is; readers take a file or folder. They are loaded when they are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset
from reelabel.errors import FormatError, few
from reelabel.file_kinds import special_kind
from reelabel.files import read_text
from reelabel.formats.checked import load_json
from reelabel.formats.detections_txt import is_header
from reelabel.formats.fiftyone_samples import SAMPLES
from reelabel.formats.label_studio_regions import OF_ANNOTATION
from reelabel.formats.listing import visible
from reelabel.formats.xml_files import xml_tag
from reelabel.formats.yolo_labels import CLASS_LISTS

COCO, DETECTIONS_TXT = "coco", "detections-txt"
_HERE = "reelabel.formats"

BOX_WRITERS: Mapping[str, str] = {
    COCO: f"{_HERE}.coco_folder:write_coco_folder",
    "yolo": f"{_HERE}.yolo:write_yolo",
    "voc": f"{_HERE}.voc:write_voc",
    "cvat": f"{_HERE}.cvat:write_cvat",
    "cvat-video": f"{_HERE}.cvat_video:write_cvat_video",
    "mot": f"{_HERE}.mot:write_mot",
    "label-studio": f"{_HERE}.label_studio:write_label_studio",
    "label-studio-video": f"{_HERE}.label_studio:write_label_studio_video",
    "fiftyone": f"{_HERE}.fiftyone_boxes:write_fiftyone_boxes",
    "parquet": f"{_HERE}.parquet:write_parquet",
}
"""Where the writer of each format stands."""

BOX_READERS: Mapping[str, str] = {
    COCO: f"{_HERE}.coco_folder:read_coco_folder",
    "yolo": f"{_HERE}.yolo:read_yolo",
    "voc": f"{_HERE}.voc:read_voc",
    "cvat": f"{_HERE}.cvat:read_cvat",
    "cvat-video": f"{_HERE}.cvat:read_cvat",
    "mot": f"{_HERE}.mot:read_mot",
    "label-studio": f"{_HERE}.label_studio_tasks:read_label_studio",
    "label-studio-video": f"{_HERE}.label_studio_tasks:read_label_studio",
    "fiftyone": f"{_HERE}.fiftyone_boxes:read_fiftyone_boxes",
    "parquet": f"{_HERE}.parquet:read_parquet",
}
"""Where the reader of each format stands; the two of CVAT and of Label Studio are the same."""

IMPORTED = (*BOX_READERS, DETECTIONS_TXT)
"""The formats that `import` takes."""
_MOT_LINE = re.compile(r"(?:\s*[-+0-9.e]+\s*,){2}", re.IGNORECASE)
"""Frame and track, with which each line of MOTChallenge begins."""

_FOLDERS = (
    ("parquet", ("labels.parquet",)),
    ("label-studio", ("tasks.json",)),
    ("yolo", ("*.yaml", "*.yml")),
    ("voc", ("Annotations/**/*.xml",)),
    ("mot", ("gt/gt.txt", "*/gt/gt.txt", "*/*/gt/gt.txt", "det/det.txt", "*/det/det.txt")),
    (COCO, ("annotations/*.json", "*/_annotations.coco.json")),
    ("fiftyone", ("labels.json", "*/labels.json", SAMPLES)),
    ("parquet", ("*.parquet",)),
    ("yolo", CLASS_LISTS),
)
"""The files by which a folder is recognised; the first that fits decides."""


def read_boxes(path: Path, name: str, **how: Any) -> Dataset:
    """Return what a file or folder of a named format holds.

    Args:
        path: the file or folder.
        name: one of `BOX_READERS`.
        how: arguments of that reader.

    Raises:
        FormatError: if it is damaged.
    """
    module, _, function = BOX_READERS[name].partition(":")
    read: Callable[..., Dataset] = getattr(import_module(module), function)
    return read(path, **how)


def detect_format(path: Path) -> str:
    """Return the name of the format that a file or folder is in, by what it holds.

    Raises:
        FormatError: if there is no such file, or it is in none of the formats.
    """
    if path.is_dir():
        return _format_of_folder(path)
    if not path.is_file():
        came = f"it is {kind}" if (kind := special_kind(path)) else "there is none"
        raise FormatError(f"{path}: expected a label file or folder, but {came}")
    kinds: dict[str, Callable[[Path], str | None]] = {
        ".json": _format_of_json,
        ".xml": _format_of_xml,
        ".txt": _format_of_text,
        ".parquet": lambda _: "parquet",
        ".yaml": lambda _: "yolo",
        ".yml": lambda _: "yolo",
    }
    suffix = path.suffix.lower()
    if suffix in {".zip", ".gz", ".tar", ".7z"}:
        raise FormatError(f"{path}: expected label files, but it is an archive: unpack it first")
    found = kinds[suffix](path) if suffix in kinds else None
    if found is None:
        raise FormatError(
            f"{path}: expected a file of one of the formats {', '.join(IMPORTED)}, but its content "
            "is of none: name it with --format"
        )
    return found


def _format_of_folder(path: Path) -> str:
    for name, patterns in _FOLDERS:
        if any(any(visible(path, pattern)) for pattern in patterns):
            return name if name != "fiftyone" else _format_of_labels(path)
    files = sorted(visible(path, "*.json"))
    found = _format_of_xmls(path) or (_format_of_json(files[0]) if files else None)
    if found is None:
        names = [each.name for each in sorted(path.iterdir())]
        there = f"it holds {few(names)}" if names else "it is empty"
        raise FormatError(
            f"{path}: expected label files of one of the formats {', '.join(BOX_READERS)}, but "
            f"{there}: name the folder that holds them, or the format with --format"
        )
    return found


def _format_of_xmls(path: Path) -> str | None:
    """Return the format of the XML files of a folder: those of CVAT lie in itself."""
    for pattern in ("*.xml", "**/*.xml"):
        first = min(visible(path, pattern), default=None)
        tag = "" if first is None else xml_tag(first)
        if tag == "annotation" or (tag == "annotations" and pattern == "*.xml"):
            return "voc" if tag == "annotation" else "cvat"
    return None


def _format_of_labels(folder: Path) -> str:
    """Return the format of the labels.json of a folder: FiftyOne writes COCO by that name too."""
    files = [*visible(folder, "labels.json"), *sorted(visible(folder, "*/labels.json"))]
    return (_format_of_json(files[0]) if files else None) or "fiftyone"


def _format_of_json(path: Path) -> str | None:
    raw = load_json(path)
    if isinstance(raw, dict):
        labels = isinstance(raw.get("labels"), dict) or isinstance(raw.get("samples"), list)
        if labels and "images" not in raw:
            return "fiftyone"
        # The reader of COCO explains what is missing.
        return COCO
    first = raw[0] if isinstance(raw, list) and raw else None
    tasks = isinstance(first, dict) and {"data", "annotations", OF_ANNOTATION} & set(first)
    return "label-studio" if tasks else COCO


def _format_of_xml(path: Path) -> str | None:
    tag = xml_tag(path)
    if tag == "annotation":
        raise FormatError(
            f"{path}: expected a folder of VOC annotations, but it is one of them: name its folder"
        )
    return "cvat" if tag == "annotations" else None


def _format_of_text(path: Path) -> str | None:
    first = next((line for line in read_text(path).split("\n") if line.strip()), "")
    if _MOT_LINE.match(first):
        return "mot"
    return DETECTIONS_TXT if is_header(first) or not first else None
