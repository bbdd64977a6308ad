"""COCO object detection files (https://cocodataset.org/#format-data), read and written.

Beside what COCO defines, an image may name the ``video`` that it is a frame of, with
``frame_index`` (position among the decoded frames), ``pts`` (in the video's time base) or
``pts_time`` (seconds); ``complete_categories`` (ids or names): the only ones that are fully
annotated in it; ``split``; and ``hard_negatives``: a list of ``{"bbox", "category", "score",
"origin"}``, boxes that are known to be background. They stand there so that a reader that does
not know of them never takes them for objects. An annotation may carry ``score`` and ``origin``.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.data.states import State
from reelabel.errors import FormatError
from reelabel.files import safe_join, write_text
from reelabel.formats.checked import (
    Box,
    Row,
    bad,
    id_of,
    is_id,
    load_json,
    order,
    real_of,
    rows_of,
    text_of,
    whole_of,
    xywh_of,
)

__all__ = ["read_coco", "safe_join", "to_coco", "truth_pictures", "write_coco"]

_IMAGE_KEYS = frozenset({
    "id",
    "file_name",
    "width",
    "height",
    "video",
    "frame_index",
    "pts",
    "pts_time",
    "complete_categories",
    "hard_negatives",
    "split",
})
_BOX_KEYS = frozenset({
    "id",
    "image_id",
    "category_id",
    "category",
    "bbox",
    "area",
    "iscrowd",
    "score",
    "origin",
    "segmentation",
})


def read_coco(path: Path, *, xyxy: bool | None = None) -> Dataset:
    """Read a COCO file; classes come in the order of their ids, images in that of the file.

    Ids may be sparse and need not be numbers; annotations need no id and no area. Two categories
    of one name become one class. ``iscrowd`` becomes the state ignore. Masks are left out;
    other unknown keys go to `extra`. File names are taken as they stand: use `safe_join` before
    one is used as a path.

    Args:
        path: the file.
        xyxy: True if a ``bbox`` is left, top, right, bottom. None: it is left, top, width,
            height, and a file of which that cannot be true is refused. False: the same unchecked.

    Raises:
        FormatError: if the file is no such JSON, or an entry is wrong; it says which, and what
            was expected.
    """
    raw = _load(path)
    found = _Found(str(path), xyxy is True)
    found.read_categories(raw)
    found.read_images(raw)
    rows = list(rows_of(found.path, raw, "annotations"))
    boxes = [found.box(where, row) for where, row in rows]
    images = tuple(found.images)
    if xyxy is None:
        _check_layout(found.path, images, boxes, loose=all("id" not in row for _, row in rows))
    classes = tuple(dict.fromkeys(found.names.values()))
    return Dataset(classes, images, (*boxes, *found.negatives))


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
class _Found:
    """What was read so far: the classes and images that later entries point to."""

    path: str
    xyxy: bool
    names: dict[object, str] = field(default_factory=dict)
    images: list[ImageEntry] = field(default_factory=list)
    position: dict[object, int] = field(default_factory=dict)
    negatives: list[BoxEntry] = field(default_factory=list)

    def read_categories(self, raw: Row) -> None:
        """Fill `names`: category id -> class name, in the order of the ids."""
        names: dict[object, str] = {}
        for where, row in rows_of(self.path, raw, "categories"):
            id_ = id_of(where, row, "id")
            name = row.get("name")
            if not isinstance(name, str) or not name:
                raise bad(f"{where}: 'name'", "a class name", name)
            if names.setdefault(id_, name) != name:
                raise bad(f"{where}: 'id'", "an id of its own", id_)
        self.names = dict(sorted(names.items(), key=lambda item: order(item[0])))

    def read_images(self, raw: Row) -> None:
        """Fill `images`, their `position` by id, and the `negatives` that stand in them."""
        for where, row in rows_of(self.path, raw, "images"):
            id_ = id_of(where, row, "id")
            if id_ in self.position:
                raise bad(f"{where}: 'id'", "an id of its own", id_)
            self.position[id_] = len(self.images)
            self.negatives += self._hard_negatives(where, row)
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
            complete=self._complete(where, row.get("complete_categories")),
            split=text_of(where, row, "split"),
            extra={key: value for key, value in row.items() if key not in _IMAGE_KEYS},
        )

    def _complete(self, where: str, given: object) -> tuple[str, ...] | None:
        where = f"{where}: 'complete_categories'"
        if given is None:
            return None
        if not isinstance(given, list):
            raise bad(where, "a list of category ids or names", given)
        return tuple(self._named(where, each) for each in given)

    def _named(self, where: str, given: object) -> str:
        """Return the class that is meant by an id or a name."""
        if isinstance(given, str) and given in self.names.values():
            return given
        if not is_id(given) or given not in self.names:
            raise bad(where, f"one of the categories {reprlib.repr(self.names)}", given)
        return self.names[given]

    def _hard_negatives(self, where: str, row: Row) -> Iterator[BoxEntry]:
        listed = row.get("hard_negatives")
        if not isinstance(listed, list | None):
            raise bad(f"{where}: 'hard_negatives'", "a list", listed)
        for i, each in enumerate(listed or ()):
            here = f"{where}: hard_negatives[{i}]"
            # A bare box is what trainers of one class make do with.
            entry = {"bbox": each} if isinstance(each, list) else each
            if not isinstance(entry, dict):
                raise bad(here, "an object with 'bbox' and 'category'", each)
            category = self._negative_class(here, entry)
            yield self._entry(here, entry, category, image=len(self.images), state="negative")

    def _negative_class(self, where: str, row: Row) -> str:
        classes = set(self.names.values())
        key = "category" if "category" in row else "category_id"
        # With one class there is no doubt which one it is not.
        if key not in row and len(classes) == 1:
            return next(iter(classes))
        return self._named(f"{where}: 'category'", row.get(key))

    def box(self, where: str, row: Row) -> BoxEntry:
        """Return an annotation."""
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
        state: State = "ignore" if crowd else "positive"
        image = self.position[image_id]
        return self._entry(where, row, self.names[category_id], image=image, state=state)

    def _entry(self, where: str, row: Row, category: str, *, image: int, state: State) -> BoxEntry:
        score = real_of(where, row, "score")
        if score is not None and not 0 <= score <= 1:
            raise bad(f"{where}: 'score'", "a number in 0..1", score)
        return BoxEntry(
            image=image,
            category=category,
            xywh=xywh_of(f"{where}: 'bbox'", row.get("bbox"), xyxy=self.xyxy),
            score=score,
            state=state,
            origin=text_of(where, row, "origin"),
            extra={key: value for key, value in row.items() if key not in _BOX_KEYS},
        )


def _check_layout(
    path: str, images: tuple[ImageEntry, ...], boxes: list[BoxEntry], *, loose: bool
) -> None:
    """Refuse boxes that can only be left, top, right, bottom.

    That is so if all lie inside their pictures when read that way, and leave them when read as
    COCO: all of them, or, where the annotations have no ids as COCO has (`loose`), any.
    """
    sized = [(images[box.image], box.xywh) for box in boxes]
    if not boxes or not all(_inside_as_xyxy(image, given) for image, given in sized):
        return
    leave = [_leaves_as_xywh(image, given) for image, given in sized]
    if all(leave) or (loose and any(leave)):
        raise FormatError(
            f"{path}: expected bbox = [left, top, width, height], but all boxes look like "
            "[left, top, right, bottom]: read it with xyxy=True; "
            "if the boxes do leave their pictures, with xyxy=False"
        )


def _inside_as_xyxy(image: ImageEntry, given: Box) -> bool:
    left, top, right, bottom = given
    return left < right <= image.width and top < bottom <= image.height


def _leaves_as_xywh(image: ImageEntry, given: Box) -> bool:
    x, y, w, h = given
    # One pixel is what rounding and 1-based corners may be off.
    return x + w > image.width + 1 or y + h > image.height + 1


def write_coco(path: Path, dataset: Dataset, *, atomic: bool = True) -> None:
    """Write `to_coco` as JSON; `atomic`: the file is either whole or what it was before.

    Raises:
        FormatError: as `to_coco`, or if an `extra` holds what JSON cannot.
        WorkspaceError: if the file system refuses.
    """
    try:
        text = json.dumps(to_coco(dataset), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise FormatError(f"{path}: expected values that JSON can hold, but {exc}") from exc
    write_text(path, text + "\n", atomic=atomic)


def to_coco(dataset: Dataset) -> dict[str, Any]:
    """Return a data set as COCO: ids from 1 in order, ``area`` is width times height.

    Raises:
        FormatError: if an image is said to be complete for a class that the data set has not.
    """
    ids = {name: i for i, name in enumerate(dataset.classes, start=1)}
    images = [_image_row(i, image, ids) for i, image in enumerate(dataset.images, start=1)]
    annotations: list[dict[str, Any]] = []
    for box in dataset.boxes:
        if box.state == "negative":
            row = {"bbox": list(box.xywh), "category": box.category, **_said(box)}
            images[box.image].setdefault("hard_negatives", []).append(row)
        else:
            annotations.append(_box_row(len(annotations) + 1, box, ids))
    categories = [{"id": id_, "name": name} for name, id_ in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _image_row(id_: int, image: ImageEntry, ids: Mapping[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id_,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
    }
    for key in ("frame_index", "pts", "pts_time"):
        if (value := getattr(image, key)) is not None:
            row[key] = value
    row |= {key: value for key in ("video", "split") if (value := getattr(image, key))}
    if image.complete is not None:
        unknown = [name for name in image.complete if name not in ids]
        if unknown:
            raise FormatError(f"expected complete classes among {list(ids)}, but got {unknown}")
        row["complete_categories"] = [ids[name] for name in image.complete]
    return row | _kept(image.extra, _IMAGE_KEYS)


def _box_row(id_: int, box: BoxEntry, ids: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": id_,
        "image_id": box.image + 1,
        "category_id": ids[box.category],
        "bbox": list(box.xywh),
        "area": box.xywh[2] * box.xywh[3],
        "iscrowd": int(box.state == "ignore"),
    } | _said(box)


def _said(box: BoxEntry) -> dict[str, Any]:
    said: dict[str, Any] = {} if box.score is None else {"score": box.score}
    if box.origin:
        said["origin"] = box.origin
    return said | _kept(box.extra, _BOX_KEYS)


def _kept(extra: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in extra.items() if key not in own}


def truth_pictures(path: Path) -> list[Path]:
    """Return the picture files that a COCO file names itself, in its order, each once.

    They are those of its images that are no frames of a video, taken relative to its folder,
    as far as they exist and lie inside that folder. A damaged file names none: reading it in
    earnest says what is wrong.
    """
    try:
        rows = _load(path)["images"]
    except FormatError:
        return []
    names = [row.get("file_name") for row in rows if isinstance(row, dict) and not row.get("video")]
    found = (_existing(path.parent, name) for name in names if isinstance(name, str))
    return list(dict.fromkeys(each for each in found if each is not None))


def _existing(folder: Path, name: str) -> Path | None:
    try:
        path = safe_join(folder, name)
        return path if path.is_file() else None
    except (FormatError, OSError):
        return None
