"""YOLO data set folders (https://docs.ultralytics.com/datasets/detect), read and written.

::

    data.yaml                 names, and the pictures' folders: train, val, test
    images/<split>/<name>.jpg
    labels/<split>/<name>.txt one object a line: class, centre x, centre y, width, height,
                              as shares of the picture; empty: a background picture
    ignore.json               what YOLO cannot hold (see `reelabel.formats.side`)

YOLO has no place for scores and origins of labels, for what a picture is a frame of, nor for
classes that a picture was not searched for: COCO keeps these.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import FormatError
from reelabel.files import new_folder, read_text, safe_join, write_text
from reelabel.formats.copied import SPLITS, Pictures, copied_pictures
from reelabel.formats.entries import Entry, Four, dataset_of
from reelabel.formats.pictures import (
    PICTURE_SUFFIXES,
    picture_size_wh,
)
from reelabel.formats.side import read_side, write_side

_YAML_LIMIT = 4 * 2**20
_BOX_FIELDS, _SCORED_FIELDS = 5, 6
_UNIT = 10**10
"""Ten decimals of a share: a hundred-thousandth of a pixel in the largest pictures."""


def write_yolo(folder: Path, dataset: Dataset, pictures: Pictures) -> None:
    """Write a YOLO folder with copies of the pictures.

    Pictures of no split go to train. Boxes are clipped to their pictures. Regions to ignore and
    negatives go to the side file.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        dataset: what to write.
        pictures: where the picture file of an image lies.

    Raises:
        FormatError: for a split that is none of train, val, test, or a picture that is missing or
            of a kind that YOLO readers do not find.
        UsageError: if the folder holds files already.
        WorkspaceError: if the file system refuses.
    """
    splits = [_split(image) for image in dataset.images]
    new_folder(folder)
    listed: list[tuple[str, Entry]] = []
    for one in copied_pictures(folder, dataset, pictures, "images/{split}"):
        lines = [_line(entry, one.size_wh) for entry in one.entries if entry.state == POSITIVE]
        place = folder / "labels" / one.split / f"{one.stem}.txt"
        write_text(place, "".join(lines), atomic=False)
        listed += [(one.name, entry) for entry in one.entries if entry.state != POSITIVE]
    write_side(folder, dataset.classes, listed)
    _write_yaml(folder, dataset.classes, splits)


def _split(image: ImageEntry) -> str:
    split = image.split or "train"
    if split not in SPLITS:
        raise FormatError(f"expected a split among {SPLITS}, but got '{split}': rename it")
    return split


def _line(entry: Entry, picture_wh: tuple[int, int]) -> str:
    """Return the label line of a box: class, centre and size as shares of the picture."""
    spans = [_span(entry.xyxy[i], entry.xyxy[i + 2], picture_wh[i]) for i in (0, 1)]
    shares = [share for pair in zip(*spans, strict=True) for share in pair]
    values = " ".join(f"{share / _UNIT:.10f}" for share in shares)
    return f"{entry.class_id} {values}\n"


def _span(low: float, high: float, side: int) -> tuple[int, int]:
    """Return centre and size as whole units of a share, so that both edges stay in 0..1."""
    centre = round((low + high) / 2 / side * _UNIT)
    return centre, min(round((high - low) / side * _UNIT), 2 * centre, 2 * (_UNIT - centre))


def _write_yaml(folder: Path, classes: Sequence[str], splits: Sequence[str]) -> None:
    # Readers ask for train and val even where there is nothing to validate on.
    used = [split for split in SPLITS if split != "test" or split in splits]
    for split in used:
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
        (folder / "labels" / split).mkdir(parents=True, exist_ok=True)
    content: dict[str, object] = {split: f"images/{split}" for split in used}
    content |= {"nc": len(classes), "names": list(classes)}
    try:
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write_text(folder / "data.yaml", text)
    except (yaml.YAMLError, UnicodeError) as exc:
        raise FormatError(f"expected class names that are text, but {exc}: rename them") from exc


def read_yolo(path: Path) -> Dataset:
    """Read a YOLO folder; pictures give the sizes, and without label file they are background.

    Of polygons the bounding box is taken, of a sixth number (a score) the score.

    Args:
        path: the folder, or the YAML file in it where that is not called ``data.yaml``.

    Raises:
        FormatError: if ``data.yaml``, a label line or a picture is wrong, or a path in it leaves
            the folder; the message names the place and what was expected.
    """
    path = _yaml_file(path)
    folder = path.parent
    content = _load_yaml(path)
    classes = _names(path, content.get("names"))
    pictures = _found_pictures(path, content)
    names = {picture: picture.relative_to(folder).as_posix() for picture in pictures}
    labels = {picture: _labels_path(folder, name) for picture, name in names.items()}
    if pictures and not any(each.is_file() for each in labels.values()):
        first = next(iter(labels.values()))
        raise FormatError(
            f"{folder}: expected a label file for at least one of {len(pictures)} pictures, but "
            f"there is none, such as {first}; put the labels there, or an empty file for each "
            "background picture"
        )
    side = _side(folder, names.values(), classes)
    images: list[ImageEntry] = []
    entries: list[list[Entry]] = []
    for picture, split in pictures.items():
        image = ImageEntry(names[picture], *picture_size_wh(picture), split=split)
        own = read_yolo_labels(labels[picture], classes, image.size_wh)
        entries.append([*own, *side.get(image.file_name, ())])
        images.append(image)
    return dataset_of(classes, images, entries)


def _yaml_file(path: Path) -> Path:
    """Return the description of a data set: the file that is named, or that of a folder."""
    if not path.is_dir():
        return path
    others = sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
    usual = path / "data.yaml"
    return others[0] if len(others) == 1 and not usual.is_file() else usual


def _side(folder: Path, names: Iterable[str], classes: Sequence[str]) -> dict[str, list[Entry]]:
    """Return the boxes of the side file by picture, with class ids of ``data.yaml``."""
    own, found = read_side(folder, names)
    used = {own[entry.class_id] for entries in found.values() for entry in entries}
    if unknown := sorted(used - set(classes)):
        raise FormatError(
            f"{folder}/ignore.json: expected the classes of data.yaml ({', '.join(classes)}), "
            f"but got {', '.join(unknown)}; correct or remove it"
        )
    return {
        name: [replace(e, class_id=classes.index(own[e.class_id])) for e in entries]
        for name, entries in found.items()
    }


def _load_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(read_text(path, _YAML_LIMIT))
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise FormatError(f"{path}: expected YAML, but {exc}; correct it") from exc
    if not isinstance(content, dict):
        raise FormatError(f"{path}: expected 'names' and 'train', but it is no mapping")
    return content


def _names(path: Path, given: object) -> tuple[str, ...]:
    """Return the class names, which are a list, or a mapping from each number."""
    if isinstance(given, list):
        given = dict(enumerate(given))
    if isinstance(given, dict):
        names = {str(key): str(value) for key, value in given.items()}
        if set(names) == {str(i) for i in range(len(names))}:
            return tuple(names[str(i)] for i in range(len(names)))
    raise FormatError(f"{path}: expected 'names' as a list, or a mapping from 0 up, of class names")


def _found_pictures(path: Path, content: dict[str, Any]) -> dict[Path, str]:
    """Return the split of each picture; one that stands in two belongs to the first."""
    folder = path.parent
    if "valid" in content:
        content = {"val": content["valid"]} | content
    if not set(SPLITS) & set(content):
        raise FormatError(f"{path}: expected 'train', 'val' or 'test', but got {list(content)}")
    found: dict[Path, str] = {}
    for split in SPLITS:
        given = content.get(split)
        for each in given if isinstance(given, list) else [given]:
            place = _place(folder, content.get("path"), split, each) if each is not None else None
            for picture in _pictures(folder, place):
                found.setdefault(picture, split)
    return found


def _pictures(folder: Path, place: Path | None) -> Iterator[Path]:
    """Yield the pictures of a folder, by name, or of a list, in its order."""
    if place is None:
        return
    if place.is_file():
        lines = map(str.strip, read_text(place).split("\n"))
        yield from (_listed(folder, place, line) for line in lines if line)
    else:
        yield from sorted(p for p in place.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)


def _place(folder: Path, base: object, split: str, given: object) -> Path:
    """Return the folder or list that is meant, which must lie in the data set's folder.

    Many exports name a place that was true on another machine, or one level too high; then the
    usual layouts are looked for.
    """
    name = str(given)
    inside = [f"{base}/{name}", name] if isinstance(base, str) else [name]
    usual = [name.removeprefix("../"), f"images/{split}", f"{split}/images"]
    for candidate in (*inside, *usual):
        try:
            path = safe_join(folder, candidate)
        except FormatError:
            continue
        if path.exists():
            return path
    raise FormatError(
        f"{folder}/data.yaml: expected '{split}' to name a folder or list inside {folder}, "
        f"but got {name[:200]!r}; correct it"
    )


def _listed(folder: Path, place: Path, name: str) -> Path:
    path = safe_join(folder, name)
    if not path.is_file():
        raise FormatError(f"{place}: expected pictures inside {folder}, but {name!r} is none")
    return path


def _labels_path(folder: Path, name: str) -> Path:
    """Return where the labels of a picture are: its last folder ``images`` named ``labels``."""
    parts = list(PurePosixPath(name).with_suffix(".txt").parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return folder.joinpath(*parts)


def read_yolo_labels(
    path: Path, classes: Sequence[str], picture_wh: tuple[int, int]
) -> list[Entry]:
    """Return the boxes of one label file, in pixels of a picture of that size.

    Without the file, and in an empty one, there are none.

    Raises:
        FormatError: naming the line that is wrong, and what was expected.
    """
    width, height = picture_wh
    entries = []
    for number, line in enumerate(_label_lines(path), start=1):
        if fields := line.split():
            where = f"{path}: line {number}"
            class_id = _class_id(where, fields[0], classes)
            (cx, cy, w, h), score = _parsed(where, fields)
            xywh = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
            entries.append(Entry.from_xywh(xywh, class_id, score=score))
    return entries


def _label_lines(path: Path) -> list[str]:
    return read_text(path).splitlines() if path.is_file() else []


def _class_id(where: str, field: str, classes: Sequence[str]) -> int:
    # Some exports write the number with a decimal point.
    text = field.removesuffix(".0")
    number = int(text[:9]) if text.isascii() and text.isdigit() else len(classes)
    if number >= len(classes):
        raise FormatError(
            f"{where}: expected a class number below {len(classes)}, but got {field[:40]!r}; "
            "correct it, or 'names' in data.yaml"
        )
    return number


def _parsed(where: str, fields: Sequence[str]) -> tuple[Four, float | None]:
    """Return a line's centre and size as shares of the picture, and its score."""
    shares, score = _shares_in(fields)
    # A share may leave 0..1 a little where the edge cuts an object; pixels leave it by far.
    near = all(-1 <= v <= 2 for v in shares)  # noqa: PLR2004 -- see above
    if not near or min(shares[2:]) < 0 or not 0 <= (score or 0) <= 1:
        raise FormatError(
            f"{where}: expected class, centre x, centre y, width, height (and a score) as shares "
            f"of the picture in 0..1, but got {' '.join(fields)[:80]!r}; correct or remove it"
        )
    return shares, score


def _shares_in(fields: Sequence[str]) -> tuple[Four, float | None]:
    nothing = (math.nan, math.nan, math.nan, math.nan)
    try:
        values = [float(field) for field in fields[1:]]
    except ValueError:
        return nothing, None
    if len(fields) in {_BOX_FIELDS, _SCORED_FIELDS}:
        cx, cy, w, h = values[:4]
        return (cx, cy, w, h), values[4] if len(fields) == _SCORED_FIELDS else None
    if len(fields) <= _SCORED_FIELDS or len(values) % 2 or not all(map(math.isfinite, values)):
        return nothing, None
    x, y = values[::2], values[1::2]
    centre = ((min(x) + max(x)) / 2, (min(y) + max(y)) / 2)
    return (*centre, max(x) - min(x), max(y) - min(y)), None
