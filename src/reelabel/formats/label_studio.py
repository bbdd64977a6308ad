"""Label Studio's JSON (https://labelstud.io/guide/export), for pictures and for videos.

A file is a list of tasks; each has the address of its picture or video in ``data``, and people's
work in ``annotations``. Boxes of pictures are ``rectanglelabels`` in percent of the picture; boxes
of videos are ``videorectangle``, a track with a ``sequence`` of frames that count from 1. Written
are::

    tasks.json                of pictures: tasks with one annotation each
    images/<split>/<name>     copies of the pictures
    ignore.json               what it cannot hold (see `reelabel.formats.side`)

or ``tasks.json`` of videos with the side files of `reelabel.formats.video_files`. The addresses are
relative: serve the folder, or the videos, as local files.

Of a video, the frames of each sequence are taken as they stand; an export with interpolated frames
has them all, marked ``auto``, which become ``interpolated`` in the `extra` of a box. Tasks without
annotation are not labelled and left out. Rotated boxes, ellipses, polygons and masks are read as
the upright box around them; of single points, and masks that cannot be read, the picture keeps the
class alone (`ImageEntry.without_box`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import FormatError
from reelabel.files import write_text
from reelabel.formats.checked import (
    FARTHEST,
    Row,
    bad,
    load_json,
    rows_of,
    score_of,
    whole_of,
)
from reelabel.formats.copied import SPLIT_NAMES, copied_pictures
from reelabel.formats.entries import Entry, Four, dataset_of
from reelabel.formats.label_studio_regions import (
    RECTANGLE,
    VIDEO_RECTANGLE,
    Region,
    rectangle_xyxy,
    regions_of,
)
from reelabel.formats.listing import visible
from reelabel.formats.side import add_side, write_side
from reelabel.formats.video_files import FoundFrames, OfVideos, VideoFrames

TASKS_FILE = "tasks.json"
UNKNOWN_SIDE = 100_000
"""Size that a picture is read with where the file gives none: boxes are shares of it."""
_UPLOADED = re.compile(r"/data/upload/(?:.*/)?[0-9a-f]{8}-([^/]+)$")
_TRACK = re.compile(r"track-(\d{1,18})")
_PICTURE, _VIDEO = "image", "video"


def write_label_studio(
    folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
) -> None:
    """Write pictures, and a task for each.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: for a picture that is missing or of an unusual kind.
        WorkspaceError: if something cannot be written.
    """
    tasks, aside = list[Row](), list[tuple[str, Entry]]()
    for one in copied_pictures(folder, dataset, pictures, "images/{split}"):
        shown = [entry for entry in one.entries if entry.state == POSITIVE]
        result = [
            _rectangle(at, entry, dataset.classes, one.size_wh) for at, entry in enumerate(shown)
        ]
        size = {"width": one.size_wh[0], "height": one.size_wh[1]}
        data: dict[str, Any] = {_PICTURE: one.name, "split": one.split, **size}
        tasks.append(_task(len(tasks) + 1, data, result))
        aside += [(one.name, entry) for entry in one.entries if entry.state != POSITIVE]
    _write_tasks(folder, tasks)
    write_side(folder, dataset.classes, aside)


def _task(number_: int, data: Row, result: list[Any]) -> Row:
    return {"id": number_, "data": data, "annotations": [{"id": number_, "result": result}]}


def _write_tasks(folder: Path, tasks: Sequence[Row]) -> None:
    text = json.dumps(list(tasks), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / TASKS_FILE, text + "\n", atomic=False)


def _rectangle(
    at: int, entry: Entry, classes: Sequence[str], picture_wh: tuple[int, int]
) -> dict[str, Any]:
    width, height = picture_wh
    value = _percent(entry, picture_wh) | {RECTANGLE: [classes[entry.class_id]]}
    row: dict[str, Any] = {
        "id": _region_id(at, entry),
        "type": RECTANGLE,
        "from_name": "label",
        "to_name": _PICTURE,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value,
    }
    return row | _known(entry)


def _known(entry: Entry) -> dict[str, Any]:
    """Return the score and origin of a box, where they are known."""
    row: dict[str, Any] = {} if entry.score is None else {"score": entry.score}
    return row | ({"meta": {"origin": entry.origin}} if entry.origin else {})


def _region_id(at: int, entry: Entry) -> str:
    """Return the id of a region, which keeps the number of its track; no two alike in a task."""
    return f"box-{at}" if entry.track_id is None else f"track-{entry.track_id}-{at}"


def _percent(entry: Entry, size_wh_: tuple[int, int]) -> dict[str, Any]:
    """Return a box in percent of its picture."""
    sides = dict(zip(("x", "y", "width", "height"), entry.xywh, strict=True))
    shares = {
        key: 100 * value / (size_wh_[key in {"y", "height"}] or 1) for key, value in sides.items()
    }
    return shares | {"rotation": 0}


def _write_videos(folder: Path, videos: Sequence[VideoFrames]) -> None:
    """Write a task for each video."""
    tasks = list[Row]()
    for video in videos:
        width, height = video.size_wh
        size = {"width": width, "height": height}
        result = [_video_region(at, boxes, video) for at, boxes in enumerate(video.tracks())]
        data = {_VIDEO: video.name, "video_id": video.video, **size}
        tasks.append(_task(len(tasks) + 1, data, result))
    _write_tasks(folder, tasks)


def _video_region(
    at: int, boxes: Sequence[tuple[int, Entry]], video: VideoFrames
) -> dict[str, Any]:
    """Return a track. It goes on after a box if it is in the next labelled frame too."""
    labelled = video.indices
    following = dict(zip(labelled, [*labelled[1:], -1], strict=True))
    own = {index for index, _ in boxes}
    sequence = [
        {
            "frame": index + 1,
            "enabled": following[index] in own,
            **({"auto": True} if entry.extra.get("interpolated") else {}),
            **_percent(entry, video.size_wh),
            **_known(entry),
        }
        for index, entry in boxes
    ]
    value = {
        "framesCount": labelled[-1] + 1,
        "sequence": sequence,
        "labels": [video.classes[boxes[0][1].class_id]],
    }
    id_ = _region_id(at, boxes[0][1])
    names = {"from_name": "box", "to_name": _VIDEO}
    return {"id": id_, "type": VIDEO_RECTANGLE, **names, "value": value}


write_label_studio_video = OfVideos(_write_videos)


def read_label_studio(path: Path) -> Dataset:
    """Read a file of tasks, or the only one of a folder.

    Raises:
        FormatError: naming the task and region that is wrong, and what was expected.
    """
    file = _file(path)
    reader = _Reader(str(file))
    raw = load_json(file)
    if not isinstance(raw, list):
        raise bad(f"{file}", "a list of tasks", raw)
    for where, task in rows_of(str(file), {"task": raw}, "task"):
        reader.read_task(where, task)
    if raw and not reader.annotated:
        raise FormatError(
            f"{file}: expected tasks with 'annotations', but none of {len(raw)} has any: export as "
            "JSON (not JSON-MIN), after the work was submitted"
        )
    folder = path if path.is_dir() else None
    videos = reader.frames.dataset(tuple(reader.classes), folder if reader.videos else None)
    entries = reader.entries
    if folder is not None and not reader.videos:
        return add_side(folder, tuple(reader.classes), reader.images, entries)
    pictures = dataset_of(tuple(reader.classes), reader.images, entries)
    return Dataset.joined([pictures, videos]) if reader.videos else pictures


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
    """What was read so far."""

    path: str
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
        annotation = _annotation(where, task)
        if annotation is None:
            return
        self.annotated = True
        rows = list(rows_of(where, annotation, "result"))
        regions = list(regions_of(rows))
        types = {region.kind for region in regions}
        if VIDEO_RECTANGLE in types or (_VIDEO in data and _PICTURE not in data):
            self.videos = True
            for region in regions:
                self._read_track(region, data)
        else:
            self._read_picture(where, regions, data)

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
        image = ImageEntry(_name(where, data, _PICTURE), *size, split=split)
        self.images.append(replace(image, without_box=tuple(dict.fromkeys(without_box))))
        self.entries.append(own)

    def _read_track(self, region: Region, data: Row) -> None:
        if region.kind != VIDEO_RECTANGLE:
            return
        where, size = region.where, _size(region.where, region.row, data)
        class_id = self._class_id(region)
        video_id = data.get("video_id")
        video = video_id if isinstance(video_id, str) and video_id else _name(where, data, _VIDEO)
        for here, each in rows_of(where, region.value, "sequence"):
            frame = whole_of(here, each, "frame", 1)
            if frame is None:
                raise bad(f"{here}: 'frame'", "a whole number from 1 up", None)
            xyxy = rectangle_xyxy(here, each, size)
            image = ImageEntry("", *size, video=video, frame_index=frame - 1)
            self.frames.add(image, [_entry(here, {**region.row, **each}, xyxy, class_id)])

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


def _annotation(where: str, task: Row) -> Row | None:
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
            f"{where}: expected one annotation, but got {len(rows)}: mark one as ground truth, or "
            "remove the others"
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


def _name(where: str, data: Row, key: str) -> str:
    """Return the name of a task's picture or video, without the server's address."""
    addresses = [data[key]] if isinstance(data.get(key), str) else list(_addresses(data))
    if not addresses:
        raise bad(f"{where}: data.{key}", "the address of a picture or video", data.get(key))
    split = urlsplit(addresses[0])
    local = parse_qs(split.query).get("d")
    path = local[0] if local else unquote(split.path)
    found = _UPLOADED.search(path)
    if found:
        return found[1]
    return path.lstrip("/") if not split.netloc and not local else PurePosixPath(path).name


def _addresses(data: Row) -> Iterator[str]:
    """Yield what looks like the address of a file, for data with other keys."""
    for value in data.values():
        if isinstance(value, str) and re.search(r"\.\w{2,5}(\?|$)", value):
            yield value
