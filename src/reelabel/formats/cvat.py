"""CVAT XML 1.1 (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat), for images.

One file holds a task, a job or a project: ``<image>`` elements with their boxes, or ``<track>``
elements with a box for every frame in which the object was followed. Both are read; here images are
written, and tracks in `reelabel.formats.cvat_video`::

    <split>.xml              the pictures of a split, with their boxes
    images/<split>/<name>    copies of the pictures
    ignore.json              what CVAT cannot hold (see `reelabel.formats.side`)

Corners are edges in pixels, from 0. Polygons, polylines, ellipses, masks, cuboids, skeletons and
several points are read as the box around them; of a single point the picture keeps the class alone
(`ImageEntry.without_box`). Of a track, boxes that are ``outside`` are left out; interpolated ones
(``keyframe`` 0) are kept, with ``interpolated`` in their `extra`, as is ``occluded``. A frame of a
video that no visible shape stands in does not count as labelled, as the file does not show whether
anybody looked at it. The attributes ``score`` and ``origin`` are those of the box; further ones go
to ``attributes``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PureWindowsPath
from typing import Any

from reelabel.data.dataset import DIGITS, Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import FormatError
from reelabel.files import write_text
from reelabel.formats.copied import SPLIT_NAMES, SPLITS, copied_pictures
from reelabel.formats.cvat_shapes import CORNERS, box_around, is_outside
from reelabel.formats.entries import Entry, Four, dataset_of, to_entries
from reelabel.formats.keyframes import KeyFrame, add_tracks
from reelabel.formats.listing import visible
from reelabel.formats.side import add_side, write_side
from reelabel.formats.video_files import FoundFrames
from reelabel.formats.xml_files import check_names, child, xml_number, xml_root, xml_text

XML_LIMIT = 256 * 2**20
"""Bytes of the largest file that is read."""
UNNUMBERED = 10**9
"""Ids of tracks from here up belong to single boxes, which have no track."""
OWN_ATTRIBUTES = ("score", "origin")
"""Attributes of a box that are fields of an `Entry`."""
_FRAME_NAME = re.compile(r"frame_(\d{1,9})")
_VIDEO_ID = re.compile(r"[0-9a-f]{16}")


def write_cvat(folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]) -> None:
    """Write pictures and a file for each split.

    Args:
        folder: an empty folder.
        dataset: what to write; pictures of no split go to train.
        pictures: where each picture's file is.

    Raises:
        FormatError: for a picture that is missing, or a class name that XML cannot hold.
        WorkspaceError: if something cannot be written.
    """
    check_names(dataset.classes)
    roots: dict[str, ET.Element] = {}
    aside: list[tuple[str, Entry]] = []
    sizes = Counter(image.split or SPLITS[0] for image in dataset.images)
    for one in copied_pictures(folder, dataset, pictures, "images/{split}"):
        split, name = one.split, Path(one.name).name
        if split not in roots:
            roots[split] = new_root(split, dataset.classes, sizes[split], mode="annotation")
        shown = [entry for entry in one.entries if entry.state == POSITIVE]
        _add_image(roots[split], name, one.size_wh, _boxes(shown, dataset.classes))
        aside += [(f"{split}/{name}", entry) for entry in one.entries if entry.state != POSITIVE]
    for split, root in roots.items():
        write_text(folder / f"{split}.xml", xml_text(root), atomic=False)
    write_side(folder, dataset.classes, aside)


def new_root(name: str, classes: Sequence[str], size: int, *, mode: str) -> ET.Element:
    """Return the root of a file, with the description of a task.

    Args:
        name: of the task.
        classes: class names.
        size: how many frames it has.
        mode: ``annotation`` of images, ``interpolation`` of a video.
    """
    root = ET.Element("annotations")
    child(root, "version", "1.1")
    task = child(child(root, "meta"), "task")
    for tag, text in (("id", ""), ("name", name), ("size", str(size)), ("mode", mode)):
        child(task, tag, text)
    child(task, "start_frame", "0")
    child(task, "stop_frame", str(max(size - 1, 0)))
    labels = child(task, "labels")
    for each in classes:
        label = child(labels, "label")
        child(label, "name", each)
        _add_attributes(child(label, "attributes"))
    return root


def _add_attributes(parent: ET.Element) -> None:
    """Declare the attributes that boxes have."""
    for name in OWN_ATTRIBUTES:
        attribute = child(parent, "attribute")
        described = (("name", name), ("mutable", "True"), ("input_type", "text"))
        for tag, text in (*described, ("default_value", ""), ("values", "")):
            child(attribute, tag, text)


def _boxes(entries: Iterable[Entry], classes: Sequence[str]) -> Iterator[ET.Element]:
    for entry in entries:
        element = box_element(entry)
        element.set("label", classes[entry.class_id])
        yield element


def box_element(entry: Entry) -> ET.Element:
    """Return a box with its corners and attributes."""
    corners = {key: f"{value:.{DIGITS}f}" for key, value in zip(CORNERS, entry.xyxy, strict=True)}
    occluded = str(int(bool(entry.extra.get("occluded"))))
    element = ET.Element("box", corners | {"occluded": occluded, "z_order": "0"})
    score = None if entry.score is None else repr(entry.score)
    for name, value in zip(OWN_ATTRIBUTES, (score, entry.origin), strict=True):
        if value:
            child(element, "attribute", value).set("name", name)
    return element


def _add_image(
    root: ET.Element, name: str, picture_wh: tuple[int, int], boxes: Iterable[ET.Element]
) -> None:
    width, height = map(str, picture_wh)
    number = str(len(root.findall("image")))
    image = ET.SubElement(root, "image", {"id": number, "name": name})
    image.attrib |= {"width": width, "height": height}
    image.extend(boxes)


def read_cvat(path: Path) -> Dataset:
    """Read a file, or all files of a folder, of images or of tracks.

    An image named ``frame_000012`` of a task whose source is known is frame 12 of that video.

    Raises:
        FormatError: naming the file and the place that is wrong, and what was expected; also for
            XML with a document type or entities.
    """
    files = sorted(visible(path, "*.xml")) if path.is_dir() else [path]
    if not files:
        raise FormatError(f"{path}: expected *.xml of CVAT, but there are none")
    folder = path if path.is_dir() else None
    parts = [_File(each, xml_root(each, "annotations", XML_LIMIT)) for each in files]
    classes = tuple(dict.fromkeys(name for part in parts for name in part.classes))
    frames = FoundFrames()
    for part in parts:
        part.read_tracks(frames, classes)
    if frames.images:
        return Dataset.joined([
            frames.dataset(classes, folder),
            *(part.images(classes) for part in parts if part.root.find("image") is not None),
        ])
    if folder is not None and (folder / "frames.json").is_file():
        return frames.dataset(classes, folder)
    whole = Dataset.joined(part.images(classes) for part in parts)
    if folder is None:
        return whole
    names = [f"{image.split}/{image.file_name}" for image in whole.images]
    return add_side(folder, classes, whole.images, list(map(to_entries, whole.boxes)), names=names)


@dataclass
class _File:
    """One file: where it is, its content, and the tasks that it describes."""

    path: Path
    root: ET.Element
    classes: tuple[str, ...] = ()
    tasks: dict[str, ET.Element] = field(default_factory=dict)

    def __post_init__(self) -> None:
        meta = self.root.find("meta")
        if meta is None:
            raise FormatError(f"{self.path}: expected <meta> with the labels, but there is none")
        labels = [(each.findtext("name") or "").strip() for each in meta.iter("label")]
        self.classes = tuple(dict.fromkeys(name for name in labels if name))
        self.tasks = {
            (each.findtext("id") or "").strip(): each
            for tag in ("task", "job")
            for each in meta.iter(tag)
        }

    def _task(self, element: ET.Element) -> ET.Element:
        """Return the task that an image or a track belongs to."""
        first = next(iter(self.tasks.values()), self.root)
        return self.tasks.get(element.get("task_id", ""), first)

    def _video(self, element: ET.Element) -> str:
        """Return the video of an image or track: an id that names the task, else its source."""
        task = self._task(element)
        name, source = ((task.findtext(tag) or "").strip() for tag in ("name", "source"))
        source = source or (self.root.findtext("meta/source") or "").strip()
        found = name if _VIDEO_ID.fullmatch(name) else source or element.get("source", "")
        return PureWindowsPath(found).name if "\\" in found else found

    def _size_wh(self, element: ET.Element) -> tuple[int, int]:
        """Return the size of the pictures of a track, 0 where it is unknown."""
        task = self._task(element)
        found = task.find("original_size"), self.root.find("meta/original_size")
        size = next((each for each in found if each is not None), None)
        if size is None:
            return 0, 0
        where = f"{self.path}: original_size"
        width, height = (xml_number(where, t, size.findtext(t)) for t in ("width", "height"))
        return max(int(width), 0), max(int(height), 0)

    def read_tracks(self, frames: FoundFrames, classes: Sequence[str]) -> None:
        """Add the visible boxes of all tracks to the frames."""
        tracks = (self._track(track, classes) for track in self.root.findall("track"))
        add_tracks(frames, [list(each) for each in tracks])

    def _track(self, track: ET.Element, classes: Sequence[str]) -> Iterator[KeyFrame]:
        """Yield the places of a track."""
        number = track.get("id", "")
        where = f"{self.path}: track {number or '?'}"
        video, size_wh = self._video(track), self._size_wh(track)
        class_id = _class_id(where, track.get("label"), classes)
        alone = not number.isdecimal() or int(number[:18]) >= UNNUMBERED
        track_id = None if alone else int(number[:18])
        for element in track:
            index = _whole(where, "frame", element.get("frame"))
            here, shown = f"{where}, frame {index}", not is_outside(element)
            image = ImageEntry("", *size_wh, video=video, frame_index=index)
            xyxy = box_around(here, element) if shown else None
            if xyxy is not None:
                entry = replace(_entry(here, element, xyxy, class_id), track_id=track_id)
                yield KeyFrame(image, entry, shown=True, goes_on=True)
            else:
                image = replace(image, without_box=(class_id,))
                yield KeyFrame(image, None, shown=shown, goes_on=shown)

    def images(self, classes: Sequence[str]) -> Dataset:
        """Return the pictures of the file."""
        images, entries = list[ImageEntry](), list[list[Entry]]()
        for element in self.root.findall("image"):
            where = f"{self.path}: image {element.get('name') or element.get('id') or '?'}"
            own, without_box = list[Entry](), list[int]()
            for shape in element:
                if shape.tag in {"tag", "attribute"}:
                    continue
                class_id = _class_id(where, shape.get("label"), classes)
                xyxy = None if is_outside(shape) else box_around(where, shape)
                if xyxy is not None:
                    own.append(_entry(where, shape, xyxy, class_id))
                elif not is_outside(shape):
                    without_box.append(class_id)
            images.append(replace(self._image(where, element), without_box=tuple(without_box)))
            entries.append(own)
        return dataset_of(classes, images, entries)

    def _image(self, where: str, element: ET.Element) -> ImageEntry:
        name = (element.get("name") or "").strip()
        if not name:
            raise FormatError(f"{where}: expected a 'name', but there is none; correct it")
        sizes = [xml_number(where, key, element.get(key, "0")) for key in ("width", "height")]
        width, height = (max(int(size), 0) for size in sizes)
        split = SPLIT_NAMES.get((element.get("subset") or self.path.stem).lower(), "")
        image = ImageEntry(name, width, height, split=split)
        frame, video = _FRAME_NAME.fullmatch(Path(name).stem), self._video(element)
        if frame is None or not video:
            return image
        return replace(image, video=video, frame_index=int(frame[1]))


def _class_id(where: str, name: str | None, classes: Sequence[str]) -> int:
    label = (name or "").strip()
    if label not in classes:
        raise FormatError(
            f"{where}: expected a label that <meta> lists ({', '.join(classes[:20])}), but got "
            f"{label[:40]!r}; correct it"
        )
    return classes.index(label)


def _whole(where: str, name: str, text: str | None) -> int:
    if not re.fullmatch(r"\d{1,9}", (text or "").strip(), re.ASCII):
        raise FormatError(f"{where}: expected a number in '{name}', but got {(text or '')[:40]!r}")
    return int(text or "")


def _entry(where: str, shape: ET.Element, xyxy: Four, class_id: int) -> Entry:
    given = {each.get("name", ""): (each.text or "").strip() for each in shape.findall("attribute")}
    score = xml_number(where, "score", given["score"]) if given.get("score") else None
    if score is not None and not 0 <= score <= 1:
        raise FormatError(f"{where}: expected a 'score' in 0..1, but got {score}; correct it")
    extra: dict[str, Any] = {"occluded": True} if shape.get("occluded") == "1" else {}
    if shape.get("keyframe") == "0":
        extra["interpolated"] = True
    if further := {k: v for k, v in given.items() if k not in OWN_ATTRIBUTES}:
        extra["attributes"] = further
    return Entry(xyxy, class_id, score, origin=given.get("origin", ""), extra=extra)
