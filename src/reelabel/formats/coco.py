"""COCO object detection files (https://cocodataset.org/#format-data), read and written.

Beside what COCO defines, an image may name the ``video`` that it is a frame of, with
``frame_index`` (position among the decoded frames), ``pts`` (in the video's time base) or
``pts_time`` (seconds); ``complete_categories`` (ids or names): the only ones that are fully
annotated in it; ``time_base``: seconds per tick of ``pts``, such as ``1/600``; ``split``;
``left_out``: boxes that were not taken, in words; ``categories_without_box`` (ids or names):
classes of which the image shows objects whose shape has no box; and ``hard_negatives`` and
``ignore_regions``: lists of ``{"bbox", "category", "score", "origin"}``, boxes that are known to be
background, and regions that neither train nor count. They stand there so that a reader that has no
such states never takes them for objects; a region to ignore may as well be an annotation with
``iscrowd``. An annotation may carry ``score``, ``origin`` and ``track_id``.
"""

from __future__ import annotations

import contextlib
import json
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import IGNORE, POSITIVE, State
from reelabel.errors import FormatError
from reelabel.files import safe_join, write_text
from reelabel.formats.checked import (
    Row,
    bad,
    id_of,
    is_id,
    load_json,
    order,
    real_of,
    rows_of,
    score_of,
    text_of,
    time_base_of,
    whole_of,
    xyxy_of,
)
from reelabel.formats.coco_columns import UnusualFile, boxes_of_rows, read_rows
from reelabel.formats.coco_federated import with_searched
from reelabel.formats.coco_rows import BOX_KEYS, IMAGE_KEYS, REGIONS, coco_rows
from reelabel.formats.coco_shapes import box_around, has_shape_alone
from reelabel.formats.coco_text import coco_texts
from reelabel.formats.entries import Entry, Four, as_entries, dataset_of, to_boxes
from reelabel.formats.layout import check_layout

__all__ = ["coco_chunks", "picture_beside", "read_coco", "to_coco", "truth_pictures", "write_coco"]

DATA_FOLDER = "data"
"""Where FiftyOne puts the pictures beside a COCO file."""


def read_coco(path: Path, *, xyxy: bool | None = None) -> Dataset:
    """Read a COCO file; classes come in the order of their ids, images in that of the file.

    Ids may be sparse and need not be numbers; annotations need no id and no area. Two categories
    of one name become one class. ``iscrowd`` becomes the state ignore. An annotation without
    ``bbox`` is read as the box around its mask or key points; if they have none, its class is one
    of `ImageEntry.without_box`. Else masks are left out; other unknown keys go to `extra`. Boxes
    are clipped to their pictures; `Dataset.left_out` names those of which nothing is left. File
    names are taken as they stand: use `safe_join` before one is used as a path.

    Args:
        path: the file.
        xyxy: True if a ``bbox`` is left, top, right, bottom. None: it is left, top, width,
            height in pixels, and a file of which that cannot be true is refused. False: the same
            unchecked.

    Raises:
        FormatError: if the file is no such JSON, or an entry is wrong; the message names it and
            what was expected.
    """
    if xyxy is not True:
        with contextlib.suppress(UnusualFile):
            return _read_columns(path, checked=xyxy is None)
    raw = _load(path)
    reader = _Reader.begun(path, raw, xyxy=xyxy is True)
    rows = list(rows_of(reader.path, raw, "annotations"))
    read = (reader.read_annotation(where, row) for where, row in rows)
    drawn = [each for each in read if each is not None]
    if xyxy is None:
        check_layout(reader.path, drawn, loose=all("id" not in row for _, row in rows))
    pairs = zip(reader.shown, reader.regions, strict=True)
    data = dataset_of(reader.classes, reader.images, ([*a, *b] for a, b in pairs))
    return with_searched(reader.path, data, reader.class_id)


def _read_columns(path: Path, *, checked: bool) -> Dataset:
    """Return what `read_coco` does, of a file of the usual layout.

    Raises:
        UnusualFile: if it has another one, or something is wrong with the annotations.
    """
    rows = read_rows(path)
    reader = _Reader.begun(path, rows.raw, xyxy=False)
    names = {id_: reader.classes.index(name) for id_, name in reader.names.items()}
    sizes_wh = np.array([image.size_wh for image in reader.images], np.int64).reshape(-1, 2)
    boxes = boxes_of_rows(rows, [*reader.position], names, sizes_wh if checked else None)
    for at, regions in enumerate(reader.regions):
        if regions:
            boxes[at] = to_boxes([*as_entries(boxes[at]), *regions])
    data = Dataset(reader.classes, tuple(reader.images), tuple(boxes)).clipped()
    return with_searched(reader.path, data, reader.class_id)


def _load(path: Path) -> dict[str, Any]:
    raw: Any = load_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("images"), list):
        came = f"keys {sorted(raw)[:8]}" if isinstance(raw, dict) else type(raw).__name__
        raise FormatError(
            f"{path}: expected a COCO file with the lists 'images', 'annotations' and "
            f"'categories', but got {came}; a list alone is a result file, which names no images"
        )
    return raw


@dataclass
class _Reader:
    """What was read so far: the classes and images that later entries point to."""

    path: str
    xyxy: bool
    names: dict[object, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    images: list[ImageEntry] = field(default_factory=list)
    position: dict[object, int] = field(default_factory=dict)
    shown: list[list[Entry]] = field(default_factory=list)
    regions: list[list[Entry]] = field(default_factory=list)

    @classmethod
    def begun(cls, path: Path, raw: Row, *, xyxy: bool) -> Self:
        """Return a reader that has read categories and images."""
        reader = cls(str(path), xyxy)
        reader.read_categories(raw)
        reader.read_images(raw)
        return reader

    def read_categories(self, raw: Row) -> None:
        """Fill `names`: category id -> class name, in the order of the ids, and `classes`."""
        names: dict[object, str] = {}
        for where, row in rows_of(self.path, raw, "categories"):
            id_ = id_of(where, row, "id")
            name = row.get("name")
            if not isinstance(name, str) or not name:
                raise bad(f"{where}: 'name'", "a class name", name)
            if names.setdefault(id_, name) != name:
                raise bad(f"{where}: 'id'", "an id of its own", id_)
        self.names = dict(sorted(names.items(), key=lambda item: order(item[0])))
        self.classes = tuple(dict.fromkeys(self.names.values()))

    def read_images(self, raw: Row) -> None:
        """Fill `images`, their `position` by id, and the `regions` that stand in them."""
        for where, row in rows_of(self.path, raw, "images"):
            id_ = id_of(where, row, "id")
            if id_ in self.position:
                raise bad(f"{where}: 'id'", "an id of its own", id_)
            self.position[id_] = len(self.images)
            self.regions.append([
                each for key, state in REGIONS.items() for each in self._in(where, row, key, state)
            ])
            self.shown.append([])
            self.images.append(self._image(where, row))

    def _image(self, where: str, row: Row) -> ImageEntry:
        file_name, video = text_of(where, row, "file_name"), text_of(where, row, "video")
        if not file_name and not video:
            raise bad(where, "a 'file_name' or a 'video'", sorted(row))
        return ImageEntry(
            file_name=file_name,
            width=whole_of(where, row, "width", 0) or 0,
            height=whole_of(where, row, "height", 0) or 0,
            video=video,
            frame_index=whole_of(where, row, "frame_index", 0),
            pts=whole_of(where, row, "pts"),
            pts_time=real_of(where, row, "pts_time"),
            time_base=time_base_of(where, row),
            complete=self._classes(where, row, "complete_categories"),
            split=text_of(where, row, "split"),
            left_out=_left_out(where, row.get("left_out")),
            extra={key: value for key, value in row.items() if key not in IMAGE_KEYS},
            without_box=self._classes(where, row, "categories_without_box") or (),
        )

    def _classes(self, where: str, row: Row, key: str) -> tuple[int, ...] | None:
        where, given = f"{where}: '{key}'", row.get(key)
        if given is None:
            return None
        if not isinstance(given, list):
            raise bad(where, "a list of category ids or names", given)
        return tuple(self.class_id(where, each) for each in given)

    def class_id(self, where: str, given: object) -> int:
        """Return the class that is meant by a category's id or name."""
        if isinstance(given, str) and given in self.classes:
            return self.classes.index(given)
        if not is_id(given) or given not in self.names:  # 7.0 finds 7
            raise bad(where, f"one of the categories {reprlib.repr(self.names)}", given)
        return self.classes.index(self.names[given])

    def _in(self, where: str, row: Row, key: str, state: State) -> Iterator[Entry]:
        """Yield the regions of one state that stand in an image's own entry."""
        listed = row.get(key)
        if not isinstance(listed, list | None):
            raise bad(f"{where}: '{key}'", "a list", listed)
        for i, each in enumerate(listed or ()):
            here = f"{where}: {key}[{i}]"
            # A bare box is what trainers of one class make do with.
            entry = {"bbox": each} if isinstance(each, list) else each
            if not isinstance(entry, dict):
                raise bad(here, "an object with 'bbox' and 'category'", each)
            yield self._entry(here, entry, self._region_class(here, entry), state)

    def _region_class(self, where: str, row: Row) -> int:
        key = "category" if "category" in row else "category_id"
        # With one class there is no doubt which one it is not.
        if key not in row and len(self.classes) == 1:
            return 0
        return self.class_id(f"{where}: 'category'", row.get(key))

    def read_annotation(self, where: str, row: Row) -> tuple[ImageEntry, Four] | None:
        """Add an annotation to its image, and return that with the four numbers of the box."""
        image_id = id_of(where, row, "image_id")
        if image_id not in self.position:
            raise bad(f"{where}: 'image_id'", "the id of one of the images", image_id)
        category_id = id_of(where, row, "category_id")
        if category_id not in self.names:
            known = f"one of the category ids {reprlib.repr(list(self.names))}"
            raise bad(f"{where}: 'category_id'", known, category_id)
        crowd = row.get("iscrowd", 0)
        # A tuple: it compares, and so takes what has no hash.
        if crowd not in (0, 1, None):
            raise bad(f"{where}: 'iscrowd'", "0 or 1", crowd)
        class_id, at = self.classes.index(self.names[category_id]), self.position[image_id]
        if has_shape_alone(row):
            found = box_around(where, row)
            if found is None:
                self._add_without_box(at, class_id)
                return None
            row = {**row, "bbox": self._bbox(found)}
        self.shown[at].append(self._entry(where, row, class_id, IGNORE if crowd else POSITIVE))
        x, y, w, h = row["bbox"]
        return self.images[at], (x, y, w, h)

    def _add_without_box(self, at: int, class_id: int) -> None:
        image = self.images[at]
        classes = dict.fromkeys((*image.without_box, class_id))
        self.images[at] = replace(image, without_box=tuple(classes))

    def _bbox(self, box: Four) -> list[float]:
        """Return a box in the layout of the file."""
        x1, y1, x2, y2 = box
        return [x1, y1, x2, y2] if self.xyxy else [x1, y1, x2 - x1, y2 - y1]

    def _entry(self, where: str, row: Row, class_id: int, state: State) -> Entry:
        return Entry(
            xyxy_of(f"{where}: 'bbox'", row.get("bbox"), corners=self.xyxy),
            class_id,
            score_of(where, row),
            state,
            text_of(where, row, "origin"),
            {key: value for key, value in row.items() if key not in BOX_KEYS},
            track_id=_track_id(where, row),
        )


def _track_id(where: str, row: Row) -> int | None:
    """Return the track of a box; some tools write it among its ``attributes``."""
    attributes = row.get("attributes")
    if "track_id" in row or not isinstance(attributes, dict):
        return whole_of(where, row, "track_id", 0)
    value = attributes.get("track_id")
    return value if type(value) is int and value >= 0 else None


def _left_out(where: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list | None) or not all(isinstance(each, str) for each in given or ()):
        raise bad(f"{where}: 'left_out'", "a list of texts", given)
    return tuple(given or ())


def write_coco(path: Path, dataset: Dataset, *, crowds: bool = True) -> None:
    """Write `coco_chunks`; the file is either whole or what it was before.

    Raises:
        FormatError: if an `extra` holds what JSON cannot.
        WorkspaceError: if the file system refuses.
    """
    write_text(path, coco_chunks(dataset, crowds=crowds))


def coco_chunks(dataset: Dataset, *, crowds: bool = True) -> list[str]:
    """Return `to_coco` as JSON, in pieces: as one text it would be in memory twice.

    Raises:
        FormatError: if an `extra` holds what JSON cannot.
    """
    try:
        return list(_chunks(dataset, crowds=crowds))
    except (TypeError, ValueError, RecursionError) as exc:
        raise FormatError(f"expected values that JSON can hold, but {exc}") from exc


def _chunks(dataset: Dataset, *, crowds: bool) -> Iterator[str]:
    """Yield the JSON of `to_coco`."""
    images, parts = list[str](), list[str]()
    for rows, boxes in coco_texts(dataset, crowds=crowds):
        images += rows
        parts += [", ", boxes] if boxes else []
    yield from ('{"images": [', ", ".join(images), '], "annotations": [', *parts[1:])
    yield f'], "categories": {json.dumps(_categories(dataset), allow_nan=False)}}}\n'


def to_coco(dataset: Dataset, *, crowds: bool = True) -> dict[str, Any]:
    """Return a data set as COCO: ids from 1 in order, ``area`` is width times height.

    Boxes are clipped to their pictures; one that has no area left is not written.

    Args:
        dataset: what to write.
        crowds: regions to ignore are annotations with ``iscrowd``, as pycocotools expects. False:
            they stand in ``ignore_regions`` of their image, because most other readers take every
            annotation for an object.
    """
    rows = list(coco_rows(dataset, crowds=crowds))
    images, boxes = [row for row, _ in rows], [box for _, some in rows for box in some]
    return {"images": images, "annotations": boxes, "categories": _categories(dataset)}


def _categories(dataset: Dataset) -> list[dict[str, Any]]:
    return [{"id": i, "name": name} for i, name in enumerate(dataset.classes, start=1)]


def truth_pictures(path: Path) -> list[Path]:
    """Return the picture files that a COCO file names itself, in its order, each once.

    They are those of its images that are no frames of a video, taken relative to its folder or to
    `DATA_FOLDER` in it, as far as they exist and lie inside. A damaged file names none: `read_coco`
    reports what is wrong.
    """
    try:
        rows = _load(path)["images"]
    except FormatError:
        return []
    names = [row.get("file_name") for row in rows if isinstance(row, dict) and not row.get("video")]
    found = (picture_beside(path, name) for name in names if isinstance(name, str))
    return list(dict.fromkeys(each for each in found if each is not None))


def picture_beside(path: Path, name: str) -> Path | None:
    """Return the picture that a file names, None if it is not there; see `truth_pictures`."""
    return _existing(path.parent, name) or _existing(path.parent / DATA_FOLDER, name)


def _existing(folder: Path, name: str) -> Path | None:
    try:
        path = safe_join(folder, name)
        return path if path.is_file() else None
    except (FormatError, OSError):
        return None
