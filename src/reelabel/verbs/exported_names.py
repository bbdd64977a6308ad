"""Names of exported pictures, from which the video frame is found when they are imported again.

An exported picture is called ``<video_id>_<pts>.jpg``. Annotation tools keep the name, or add a
prefix or a suffix, and drop the other fields of an export. The name identifies the frame, and the
table `frames` holds how its picture was made.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from reelabel.data.boxes import Placement
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import FormatError
from reelabel.formats.pictures import FRAME_PICTURE, UNKNOWN_SIDE
from reelabel.labels.tying import SAME_SHAPE, stretched
from reelabel.tables import FRAMES, Row
from reelabel.workspace import Workspace

_SAMPLED = re.compile(
    r"(?<![0-9a-f])(?P<video_id>[0-9a-f]{16})[\\/]([^\\/]+\.\w+[\\/])?(?P<pts>-?\d+)(\.\w+)?$"
)
"""The end of the path of a sampled picture, ``<video id>/<pts>.jpg``; a label file may lie between
the folder and the name."""


def as_frames(workspace: Workspace, file: Path, data: Dataset) -> Dataset:
    """Return a data set in which pictures that we wrote are video frames, in upright video pixels.

    Other pictures stay as they are.

    Args:
        workspace: whose frames they may be.
        file: the file or folder of the data set, whose place may name the video.
        data: what it holds.

    Raises:
        FormatError: if an exported picture was padded or distorted, and nothing records how.
    """
    videos = {video.video_id: video for video in workspace.videos()}
    images, boxes = list(data.images), list(data.boxes)
    frames: dict[str, dict[int, Row]] = {}
    for i, image in enumerate(data.images):
        video_id, pts = _frame_of(image, file)
        video = videos.get(video_id)
        if video is None or pts is None:
            continue
        if video_id not in frames:
            frames[video_id] = written_frames(workspace, video_id)
        width, height = video.size_wh
        images[i] = replace(image, video=video_id, pts=pts, width=width, height=height)
        place = _placement(images[i], image, frames[video_id].get(pts))
        xyxy = place.to_video(boxes[i].xyxy).astype(np.float32)
        boxes[i] = replace(boxes[i], xyxy=xyxy)
    return replace(data, images=tuple(images), boxes=tuple(boxes)).clipped()


def _frame_of(image: ImageEntry, file: Path) -> tuple[str, int | None]:
    """Return the video id and time stamp in a picture's name, else those that the entry gives.

    Exported pictures have both in their name, sampled ones lie in a folder named by the id.
    """
    if not image.file_name:
        return "", None  # a frame itself, not a picture that was made of it
    found = FRAME_PICTURE.search(PurePath(image.file_name).name) or _SAMPLED.search(
        f"{file.absolute()}/{image.file_name}"
    )
    return (found["video_id"], int(found["pts"])) if found else (image.video, image.pts)


def written_frames(workspace: Workspace, video_id: str) -> dict[int, Row]:
    """Return the rows of a video's written pictures by time stamp."""
    if video_id not in workspace.shards(FRAMES):
        return {}
    rows = workspace.read(FRAMES, video_id).to_pylist()
    return {row["pts"]: row for row in rows if row["picture"]}


def _placement(frame: ImageEntry, picture: ImageEntry, row: Row | None) -> Placement:
    """Return where the video frame lies in its picture, which may have been resized since.

    Raises:
        FormatError: if the picture was padded or distorted, and nothing records how.

    Args:
        frame: the frame, in pixels of the upright video.
        picture: the picture as the file describes it.
        row: how `sample` made the picture; None if it has the whole frame.
    """
    width, height = picture.width or frame.width, picture.height or frame.height
    if row is None:
        known = picture.size_wh != (UNKNOWN_SIDE, UNKNOWN_SIDE)
        if known and stretched((width, height), frame.size_wh) > SAME_SHAPE:
            raise FormatError(
                f"expected {picture.file_name} in the shape of its video, {frame.width} x "
                f"{frame.height}, but it is {width} x {height}, and this workspace holds no record "
                "of how it was resized: import it into the workspace that exported it, or run  "
                "sample  here first, with the same settings"
            )
        return Placement((width / frame.width, height / frame.height))
    return Placement.of_frame(row).resized((width / row["width"], height / row["height"]))
