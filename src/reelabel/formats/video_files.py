"""What formats of whole videos share: frames by number, and what such files cannot hold.

Files of tracks list boxes by frame number; they have no place for frames that show nothing, for
time stamps, nor for regions to ignore and negatives. An export keeps these beside them: the boxes
in ``ignore.json`` (see `reelabel.formats.side`) with the picture named ``<video>/<frame index>``,
and the frames in ``frames.json``::

    {"about": "...", "videos": {"<video>": {"name": "clip.mp4", "width": 1280, "height": 720,
        "time_base": "1/600", "frames": [[0, 0], [5, 120], ...]}, ...}}

``frames`` holds the index of every labelled frame, counted from 0, and its time stamp or null.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import POSITIVE
from reelabel.errors import FormatError
from reelabel.files import write_text
from reelabel.formats.checked import Row, bad, load_json, text_of, time_base_of, whole_of
from reelabel.formats.entries import Entry, dataset_of, to_entries
from reelabel.formats.side import read_side, write_side

FRAMES_FILE = "frames.json"
VIDEO_NAME = "video_name"
"""Key of `ImageEntry.extra` for the file name of a video that is named by its id."""
VIDEO_PLACE, VIDEO_FPS = "video_place", "video_fps"
"""Keys of `ImageEntry.extra` for the place of a video's file below the folder above the one that
holds all of them, parts joined by ``/``, and for its average frame rate."""
_USUAL_FPS = 25.0
_ABOUT = "labelled frames as [index, time stamp or null]; those that no label file names are empty"

Key = tuple[str, int]
"""A video and the index of a frame, counted from 0."""


@dataclass(frozen=True)
class OfVideos:
    """A writer of labels on whole videos, with boxes in pixels of the upright video.

    Attributes:
        write: writes a data set, whose images name their video and frame index, into a folder.
    """

    write: Callable[[Path, Sequence[VideoFrames]], None]

    def __call__(
        self, folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]
    ) -> None:
        """Write a folder, with the side files; the pictures are those of the videos themselves.

        Raises:
            FormatError: if an image is no frame of a video, or a name cannot be written.
            WorkspaceError: if something cannot be written.
        """
        del pictures
        videos = videos_of(dataset)
        write_side(folder, dataset.classes, chain.from_iterable(map(_aside, videos)))
        write_text(folder / FRAMES_FILE, _frames_text(videos), atomic=False)
        self.write(folder, videos)


@dataclass(frozen=True)
class VideoFrames:
    """The labelled frames of one video.

    Attributes:
        video: what the images name it by.
        classes: class names.
        images: in the order of their frame index.
        entries: the boxes of each, in every state.
    """

    video: str
    classes: tuple[str, ...]
    images: list[ImageEntry] = field(default_factory=list)
    entries: list[list[Entry]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The video's file name, where it is known."""
        return str(self.images[0].extra.get(VIDEO_NAME, self.video))

    @property
    def place(self) -> str:
        """Where its file lies, see `VIDEO_PLACE`, else its file name."""
        return str(self.images[0].extra.get(VIDEO_PLACE, self.name))

    @property
    def fps(self) -> float:
        """Average frames per second: as known, else between labelled frames, else 25."""
        known = self.images[0].extra.get(VIDEO_FPS)
        return float(known) if known else _rate(self.images[0], self.images[-1])

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.images[0].size_wh

    @property
    def indices(self) -> list[int]:
        """The index of each frame, ascending."""
        return [image.frame_index or 0 for image in self.images]

    def positives(self) -> Iterator[tuple[int, Entry]]:
        """Yield the objects, each with its frame index, in order."""
        for index, entries in zip(self.indices, self.entries, strict=True):
            yield from ((index, entry) for entry in entries if entry.state == POSITIVE)

    def tracks(self) -> Iterator[list[tuple[int, Entry]]]:
        """Yield the objects of each track and class; one without a track stands alone."""
        found: dict[object, list[tuple[int, Entry]]] = {}
        for at, (index, entry) in enumerate(self.positives()):
            alone = entry.track_id is None
            key = ("box", at) if alone else (entry.track_id, entry.class_id)
            found.setdefault(key, []).append((index, entry))
        yield from found.values()


def _rate(first: ImageEntry, last: ImageEntry) -> float:
    """Return the frames per second between two frames."""
    if first.pts is None or last.pts is None or first.time_base is None:
        return _USUAL_FPS
    seconds = float((last.pts - first.pts) * first.time_base)
    frames = (last.frame_index or 0) - (first.frame_index or 0)
    return frames / seconds if seconds > 0 and frames > 0 else _USUAL_FPS


def videos_of(dataset: Dataset) -> list[VideoFrames]:
    """Return the frames of each video, videos in the order in which they first come.

    Raises:
        FormatError: if an image names no video and frame index, or a frame comes twice.
    """
    found: dict[str, dict[int, tuple[ImageEntry, list[Entry]]]] = {}
    for image, boxes in zip(dataset.images, dataset.boxes, strict=True):
        if not image.video or image.frame_index is None:
            raise FormatError(
                f"expected frames of videos with their index, but got {image}: choose a format of "
                "pictures, such as coco"
            )
        frames = found.setdefault(image.video, {})
        if image.frame_index in frames:
            raise FormatError(f"expected every frame once, but {image} comes twice")
        frames[image.frame_index] = image, to_entries(boxes, image.size_wh)
    videos = []
    for video, frames in found.items():
        images, entries = zip(*(frames[index] for index in sorted(frames)), strict=True)
        videos.append(VideoFrames(video, dataset.classes, list(images), list(entries)))
    return videos


def _aside(video: VideoFrames) -> Iterator[tuple[str, Entry]]:
    """Yield the boxes that are no objects, with the name of their frame."""
    for index, entries in zip(video.indices, video.entries, strict=True):
        name = side_name((video.video, index))
        yield from ((name, entry) for entry in entries if entry.state != POSITIVE)


def side_name(key: Key) -> str:
    """Return the name of a frame in the side file."""
    return f"{key[0]}/{key[1]}"


def _frames_text(videos: Iterable[VideoFrames]) -> str:
    rows = {video.video: _frames_row(video) for video in videos}
    return json.dumps({"about": _ABOUT, "videos": rows}, indent=1) + "\n"


def _frames_row(video: VideoFrames) -> dict[str, Any]:
    base, (width, height) = video.images[0].time_base, video.size_wh
    row: dict[str, Any] = {"name": video.name, "width": width, "height": height}
    if base is not None:
        row["time_base"] = f"{base.numerator}/{base.denominator}"
    pairs = zip(video.indices, video.images, strict=True)
    return row | {"frames": [[index, image.pts] for index, image in pairs]}


@dataclass
class FoundFrames:
    """What a reader of tracks found.

    Attributes:
        images: by video and frame index.
        entries: the boxes of each.
    """

    images: dict[Key, ImageEntry] = field(default_factory=dict)
    entries: dict[Key, list[Entry]] = field(default_factory=dict)

    def add(self, image: ImageEntry, entries: Iterable[Entry]) -> None:
        """Add boxes to a frame, which is made if it is not there yet."""
        key = image.video, image.frame_index or 0
        known = self.images.setdefault(key, image)
        if further := [each for each in image.without_box if each not in known.without_box]:
            self.images[key] = replace(known, without_box=(*known.without_box, *further))
        self.entries.setdefault(key, []).extend(entries)

    def dataset(self, classes: Sequence[str], folder: Path | None) -> Dataset:
        """Return the data set, with what stands in the side files of a folder.

        Raises:
            FormatError: if a side file is damaged.
        """
        if folder is not None:
            self._add_frames(folder / FRAMES_FILE)
            classes = self._add_side(folder, classes)
        keys = sorted(self.images)
        images = [self.images[key] for key in keys]
        return dataset_of(classes, images, [self.entries[key] for key in keys])

    def _add_frames(self, path: Path) -> None:
        if not path.is_file():
            return
        raw = load_json(path)
        videos = raw.get("videos") if isinstance(raw, dict) else None
        if not isinstance(videos, dict):
            raise bad(f"{path}: 'videos'", "an object", videos)
        for video, row in videos.items():
            if not isinstance(row, dict):
                raise bad(f"{path}: {video}", "an object", row)
            for image in _listed(f"{path}: {video}", video, row):
                key = video, image.frame_index or 0
                known = self.images.get(key, image)
                self.images[key] = replace(
                    known, pts=image.pts, time_base=image.time_base, extra=image.extra
                )
                self.entries.setdefault(key, [])

    def _add_side(self, folder: Path, classes: Sequence[str]) -> tuple[str, ...]:
        """Add the boxes of the side file, and return all classes."""
        names = {side_name(key): key for key in self.images}
        own, side = read_side(folder, names)
        every = tuple(dict.fromkeys((*classes, *own)))
        for name, entries in side.items():
            self.entries[names[name]] += [
                replace(entry, class_id=every.index(own[entry.class_id])) for entry in entries
            ]
        return every


def _listed(where: str, video: str, row: Row) -> Iterator[ImageEntry]:
    """Yield the frames that a file of frames lists for a video."""
    frames, base = row.get("frames"), time_base_of(where, row)
    size_wh = whole_of(where, row, "width", 0) or 0, whole_of(where, row, "height", 0) or 0
    name = text_of(where, row, "name")
    if not isinstance(frames, list):
        raise bad(f"{where}: 'frames'", "a list", frames)
    for at, each in enumerate(frames):
        here = f"{where}: frames[{at}]"
        if not isinstance(each, list) or len(each) != 2:  # noqa: PLR2004 -- index and time stamp
            raise bad(here, "[index, time stamp or null]", each)
        pair: Mapping[str, Any] = {"index": each[0], "pts": each[1]}
        index = whole_of(here, pair, "index", 0)
        if index is None:
            raise bad(here, "[index, time stamp or null]", each)
        extra = {VIDEO_NAME: name} if name and name != video else {}
        pts = whole_of(here, pair, "pts")
        image = ImageEntry("", *size_wh, video=video, frame_index=index, pts=pts)
        yield replace(image, extra=extra, time_base=base)
