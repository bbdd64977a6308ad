"""What an export adds to a data set: tracks, time base and file name of videos, video pixels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reelabel.data.boxes import Ints, Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import GAP
from reelabel.data.video import Video
from reelabel.formats.entries import NO_TRACK
from reelabel.formats.video_files import VIDEO_FPS, VIDEO_NAME, VIDEO_PLACE
from reelabel.tables import CANDIDATES, CORNERS, EVIDENCE, TRACKS, Row, xyxy_of
from reelabel.verbs.exported_names import written_frames
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById
from reelabel.workspace.rounds import dataset_dir

SAME_PX = 0.05
"""Farthest that two corners of one box are apart, in video pixels: files round them."""
_REACH_PX = 0.06  # more than that, for what sums of large numbers lose


@dataclass(frozen=True)
class Tracked:
    """Boxes of one video that have a track.

    Attributes:
        pts: ``(n,)`` time stamps.
        class_id: ``(n,)`` positions of their classes, -1 for others.
        xyxy: ``(n, 4)`` in video pixels.
        track_id: ``(n,)`` from 1.
    """

    pts: Ints
    class_id: Ints
    xyxy: NDArray[Any]
    track_id: Ints

    @classmethod
    def of(cls, table: pa.Table, track_id: Ints, classes: Sequence[str]) -> Tracked:
        """Return the boxes of a table, whose tracks, ``(rows,)``, count from 0."""
        known = pa.array(classes, pa.string())
        class_id = pc.index_in(table["category"], value_set=known).fill_null(-1).to_numpy()
        return cls(table["pts"].to_numpy(), class_id, xyxy_of(table), track_id + 1)

    @classmethod
    def joined(cls, parts: Sequence[Tracked]) -> Tracked:
        """Return the boxes of all parts."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def nearest(self, pts: Ints, class_id: Ints, xyxy: NDArray[Any]) -> Ints:
        """Return the track of the nearest of these boxes for each of others, `NO_TRACK` if far.

        Args:
            pts: ``(m,)`` time stamps of the others.
            class_id: ``(m,)`` positions of their classes.
            xyxy: ``(m, 4)`` in video pixels.
        """
        own, other = _along((self.pts, pts), (self.class_id, class_id), (self.xyxy, xyxy))
        order = np.argsort(own)
        # Few boxes of a frame begin at one place: only these are compared.
        low = np.searchsorted(own[order], other - _REACH_PX)
        count = np.searchsorted(own[order], other + _REACH_PX, "right") - low
        row = np.repeat(np.arange(len(other)), count)
        step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        at = order[low[row] + step]
        apart = np.abs(self.xyxy[at] - xyxy[row]).max(axis=1, initial=0)
        best = np.lexsort((at, apart, row))
        best = best[apart[best] <= SAME_PX]
        row, first = np.unique(row[best], return_index=True)
        result = np.full(len(other), NO_TRACK, np.int64)
        result[row] = self.track_id[at[best[first]]]
        return result


def _along(
    pts: tuple[Ints, Ints], class_id: tuple[Ints, Ints], xyxy: tuple[NDArray[Any], NDArray[Any]]
) -> list[NDArray[np.float64]]:
    """Return the left edges of two sets of boxes, those of other frames and classes far apart."""
    frame = np.searchsorted(np.unique(np.concatenate(pts)), np.concatenate(pts))
    number = np.concatenate(class_id) + 1
    left = np.concatenate([each[:, 0] for each in xyxy]).astype(np.float64)
    left -= left.min(initial=np.inf)
    group = frame * (number.max(initial=0) + 1) + number
    return np.split(group * (left.max(initial=0) + 1) + left, [len(pts[0])])


def _places(videos: Mapping[str, Video]) -> dict[str, str]:
    """Return where each video lies below the folder above the one that holds all."""
    paths = {video_id: video.path.absolute() for video_id, video in videos.items()}
    try:
        home = Path(os.path.commonpath([path.parent for path in paths.values()])).parent
    except ValueError:  # none, or on several drives
        return {video_id: video.name for video_id, video in videos.items()}
    return {video_id: path.relative_to(home).as_posix() for video_id, path in paths.items()}


def _track_of(detection: Ints, tracks: pa.Table) -> tuple[Ints, Ints]:
    """Return which of some detections have a track, and those tracks."""
    known = tracks["detection"].to_numpy()
    if not len(known):
        return known, known
    order = np.argsort(known, kind="stable")
    at = np.searchsorted(known[order], detection, "right") - 1
    there = np.flatnonzero((at >= 0) & (known[order[np.maximum(at, 0)]] == detection))
    return there, tracks["track_id"].to_numpy()[order[at[there]]]


@dataclass
class ExportedFrames:
    """The frames of one round.

    Attributes:
        workspace: where they come from.
        number: the round; None if it is none of the workspace's.
        videos: by id.
    """

    workspace: Workspace
    number: int | None
    videos: dict[str, Video]
    _frames: dict[str, dict[int, Row]] = field(default_factory=dict)

    @classmethod
    def of(cls, workspace: Workspace, data_set: Path) -> ExportedFrames:
        """Return the frames of the round that a data set belongs to."""
        rounds = (n for n in workspace.rounds() if dataset_dir(workspace, n) == data_set)
        videos = VideosById(workspace.videos())
        return cls(workspace, next(rounds, None), videos)

    def described(self, data: Dataset) -> Dataset:
        """Return a data set with the tracks of its boxes, numbered from 1 in each video.

        Images have the time base of their video, and its file name in their `extra`.

        Raises:
            MissingInput: if a video is not registered, or a part of its tables is missing.
        """
        images, boxes = list(data.images), list(data.boxes)
        of_video: dict[str, list[int]] = defaultdict(list)
        for i, image in enumerate(data.images):
            if image.video:
                of_video[image.video].append(i)
        for video_id, at in of_video.items():
            video = self.videos[video_id]
            for i, track_id in zip(at, self._track_ids(data, video_id, at), strict=True):
                extra = {**images[i].extra, VIDEO_NAME: video.name}
                images[i] = replace(images[i], time_base=video.time_base, extra=extra)
                if (track_id >= 0).any():
                    boxes[i] = replace(boxes[i], track_id=track_id)
        return replace(data, images=tuple(images), boxes=tuple(boxes))

    def as_video_frames(self, data: Dataset) -> Dataset:
        """Return a data set with boxes and sizes in pixels of the upright videos.

        Images have the place and frame rate of their video in their `extra`.
        """
        images, boxes = list(data.images), list(data.boxes)
        used = {image.video: self.videos[image.video] for image in images if image.video}
        places = _places(used)
        for i, image in enumerate(data.images):
            if not image.video:
                continue
            video = self.videos[image.video]
            width, height = video.size_wh
            xyxy = self._placement(image, video).to_video(boxes[i].xyxy)
            extra = {**image.extra, VIDEO_PLACE: places[image.video], VIDEO_FPS: video.fps}
            images[i] = replace(image, width=width, height=height, extra=extra)
            boxes[i] = replace(boxes[i], xyxy=xyxy.astype(np.float32))
        return replace(data, images=tuple(images), boxes=tuple(boxes)).clipped()

    def _placement(self, image: ImageEntry, video: Video) -> Placement:
        """Return where the video's frame lies in a picture of the data set."""
        if video.video_id not in self._frames:
            self._frames[video.video_id] = written_frames(self.workspace, video.video_id)
        row = self._frames[video.video_id].get(image.pts or 0)
        # Pictures of frames that were never sampled are written in the video's own size.
        return Placement() if row is None else Placement.of_frame(row)

    def _track_ids(self, data: Dataset, video_id: str, at: list[int]) -> list[Ints]:
        """Return the tracks of the boxes of some images, -1 for none: of the same candidates."""
        tracked = self._read_tracks(video_id, data.classes)
        placed = [self._in_video(data, i, self.videos[video_id]) for i in at]
        lengths = [len(data.boxes[i]) for i in at]
        pts = np.repeat([data.images[i].pts or 0 for i in at], lengths).astype(np.int64)
        class_id = np.concatenate([data.boxes[i].class_id for i in at])
        found = tracked.nearest(pts, class_id, np.concatenate(placed)) if tracked else None
        none = np.full(len(pts), NO_TRACK, np.int64)
        return np.split(none if found is None else found, np.cumsum(lengths)[:-1])

    def _in_video(self, data: Dataset, at: int, video: Video) -> NDArray[Any]:
        """Return the boxes of an image in pixels of the video."""
        return self._placement(data.images[at], video).to_video(data.boxes[at].xyxy)

    def _read_tracks(self, video_id: str, classes: Sequence[str]) -> Tracked | None:
        """Return the tracked boxes of a video; those added in a gap have the track around it."""
        ws, number = self.workspace, self.number
        if number is None or not any(
            ws.shard_path(table, video_id, number).is_file()
            for table in (CANDIDATES, TRACKS, EVIDENCE)
        ):
            return None
        boxes = ("pts", "category", *CORNERS)
        gaps = ws.read(EVIDENCE, video_id, number, columns=(*boxes, "kind", "track_id"))
        gaps = gaps.filter(pc.equal(gaps["kind"], GAP))
        candidates = ws.read(CANDIDATES, video_id, number, columns=(*boxes, "detection"))
        tracks = ws.read(TRACKS, video_id, number, columns=("detection", "track_id"))
        detection = candidates["detection"].fill_null(-1).to_numpy()
        there, track_id = _track_of(detection, tracks)
        linked = Tracked.of(candidates.take(pa.array(there)), track_id, classes)
        return Tracked.joined([linked, Tracked.of(gaps, gaps["track_id"].to_numpy(), classes)])
