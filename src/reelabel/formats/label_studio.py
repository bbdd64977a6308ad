"""Tasks of Label Studio (https://labelstud.io/guide/export), written for pictures and for videos.

::

    tasks.json                tasks with one annotation each
    label_config.xml          the labelling interface that fits them
    images/<split>/<name>     copies of the pictures
    ignore.json               what it cannot hold (see `reelabel.formats.side`)

or both files for videos, with the side files of `reelabel.formats.video_files`. The addresses are
of files that Label Studio serves from its document root: of a picture its place in the export, of a
video its place below the folder above the one that holds all videos. Boxes are in percent of the
picture. Annotations are not ground truth, so that of several in a task people can mark their own.

A box of a video has its frame, from 1, and its time, which is that number divided by the ``fps`` of
the task. `reelabel.formats.label_studio_tasks` reads all of it.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.files import write_text
from reelabel.formats.checked import Row
from reelabel.formats.copied import copied_pictures
from reelabel.formats.entries import Entry
from reelabel.formats.label_studio_regions import RECTANGLE, VIDEO_RECTANGLE
from reelabel.formats.side import write_side
from reelabel.formats.video_files import OfVideos, VideoFrames
from reelabel.formats.xml_files import check_names, xml_text

TASKS_FILE = "tasks.json"
CONFIG_FILE = "label_config.xml"
LOCAL_FILES = "/data/local-files/"
PICTURE, VIDEO = "image", "video"
"""Keys of a task's data for the address of its picture or video."""
_LABEL, _BOX = "label", "box"


def write_label_studio(
    folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
) -> None:
    """Write pictures, and a task for each.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: for a picture that is missing or of an unusual kind, or a class name that XML
            cannot hold.
        WorkspaceError: if something cannot be written.
    """
    tasks, aside = list[Row](), list[tuple[str, Entry]]()
    for one in copied_pictures(folder, dataset, pictures, "images/{split}"):
        shown = [entry for entry in one.entries if entry.state == POSITIVE]
        result = [
            _rectangle(at, entry, dataset.classes, one.size_wh) for at, entry in enumerate(shown)
        ]
        size = {"width": one.size_wh[0], "height": one.size_wh[1]}
        data: dict[str, Any] = {PICTURE: _address(one.name), "split": one.split, **size}
        tasks.append(_task(len(tasks) + 1, data, result))
        aside += [(one.name, entry) for entry in one.entries if entry.state != POSITIVE]
    _write_tasks(folder, tasks)
    _write_config(folder, dataset.classes, _picture_controls())
    write_side(folder, dataset.classes, aside)


def _address(place: str) -> str:
    """Return the address of a local file by its place below the document root."""
    return f"{LOCAL_FILES}?d={quote(place)}"


def _task(number_: int, data: Row, result: list[Any]) -> Row:
    annotation = {"id": number_, "ground_truth": False, "result": result}
    return {"id": number_, "data": data, "annotations": [annotation]}


def _write_tasks(folder: Path, tasks: Sequence[Row]) -> None:
    text = json.dumps(list(tasks), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / TASKS_FILE, text + "\n", atomic=False)


def _write_config(
    folder: Path, classes: Sequence[str], controls: tuple[Sequence[ET.Element], ET.Element]
) -> None:
    """Write the labelling interface: its elements, one of which gets the classes."""
    check_names(classes)
    elements, labels = controls
    labels.extend(ET.Element("Label", value=name) for name in classes)
    view = ET.Element("View")
    view.extend(elements)
    write_text(folder / CONFIG_FILE, xml_text(view), atomic=False)


def _picture_controls() -> tuple[Sequence[ET.Element], ET.Element]:
    labels = ET.Element("RectangleLabels", name=_LABEL, toName=PICTURE)
    return (ET.Element("Image", name=PICTURE, value=f"${PICTURE}"), labels), labels


def _video_controls() -> tuple[Sequence[ET.Element], ET.Element]:
    labels = ET.Element("Labels", name=_LABEL, toName=VIDEO)
    video = ET.Element("Video", name=VIDEO, value=f"${VIDEO}", framerate="$fps")
    return (video, ET.Element("VideoRectangle", name=_BOX, toName=VIDEO), labels), labels


def _rectangle(
    at: int, entry: Entry, classes: Sequence[str], picture_wh: tuple[int, int]
) -> dict[str, Any]:
    width, height = picture_wh
    value = _percent(entry, picture_wh) | {RECTANGLE: [classes[entry.class_id]]}
    row: dict[str, Any] = {
        "id": _region_id(at, entry),
        "type": RECTANGLE,
        "from_name": _LABEL,
        "to_name": PICTURE,
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
        facts = {"video_id": video.video, "width": width, "height": height, "fps": video.fps}
        result = [_video_region(at, boxes, video) for at, boxes in enumerate(video.tracks())]
        data = {VIDEO: _address(video.place), **facts}
        tasks.append(_task(len(tasks) + 1, data, result))
    _write_tasks(folder, tasks)
    classes = dict.fromkeys(name for video in videos for name in video.classes)
    _write_config(folder, list(classes), _video_controls())


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
            "time": round((index + 1) / video.fps, 6),
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
    names = {"from_name": _BOX, "to_name": VIDEO}
    return {"id": id_, "type": VIDEO_RECTANGLE, **names, "value": value}


write_label_studio_video = OfVideos(_write_videos)
