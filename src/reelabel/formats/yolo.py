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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.errors import FormatError
from reelabel.files import copy_file, new_folder, read_text, safe_join, write_text
from reelabel.formats.checked import Box
from reelabel.formats.pictures import (
    PICTURE_SUFFIXES,
    picture_size_wh,
    picture_suffix,
    size_wh,
    unique_stems,
)
from reelabel.formats.side import read_side, write_side

SPLITS = ("train", "val", "test")
_YAML_LIMIT = 4 * 2**20
_BOX_FIELDS, _SCORED_FIELDS = 5, 6

Pictures = Callable[[ImageEntry], Path]


def write_yolo(folder: Path, dataset: Dataset, pictures: Pictures) -> None:
    """Write a YOLO folder; pictures are hard links where the file system can, else copies.

    Pictures of no split go to train. A box that reaches beyond its picture is cut at the edge if
    YOLO's shares would leave 0..1, for readers drop whole pictures over that. Regions to ignore,
    negatives, and objects with nothing inside the picture go to the side file.

    Args:
        folder: new or empty.
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
    listed: list[tuple[str, BoxEntry]] = []
    stems = unique_stems(dataset.images)
    numbers = {name: i for i, name in enumerate(dataset.classes)}
    each = zip(dataset.images, dataset.boxes_by_image(), stems, splits, strict=True)
    for image, boxes, stem, split in each:
        source = pictures(image)
        name = f"images/{split}/{stem}{picture_suffix(source)}"
        copy_file(source, folder / name)
        lines, rest = _lines(boxes, size_wh(image, source), numbers)
        write_text(folder / "labels" / split / f"{stem}.txt", "".join(lines), atomic=False)
        listed += [(name, box) for box in rest]
    write_side(folder, dataset.classes, listed)
    _write_yaml(folder, dataset.classes, splits)


def _split(image: ImageEntry) -> str:
    split = image.split or "train"
    if split not in SPLITS:
        raise FormatError(f"expected a split among {SPLITS}, but got '{split}': rename it")
    return split


def _lines(
    boxes: Sequence[BoxEntry], picture_wh: tuple[int, int], numbers: dict[str, int]
) -> tuple[list[str], list[BoxEntry]]:
    """Return the label lines of a picture, and the boxes that have no line."""
    lines, rest = [], []
    for box in boxes:
        shares = _shares(box.xywh, picture_wh) if box.state == "positive" else None
        if shares is None:
            rest.append(box)
        else:
            # Ten digits: a hundred-thousandth of a pixel in the largest pictures.
            values = " ".join(f"{share:.10f}" for share in shares)
            lines.append(f"{numbers[box.category]} {values}\n")
    return lines, rest


def _shares(xywh: Box, picture_wh: tuple[int, int]) -> Box | None:
    """Return centre and size as shares in 0..1, None if nothing lies in the picture."""
    x, y, w, h = xywh
    width, height = picture_wh
    shares = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
    if all(0 <= share <= 1 for share in shares):
        return shares
    left, right = max(x, 0.0), min(x + w, width)
    top, bottom = max(y, 0.0), min(y + h, height)
    if not (left < right and top < bottom):
        return None
    centre = ((left + right) / 2 / width, (top + bottom) / 2 / height)
    return (*centre, (right - left) / width, (bottom - top) / height)


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


def read_yolo(folder: Path) -> Dataset:
    """Read a YOLO folder; pictures give the sizes, and without label file they are background.

    Of polygons the bounding box is taken, of a sixth number (a score) the score.

    Raises:
        FormatError: if ``data.yaml``, a label line or a picture is wrong, or a path in it leaves
            the folder; it says where, and what was expected.
    """
    path = folder / "data.yaml"
    content = _load_yaml(path)
    classes = _names(path, content.get("names"))
    found = _found_pictures(folder, content)
    images: list[ImageEntry] = []
    boxes: list[BoxEntry] = []
    for picture, split in found.items():
        name = picture.relative_to(folder).as_posix()
        picture_wh = picture_size_wh(picture)
        labels = _labels_path(folder, name)
        if labels.is_file():
            boxes += read_yolo_labels(labels, classes, picture_wh, image=len(images))
        images.append(ImageEntry(name, *picture_wh, split=split))
    _, rest = read_side(folder, [image.file_name for image in images])
    _check_classes(folder, classes, rest)
    return Dataset(classes, tuple(images), (*boxes, *rest))


def _check_classes(folder: Path, classes: Sequence[str], boxes: Sequence[BoxEntry]) -> None:
    unknown = sorted({box.category for box in boxes} - set(classes))
    if unknown:
        raise FormatError(
            f"{folder}/ignore.json: expected the classes of data.yaml ({', '.join(classes)}), "
            f"but got {', '.join(unknown)}; correct or remove it"
        )


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


def _found_pictures(folder: Path, content: dict[str, Any]) -> dict[Path, str]:
    """Return the split of each picture; one that stands in two belongs to the first."""
    if "valid" in content:
        content = {"val": content["valid"]} | content
    if not set(SPLITS) & set(content):
        raise FormatError(
            f"{folder}/data.yaml: expected 'train', 'val' or 'test', but got {list(content)}"
        )
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
    path: Path, classes: Sequence[str], picture_wh: tuple[int, int], *, image: int = 0
) -> list[BoxEntry]:
    """Return the boxes of one label file, in pixels of a picture of that size.

    Raises:
        FormatError: naming the line that is wrong, and what was expected.
    """
    boxes = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if fields := line.split():
            where = f"{path}: line {number}"
            category = _category(where, fields[0], classes)
            (cx, cy, w, h), score = _parsed(where, fields)
            width, height = picture_wh
            xywh = ((cx - w / 2) * width, (cy - h / 2) * height, w * width, h * height)
            boxes.append(BoxEntry(image, category, xywh, score))
    return boxes


def _category(where: str, field: str, classes: Sequence[str]) -> str:
    # Some exports write the number with a decimal point.
    text = field.removesuffix(".0")
    number = int(text[:9]) if text.isascii() and text.isdigit() else len(classes)
    if number >= len(classes):
        raise FormatError(
            f"{where}: expected a class number below {len(classes)}, but got {field[:40]!r}; "
            "correct it, or 'names' in data.yaml"
        )
    return classes[number]


def _parsed(where: str, fields: Sequence[str]) -> tuple[Box, float | None]:
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


def _shares_in(fields: Sequence[str]) -> tuple[Box, float | None]:
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
