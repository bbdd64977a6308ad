"""Pictures that an export has written, known by their names: corrected, they can come back.

An exported picture is called ``<video_id>_<pts>.jpg``. Tools in which people draw keep the name, or
put something before or behind it; whatever else the export said is lost on the way. The name alone
leads back to the frame, and the table `frames` says how its picture was made.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.tables import FRAMES
from reelabel.workspace import Workspace

NAME = re.compile(r"(?<![0-9a-f])(?P<video_id>[0-9a-f]{16})_(?P<pts>-?\d+)(?!\d)")
Row = Mapping[str, Any]


def picture_name(video_id: str, pts: int) -> str:
    """Return the name of an exported picture."""
    return f"{video_id}_{pts}.jpg"


def as_frames(workspace: Workspace, data: Dataset) -> Dataset:
    """Return a data set in which our own pictures are frames again, in pixels of the upright video.

    Other pictures stay as they are.
    """
    videos = {video.video_id: video for video in workspace.videos()}
    images, boxes = list(data.images), list[BoxEntry]()
    frames: dict[str, dict[int, Row]] = {}
    for i, (image, drawn) in enumerate(zip(data.images, data.boxes_by_image(), strict=True)):
        video_id, pts = _meant(image)
        video = videos.get(video_id)
        if video is None or pts is None:
            boxes += drawn
            continue
        if video_id not in frames:
            frames[video_id] = _frames(workspace, video_id)
        size = video.size_wh
        images[i] = replace(image, video=video_id, pts=pts, width=size[0], height=size[1])
        made = frames[video_id].get(pts)
        boxes += [_in_video(box, images[i], image, made) for box in drawn]
    return Dataset(data.classes, tuple(images), tuple(boxes))


def _meant(image: ImageEntry) -> tuple[str, int | None]:
    """Return the video id and time stamp that a picture's name speaks of, or what else it says."""
    found = NAME.search(PurePath(image.file_name).name)
    return (found["video_id"], int(found["pts"])) if found else (image.video, image.pts)


def _frames(workspace: Workspace, video_id: str) -> dict[int, Row]:
    """Return the rows of a video's written pictures by time stamp."""
    if video_id not in workspace.shards(FRAMES):
        return {}
    rows = workspace.read(FRAMES, video_id).to_pylist()
    return {row["pts"]: row for row in rows if row["picture"]}


def _in_video(box: BoxEntry, frame: ImageEntry, seen: ImageEntry, made: Row | None) -> BoxEntry:
    """Return a box of a picture, which somebody may have resized, in pixels of its video."""
    wh = (seen.width or frame.width, seen.height or frame.height)
    scale, offset = (wh[0] / frame.width, wh[1] / frame.height), (0.0, 0.0)
    if made is not None:
        again = (wh[0] / made["width"], wh[1] / made["height"])
        scale = made["scale_x"] * again[0], made["scale_y"] * again[1]
        offset = made["offset_x"] * again[0], made["offset_y"] * again[1]
    x, y, w, h = box.xywh
    place = ((x - offset[0]) / scale[0], (y - offset[1]) / scale[1])
    return replace(box, xywh=(*place, w / scale[0], h / scale[1]))
