"""What an export adds to a data set: tracks, time base and file name of videos, video pixels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.boxes import Boxes, Floats, Ints, Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.states import GAP
from reelabel.data.video import Video
from reelabel.formats.entries import NO_TRACK
from reelabel.formats.video_files import VIDEO_NAME
from reelabel.tables import CANDIDATES, EVIDENCE, TRACKS, xyxy_of
from reelabel.verbs.exported_names import written_frames
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById
from reelabel.workspace.rounds import dataset_dir

SAME_PX = 0.05
"""Farthest that two corners of one box are apart, in video pixels: files round them."""

Tracked = dict[tuple[int, str], tuple[Floats, Ints]]
"""Boxes ``(n, 4)`` in video pixels and their tracks ``(n,)``, by time stamp and class."""


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
    _tracked: dict[str, Tracked] = field(default_factory=dict)
    _frames: dict[str, dict[int, Mapping[str, Any]]] = field(default_factory=dict)

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
        for i, image in enumerate(data.images):
            if not image.video:
                continue
            video = self.videos[image.video]
            extra = {**image.extra, VIDEO_NAME: video.name}
            images[i] = replace(image, time_base=video.time_base, extra=extra)
            track_id = self._track_ids(image, boxes[i], data.classes)
            if (track_id >= 0).any():
                boxes[i] = replace(boxes[i], track_id=track_id)
        return replace(data, images=tuple(images), boxes=tuple(boxes))

    def in_video_pixels(self, data: Dataset) -> Dataset:
        """Return a data set with boxes and sizes in pixels of the upright videos."""
        images, boxes = list(data.images), list(data.boxes)
        for i, image in enumerate(data.images):
            if not image.video:
                continue
            video = self.videos[image.video]
            width, height = video.size_wh
            xyxy = self._placement(image, video).to_video(boxes[i].xyxy)
            images[i] = replace(image, width=width, height=height)
            boxes[i] = replace(boxes[i], xyxy=xyxy.astype(np.float32))
        return replace(data, images=tuple(images), boxes=tuple(boxes)).clipped()

    def _placement(self, image: ImageEntry, video: Video) -> Placement:
        """Return where the video's frame lies in a picture of the data set."""
        if video.video_id not in self._frames:
            self._frames[video.video_id] = written_frames(self.workspace, video.video_id)
        row = self._frames[video.video_id].get(image.pts or 0)
        # Pictures of frames that were never sampled are written in the video's own size.
        return Placement() if row is None else Placement.of_frame(row)

    def _track_ids(self, image: ImageEntry, boxes: Boxes, classes: tuple[str, ...]) -> Ints:
        """Return the track of each box, -1 for none: that of the round's same candidate."""
        video = self.videos[image.video]
        xyxy = self._placement(image, video).to_video(boxes.xyxy)
        tracked = self._tracks_of(video.video_id)
        found = np.full(len(boxes), NO_TRACK, np.int64)
        for i, class_id in enumerate(boxes.class_id.tolist()):
            same = tracked.get((image.pts or 0, classes[class_id]))
            if same is None:
                continue
            apart = np.abs(same[0] - xyxy[i]).max(axis=1)
            nearest = int(apart.argmin())
            found[i] = same[1][nearest] if apart[nearest] <= SAME_PX else NO_TRACK
        return found

    def _tracks_of(self, video_id: str) -> Tracked:
        """Return the tracked boxes of a video; those added in a gap have the track around it."""
        if video_id not in self._tracked:
            self._tracked[video_id] = self._read_tracks(video_id)
        return self._tracked[video_id]

    def _read_tracks(self, video_id: str) -> Tracked:
        tables = (CANDIDATES, TRACKS, EVIDENCE)
        number = self.number
        if number is None or not any(
            self.workspace.shard_path(table, video_id, number).is_file() for table in tables
        ):
            return {}
        candidates, tracks, evidence = (
            self.workspace.read(table, video_id, number) for table in tables
        )
        rows = tracks["detection"].to_pylist(), tracks["track_id"].to_pylist()
        track_of = dict(zip(*rows, strict=True))
        parts: dict[tuple[int, str], list[tuple[Any, int]]] = defaultdict(list)
        for key, xyxy, detection in _boxes(candidates, "detection"):
            if detection in track_of:
                parts[key].append((xyxy, track_of[detection] + 1))
        gaps = evidence.filter(pc.equal(evidence["kind"], GAP))
        for key, xyxy, track_id in _boxes(gaps, "track_id"):
            parts[key].append((xyxy, track_id + 1))
        return {
            key: (np.array([xyxy for xyxy, _ in some]), np.array([n for _, n in some], np.int64))
            for key, some in parts.items()
        }


def _boxes(table: pa.Table, name: str) -> list[tuple[tuple[int, str], Any, int]]:
    """Return time stamp with class, corners and one column of each row."""
    keys = zip(table["pts"].to_pylist(), table["category"].to_pylist(), strict=True)
    return list(zip(keys, xyxy_of(table), table[name].to_pylist(), strict=True))
