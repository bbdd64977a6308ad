"""Folders in the layout of FiftyOne's `FiftyOneImageClassificationDataset`, one for each split.

    train/data/3f2a_0.jpg ...
    train/labels.json    {"classes": ["indoor", "outdoor"], "labels": {"3f2a_0": 0}}

Where several classes may be right, a picture has a list of them, and what is not in it is not
right. FiftyOne itself writes names where a file lists no classes, objects such as ``{"label": 0,
"confidence": 0.9}`` where it keeps more than the class, and null for a picture without a label. The
format is documented at https://docs.voxel51.com under "FiftyOneImageClassificationDataset".
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from reelabel.data.class_dataset import ClassDataset
from reelabel.data.tag_rows import NONE, TagRow
from reelabel.errors import FormatError
from reelabel.files import new_folder, write_text
from reelabel.formats.checked import bad, load_json
from reelabel.formats.class_export import (
    Parts,
    PicturePath,
    class_names,
    copy_flat,
    moment_names,
    only_class,
    picture_claim,
    positive_classes,
    write_left_out,
)
from reelabel.formats.fiftyone_samples import CLASSES, SAMPLES, read_samples
from reelabel.formats.listing import visible
from reelabel.formats.pictures import pictures_by_key

LABELS = "labels.json"


def write_fiftyone(folder: Path, parts: Parts, picture_path: PicturePath) -> None:
    """Write a folder for each split with copies of the pictures; of windows every picture.

    Moments of which nothing is known are listed in ``left_out.csv``; a class that is only known to
    be wrong counts as one that is not right.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        parts: the data set of each split.
        picture_path: where the file of a picture lies.

    Raises:
        UsageError: if one of exclusive classes is not alone, or the folder holds something.
        FormatError: for an unknown split, or a picture that is missing or of an unusual kind.
        WorkspaceError: if the file system refuses.
    """
    classes = class_names(parts)
    new_folder(folder)
    names = moment_names(parts)
    left_out: list[tuple[str, int, str]] = []
    for split, data in parts.items():
        labels: dict[str, int | list[int]] = {}
        (folder / split / "data").mkdir(parents=True)
        for number, pictures in enumerate(data.pictures):
            target = _target(data, number)
            if target is None:
                left_out.append((split, number, "its classes are not known"))
                continue
            place = folder / split / "data"
            copied = copy_flat(place, names[split][number], pictures, picture_path)
            labels |= {Path(name).stem: target for name in copied}
        content = {"classes": list(classes), "labels": labels}
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_text(folder / split / LABELS, text, atomic=False)
    write_left_out(folder, parts, left_out)


def _target(data: ClassDataset, number: int) -> int | list[int] | None:
    """Return what the file holds for a moment, None if nothing is known of it."""
    if data.exclusive:
        return only_class(data, number)
    known = (data.target[number] >= 0).any()
    return positive_classes(data, number) if known else None


def fiftyone_contents(path: Path) -> dict[Path, Mapping[str, Any]]:
    """Return what each ``labels.json`` of a folder, or of its splits, holds, if of this layout.

    A folder in FiftyOne's own format holds one file, see `reelabel.formats.fiftyone_samples`.

    Raises:
        FormatError: if that file is damaged, or it is open which field holds the classes.
    """
    samples = path / SAMPLES if path.is_dir() else path
    if samples.name == SAMPLES and samples.is_file():
        return {samples: read_samples(samples, CLASSES)}
    files = [path / LABELS, *sorted(visible(path, f"*/{LABELS}"))] if path.is_dir() else [path]
    named = (file for file in files if file.name == LABELS and file.is_file())
    contents = {file: _content(file) for file in named}
    return {file: raw for file, raw in contents.items() if isinstance(raw.get("labels"), dict)}


def _content(file: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds, empty if it is no JSON or holds something else."""
    try:
        raw = load_json(file)
    except FormatError:  # a table of tags may have this name; its reader names what is wrong
        return {}
    return raw if isinstance(raw, dict) else {}


def read_fiftyone(file: Path, raw: Mapping[str, Any]) -> Iterator[TagRow]:
    """Yield what a ``labels.json`` claims of each picture that has a label.

    Args:
        file: its path, for messages and to find the pictures beside it.
        raw: what it holds; see `fiftyone_contents`.

    Raises:
        FormatError: naming the entry that is wrong, and what was expected.
    """
    classes = raw.get("classes") or []
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise bad(f"{file}: 'classes'", "a list of names", classes)
    labels = raw["labels"]
    names = _names(file.parent / "data", labels)
    for key, given in labels.items():
        where = f"{file}: labels[{key!r}]"
        for category, right in _claims(where, given, classes):
            yield picture_claim(names[key], category, where, right=right)


def _names(folder: Path, keys: Iterable[str]) -> dict[str, str]:
    """Return the file name of each key's picture, with its folders where others have that name."""
    pictures = pictures_by_key(folder)
    found = dict[str, PurePosixPath]()
    for key in keys:
        plain = key.replace("\\", "/")
        there = pictures.get(plain) or pictures.get(plain.rpartition("/")[2])
        # A key without suffix may hold dots, which begin none.
        found[key] = PurePosixPath(there.relative_to(folder).as_posix() if there else plain)
    count = Counter(place.name for place in found.values())
    return {
        key: place.name if count[place.name] == 1 else str(place) for key, place in found.items()
    }


def _claims(where: str, given: object, classes: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Yield each class that an entry is about, and whether it is right."""
    if given is None:
        return
    if not isinstance(given, list):
        yield _name(where, given, classes), True
        return
    right = [_name(where, each, classes) for each in given]
    yield from ((name, True) for name in right or [NONE])
    yield from ((name, False) for name in classes if right and name not in right)


def _name(where: str, given: object, classes: Sequence[str]) -> str:
    """Return the class of a label: its name, its number, or an object that holds one of them."""
    label = given.get("label") if isinstance(given, dict) else given
    if isinstance(label, str) and label:
        return label
    number = -1 if isinstance(label, bool) or not isinstance(label, int) else label
    if not 0 <= number < len(classes):
        raise bad(where, f"a class, or its number below {len(classes)}", given)
    return classes[number]
