"""Tasks of Label Studio (https://labelstud.io/guide/export), read: its exports JSON and JSON-MIN.

JSON is a list of tasks; each has the address of its picture or video in ``data``, and people's work
in ``annotations``. Boxes of pictures are ``rectanglelabels`` in percent of the picture; boxes of
videos are ``videorectangle``, a track with a ``sequence`` of frames that count from 1. JSON-MIN is
a list of annotations: each has the ``data`` of its task, and a list of values for each control.

Of a video, the frames of all sequences are taken; an object that is ``enabled`` before one of them
moves in a straight line to its next frame. An export with interpolated frames has them all, marked
``auto``, which become ``interpolated`` in the `extra` of a box. Tasks without
annotation are not labelled and left out. Rotated boxes, ellipses, polygons and masks are read as
the upright box around them; of single points, and masks that cannot be read, the picture keeps the
class alone (`ImageEntry.without_box`). Exports of reelabel have side files; see
`reelabel.formats.label_studio`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import FormatError
from reelabel.formats.checked import (
    FARTHEST,
    Row,
    bad,
    load_json,
    rows_of,
    score_of,
    whole_of,
)
from reelabel.formats.copied import SPLIT_NAMES
from reelabel.formats.entries import Entry, Four, dataset_of
from reelabel.formats.keyframes import KeyFrame, add_tracks
from reelabel.formats.label_studio import PICTURE, TASKS_FILE, VIDEO
from reelabel.formats.label_studio_pictures import addresses_in, pictures_in
from reelabel.formats.label_studio_regions import (
    OF_ANNOTATION,
    VIDEO_RECTANGLE,
    Region,
    rectangle_xyxy,
    regions_of,
)
from reelabel.formats.listing import visible
from reelabel.formats.pictures import UNKNOWN_SIDE, served_name
from reelabel.formats.side import SIDE_FILE, add_side
from reelabel.formats.video_files import FoundFrames

_TRACK = re.compile(r"track-(\d{1,18})")


def read_label_studio(path: Path) -> Dataset:
    """Read a file of tasks, or the only one of a folder.

    Raises:
        FormatError: naming the task and region that is wrong, and what was expected.
    """
    file = _file(path)
    reader = _Reader(file.parent)
    raw = load_json(file)
    if not isinstance(raw, list):
        raise bad(f"{file}", "a list of tasks", raw)
    tasks = dict(rows_of(str(file), {"task": raw}, "task"))
    if is_min(raw):
        tasks = _of_min(tasks)
    for where, task in tasks.items():
        reader.read_task(where, task)
    if raw and not reader.annotated:
        raise FormatError(
            f"{file}: expected tasks with 'annotations', but none of {len(raw)} has any: export "
            "after the work was submitted"
        )
    folder = path if path.is_dir() else None
    videos = reader.frames.dataset(tuple(reader.classes), folder if reader.videos else None)
    entries = reader.entries
    if folder is not None and not reader.videos:
        return add_side(folder, tuple(reader.classes), reader.images, entries)
    pictures = dataset_of(tuple(reader.classes), reader.images, entries)
    return Dataset.joined([pictures, videos]) if reader.videos else pictures


def is_min(raw: Sequence[object]) -> bool:
    """Return whether the content of a file is JSON-MIN, by its first row."""
    return isinstance(raw[0], dict) and OF_ANNOTATION in raw[0] if raw else False


def _of_min(rows: Mapping[str, Row]) -> dict[str, Row]:
    """Return tasks with the annotations that rows of JSON-MIN hold, under their first places."""
    found: dict[object, tuple[str, dict[str, Any]]] = {}
    for where, row in rows.items():
        key = row.get("id")
        _, task = found.setdefault(where if key is None else key, (where, {"annotations": []}))
        task["data"] = row
        task["annotations"].append({"result": [_region_of(value) for value in _values(row)]})
    return dict(found.values())


def _values(row: Row) -> Iterator[Row]:
    """Yield what a row of JSON-MIN holds of each region that has a class."""
    lists = (value for value in row.values() if isinstance(value, list))
    yield from (each for some in lists for each in some if isinstance(each, dict) and _kind(each))


def _kind(value: Row) -> str:
    """Return the type of a region by its labels, empty without any."""
    if "sequence" in value:
        return VIDEO_RECTANGLE
    return next((key for key in value if key.endswith("labels")), "")


def _region_of(value: Row) -> Row:
    """Return a region as a row of ``result``."""
    size = {key: value[key] for key in ("original_width", "original_height") if key in value}
    return {"type": _kind(value), "value": value, **size}


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = (
        [path / TASKS_FILE] if (path / TASKS_FILE).is_file() else sorted(visible(path, "*.json"))
    )
    if len(found) != 1:
        raise FormatError(f"{path}: expected one JSON file of tasks, but there are {len(found)}")
    return found[0]


@dataclass
class _Reader:
    """What was read so far. `home`: the folder that the file lies in."""

    home: Path
    classes: dict[str, int] = field(default_factory=dict)
    images: list[ImageEntry] = field(default_factory=list)
    entries: list[list[Entry]] = field(default_factory=list)
    frames: FoundFrames = field(default_factory=FoundFrames)
    annotated: bool = False
    videos: bool = False

    def read_task(self, where: str, task: Row) -> None:
        """Add the pictures or frames of a task."""
        data = task.get("data")
        if not isinstance(data, dict):
            raise bad(f"{where}: 'data'", "an object with the address of a picture or video", data)
        annotation = only_annotation(where, task)
        if annotation is None:
            return
        self.annotated = True
        rows = list(rows_of(where, annotation, "result"))
        regions = list(regions_of(rows))
        types = {region.kind for region in regions}
        if VIDEO_RECTANGLE in types or (VIDEO in data and PICTURE not in data):
            self.videos = True
            tracks = (self._track(region, data) for region in regions)
            add_tracks(self.frames, [list(each) for each in tracks])
        else:
            for own, shown in pictures_in(where, data, regions):
                self._read_picture(where, shown, own)

    def _read_picture(self, where: str, regions: Sequence[Region], data: Row) -> None:
        sizes = {_size(each.where, each.row, data) for each in regions} or {_size(where, {}, data)}
        if len(sizes) > 1:
            raise FormatError(f"{where}: expected one original size, but got {sorted(sizes)}")
        size = sizes.pop()
        own, without_box = list[Entry](), list[int]()
        for region in regions:
            class_id, xyxy = self._class_id(region), region.xyxy(size)
            if xyxy is None:
                without_box.append(class_id)
            else:
                own.append(_entry(region.where, region.row, xyxy, class_id))
        split = SPLIT_NAMES.get(str(data.get("split")).lower(), "")
        image = ImageEntry(self._name(where, data), *size, split=split)
        self.images.append(replace(image, without_box=tuple(dict.fromkeys(without_box))))
        self.entries.append(own)

    def _track(self, region: Region, data: Row) -> Iterator[KeyFrame]:
        """Yield the places of a track; other regions have none."""
        if region.kind != VIDEO_RECTANGLE:
            return
        where, size = region.where, _size(region.where, region.row, data)
        class_id = self._class_id(region)
        video_id = data.get("video_id")
        video = (
            video_id if isinstance(video_id, str) and video_id else _served(where, data, VIDEO)[0]
        )
        for here, each in rows_of(where, region.value, "sequence"):
            frame = whole_of(here, each, "frame", 1)
            if frame is None:
                raise bad(f"{here}: 'frame'", "a whole number from 1 up", None)
            xyxy = rectangle_xyxy(here, each, size)
            image = ImageEntry("", *size, video=video, frame_index=frame - 1)
            entry = _entry(here, {**region.row, **each}, xyxy, class_id)
            yield KeyFrame(image, entry, shown=True, goes_on=each.get("enabled") is True)

    def _name(self, where: str, data: Row) -> str:
        """Return the name of a picture: its place in an export, which the side file names."""
        name, local = _served(where, data, PICTURE)
        return local if local and (self.home / SIDE_FILE).is_file() else name

    def _class_id(self, region: Region) -> int:
        labels = region.labels
        if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str):
            raise bad(f"{region.where}: the label", "a list of one name", labels)
        return self.classes.setdefault(labels[0], len(self.classes))


def _entry(where: str, row: Row, xyxy: Four, class_id: int) -> Entry:
    found, meta = _TRACK.match(str(row.get("id"))), row.get("meta")
    origin = meta.get("origin") if isinstance(meta, dict) else None
    return Entry(
        xyxy,
        class_id,
        score_of(where, row),
        origin=origin if isinstance(origin, str) else "",
        extra={"interpolated": True} if row.get("auto") is True else {},
        track_id=int(found[1]) if found else None,
    )


def only_annotation(where: str, task: Row) -> Row | None:
    """Return the annotation that counts, None if nobody has submitted one.

    Raises:
        FormatError: if there are several, and none or several are marked as ground truth.
    """
    rows = [
        row
        for _, row in rows_of(where, task, "annotations")
        if row.get("was_cancelled") is not True
    ]
    chosen = [row for row in rows if row.get("ground_truth") is True] if len(rows) > 1 else rows
    if len(chosen) != 1 and rows:
        raise FormatError(
            f"{where}: expected one annotation, but got {len(rows)}: mark one as ground truth and "
            "export as JSON, or remove the others"
        )
    return chosen[0] if chosen else None


def _size(where: str, row: Row, data: Row) -> tuple[int, int]:
    """Return the size that a region or the task's data gives; see `UNKNOWN_SIDE`."""
    pairs = ((row, "original_width", "original_height"), (data, "width", "height"))
    for source, *keys in pairs:
        width, height = (whole_of(where, source, key, 1) for key in keys)
        if width and height and max(width, height) <= FARTHEST:
            return width, height
    return UNKNOWN_SIDE, UNKNOWN_SIDE


def task_name(where: str, data: Row) -> str:
    """Return the name of a task's picture, else of its video.

    Raises:
        FormatError: if there is no address of either.
    """
    return _served(where, data, PICTURE if PICTURE in data else VIDEO)[0]


def _served(where: str, data: Row, key: str) -> tuple[str, str]:
    """Return the name of a task's picture or video, and its place if it is a local file."""
    addresses = [data[key]] if isinstance(data.get(key), str) else list(addresses_in(data))
    if not addresses:
        raise bad(f"{where}: data.{key}", "the address of a picture or video", data.get(key))
    return served_name(addresses[0])
