"""YOLO data set folders (https://docs.ultralytics.com/datasets/detect), read and written.

::

    data.yaml                 names, and the pictures' folders: train, val, test
    images/<split>/<name>.jpg
    labels/<split>/<name>.txt one object a line: class, centre x, centre y, width, height,
                              as shares of the picture; empty: a background picture
    ignore.json               what YOLO cannot hold (see `reelabel.formats.side`)

Read are also folders without ``data.yaml`` that list their classes one a line, in ``classes.txt``
as Label Studio and labelImg do or in ``obj.names`` as Darknet, CVAT and FiftyOne do, and folders
of labels alone.

YOLO has no place for scores and origins of labels, for what a picture is a frame of, nor for
classes that a picture was not searched for: COCO keeps these.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import ConfigError, FormatError, counted, few
from reelabel.files import new_folder, read_text, safe_join, write_text
from reelabel.formats.copied import SPLIT_NAMES, SPLITS, Pictures, copied_pictures, split_in
from reelabel.formats.entries import Entry, dataset_of
from reelabel.formats.listing import visible
from reelabel.formats.pictures import UNKNOWN_SIDE, picture_files, picture_size_wh
from reelabel.formats.side import read_side, write_side
from reelabel.formats.yolo_labels import CLASS_LISTS, KptShape, holds_labels, read_yolo_labels
from reelabel.yaml_text import plain_values

_YAML_LIMIT = 4 * 2**20
_YAML = (".yaml", ".yml")
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
        # Some signs that are not printed, PyYAML reads back as spaces where they stand unescaped.
        plain = all(map(str.isprintable, classes))
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=plain)
        write_text(folder / "data.yaml", text)
    except (yaml.YAMLError, UnicodeError) as exc:
        raise FormatError(f"expected class names that are text, but {exc}: rename them") from exc


def read_yolo(path: Path) -> Dataset:
    """Read a YOLO folder; pictures give the sizes, and without label file they are background.

    Of polygons the bounding box is taken, of a sixth number (a score) the score, of lines with key
    points the box. A split whose folder is missing is left out if another one is there; where the
    file names no split, pictures are looked for in ``images`` and ``<split>/images``.
    `Dataset.not_read` names what was left out, label files without a picture too. If there is no
    picture at all, each label file is of one, of which nothing but the name is known.

    Args:
        path: the folder, or the YAML file in it where that is not called ``data.yaml``, or the list
            of its classes.

    Raises:
        FormatError: if ``data.yaml``, a label line or a picture is wrong, or a path in it leaves
            the folder; the message names the place and what was expected.
    """
    path = _description(path)
    folder = path.parent
    content = _load_yaml(path) if path.suffix.lower() in _YAML else _listed_classes(path)
    classes, kpt_shape = _names(path, content.get("names")), _kpt_shape(path, content)
    if not picture_files(folder, "**/*"):
        return _of_labels_alone(path, classes, kpt_shape)
    found = _found(path, content)
    names = {picture: picture.relative_to(folder).as_posix() for picture in found.pictures}
    labels = {picture: _labels_path(folder, name) for picture, name in names.items()}
    _check_labelled(folder, list(labels.values()))
    side = _side(folder, names.values(), classes)
    images: list[ImageEntry] = []
    entries: list[list[Entry]] = []
    for picture, split in found.pictures.items():
        image = ImageEntry(names[picture], *picture_size_wh(picture), split=split)
        own = read_yolo_labels(labels[picture], classes, image.size_wh, kpt_shape=kpt_shape)
        entries.append([*own, *side.get(image.file_name, ())])
        images.append(image)
    not_read = (*found.missing, *_without_picture(folder, found.folders, set(labels.values())))
    return replace(dataset_of(classes, images, entries), not_read=not_read)


def _of_labels_alone(path: Path, classes: tuple[str, ...], kpt_shape: KptShape | None) -> Dataset:
    """Return what the label files of a folder without any picture hold; see `UNKNOWN_SIDE`.

    Raises:
        FormatError: if there are no label files in its folders, or one is wrong.
    """
    folder, unknown = path.parent, (UNKNOWN_SIDE, UNKNOWN_SIDE)
    labels = {_picture_name(each.relative_to(folder)): each for each in _texts_below(folder)}
    if not labels:
        raise FormatError(
            f"{path}: expected pictures or label files in the folders of {folder}, but there are "
            "none"
        )
    images = [ImageEntry(name, *unknown, split=split_in(Path(name).parent)) for name in labels]
    side = _side(folder, labels, classes)
    entries = [
        [*read_yolo_labels(each, classes, unknown, kpt_shape=kpt_shape), *side.get(name, ())]
        for name, each in labels.items()
    ]
    return dataset_of(classes, images, entries)


def _texts_below(folder: Path) -> list[Path]:
    """Return the texts in the folders of a folder; in itself there are lists of other things."""
    return sorted(path for path in visible(folder, "**/*.txt") if path.parent != folder)


def _picture_name(labels: Path) -> str:
    """Return the usual name of the picture that a label file is of."""
    parts = ["images" if part == "labels" else part for part in labels.parent.parts]
    return Path(*parts, f"{labels.stem}.jpg").as_posix()


def _check_labelled(folder: Path, labels: Sequence[Path]) -> None:
    """Refuse pictures of which none has a label file: their labels lie in another place."""
    if labels and not any(each.is_file() for each in labels):
        raise FormatError(
            f"{folder}: expected a label file for at least one of {len(labels)} pictures, but "
            f"there is none, such as {labels[0]}; put the labels there, or an empty file for each "
            "background picture"
        )


def _without_picture(folder: Path, homes: Iterable[Path], used: set[Path]) -> Iterator[str]:
    """Yield a sentence on the label files beside those that are used, if there are any."""
    places = {_labels_path(folder, (each / "x").relative_to(folder).as_posix()) for each in homes}
    found = {path for each in places for path in visible(each.parent, "**/*.txt")} - used
    if lost := sorted(path for path in found if holds_labels(path)):
        names = few([path.relative_to(folder).as_posix() for path in lost])
        yield f"{counted(len(lost), 'label file')} without a picture left out: {names}"


def _description(path: Path) -> Path:
    """Return the description of a data set: the file that is named, or that of a folder."""
    if not path.is_dir():
        return path
    usual = path / "data.yaml"
    others = sorted((*path.glob("*.yaml"), *path.glob("*.yml")))
    if not others:
        others = sorted(each for pattern in CLASS_LISTS for each in visible(path, pattern))
    return others[0] if len(others) == 1 and not usual.is_file() else usual


def _listed_classes(path: Path) -> dict[str, Any]:
    """Return what a list of classes, one a line, describes."""
    return {"names": [line.strip() for line in read_text(path).split("\n") if line.strip()]}


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
    text = read_text(path, _YAML_LIMIT)
    try:
        content = plain_values(text, str(path))
    except ConfigError as exc:
        raise FormatError(str(exc)) from exc
    if not isinstance(content, dict):
        raise FormatError(f"{path}: expected 'names' and 'train', but it is no mapping")
    # As text, a class called no is not False, and one called 1.10 not 1.1.
    return content | {"names": plain_values(text, str(path), yaml.BaseLoader).get("names")}


def _names(path: Path, given: object) -> tuple[str, ...]:
    """Return the class names, which are a list, or a mapping from each number."""
    if isinstance(given, list):
        given = dict(enumerate(given))
    if isinstance(given, dict):
        names = {str(key): name for key, name in given.items()}
        named = all(isinstance(name, str) for name in names.values())
        if named and set(names) == {str(i) for i in range(len(names))}:
            return tuple(names[str(i)] for i in range(len(names)))
    raise FormatError(f"{path}: expected 'names' as a list, or a mapping from 0 up, of class names")


def _kpt_shape(path: Path, content: dict[str, Any]) -> KptShape | None:
    """Return how many key points each object has, and values each; None without key points."""
    given = content.get("kpt_shape")
    if given is None:
        return None
    pair = given if isinstance(given, list) and list(map(type, given)) == [int, int] else (0, 0)
    if pair[0] < 1 or pair[1] not in {2, 3}:
        raise FormatError(
            f"{path}: expected 'kpt_shape' as [number of key points, 2 or 3], but got "
            f"{str(given)[:80]!r}; correct it"
        )
    return pair[0], pair[1]


@dataclass
class _Found:
    """What a description leads to.

    `pictures`: the split of each; one that stands in two belongs to the first. `folders`: those
    that it names. `missing`: a sentence on each place that is not there.
    """

    pictures: dict[Path, str] = field(default_factory=dict)
    folders: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def add(self, folder: Path, place: Path, split: str) -> None:
        """Add the pictures of a folder, by name, or of a list, in its order."""
        if place.is_file():
            lines = map(str.strip, read_text(place).split("\n"))
            pictures = [_listed(folder, place, line) for line in lines if line]
        else:
            pictures = picture_files(place, "**/*")
            self.folders.append(place)
        for picture in pictures:
            self.pictures.setdefault(picture, split)


def _found(path: Path, content: dict[str, Any]) -> _Found:
    folder, found = path.parent, _Found()
    if "valid" in content:
        content = {"val": content["valid"]} | content
    if not set(SPLITS) & set(content):
        return _usual_folders(path, content)
    for split in SPLITS:
        given = content.get(split)
        for each in given if isinstance(given, list) else [given]:
            place = _place(folder, content.get("path"), split, each) if each is not None else None
            if place is not None:
                found.add(folder, place, split)
            elif each is not None:
                found.missing.append(
                    f"{path}: expected '{split}' to name a folder or list inside {folder}, but got "
                    f"{str(each)[:200]!r}"
                )
    # Exports often name a split that has no pictures.
    if found.missing and not found.pictures:
        raise FormatError(f"{found.missing[0]}; correct it")
    found.missing = [f"{each}: left out" for each in found.missing]
    return found


def _usual_folders(path: Path, content: dict[str, Any]) -> _Found:
    """Return the pictures of the usual folders, for a description that names none.

    Beside a list of classes they may lie anywhere, each with its labels.
    """
    folder, found = path.parent, _Found()
    homes = [folder / "images", *(folder / name / "images" for name in SPLIT_NAMES)]
    homes = [home for home in homes if home.is_dir()]
    listed = _listed_splits(folder)
    if not homes and path.suffix.lower() not in _YAML:
        homes = [folder]
    for home in homes:
        found.folders.append(home)
        for picture in picture_files(home, "**/*"):
            own = split_in(picture.relative_to(folder).parent)
            found.pictures[picture] = own or listed.get(picture, "")
    if not found.pictures:
        raise FormatError(
            f"{path}: expected 'train', 'val' or 'test', or pictures in {folder / 'images'}, but "
            f"got {list(content)}"
        )
    return found


def _place(folder: Path, base: object, split: str, given: object) -> Path | None:
    """Return the folder or list that is meant, in the data set's folder; None if there is none.

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
    return None


def _listed(folder: Path, place: Path, name: str) -> Path:
    """Return a picture that a list names.

    Many lists name it by a path of another machine, or from a folder above: then the longest end of
    the path that leads to a picture counts.
    """
    parts = [part for part in PureWindowsPath(name).parts if part not in {".", ".."}]
    for candidate in (name, *("/".join(parts[i:]) for i in range(len(parts)))):
        with contextlib.suppress(FormatError):
            path = safe_join(folder, candidate)
            if path.is_file():
                return path
    raise FormatError(f"{place}: expected pictures inside {folder}, but {name!r} is none")


def _listed_splits(folder: Path) -> dict[Path, str]:
    """Return the split of each picture that the lists of Darknet name, such as ``train.txt``."""
    found: dict[Path, str] = {}
    for name, split in SPLIT_NAMES.items():
        place = folder / f"{name}.txt"
        for line in read_text(place).split("\n") if split and place.is_file() else ():
            with contextlib.suppress(FormatError):
                found.setdefault(_listed(folder, place, line.strip()), split)
    return found


def _labels_path(folder: Path, name: str) -> Path:
    """Return where the labels of a picture are: its last folder ``images`` named ``labels``."""
    parts = list(PurePosixPath(name).with_suffix(".txt").parts)
    places = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return folder.joinpath(*parts)
