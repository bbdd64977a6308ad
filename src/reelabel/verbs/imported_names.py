"""Names in imported files that lead to a video or a picture, though they are no path of one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.engine.run import Options
from reelabel.errors import FormatError, few
from reelabel.files import safe_join
from reelabel.pipeline import read_config, run_one
from reelabel.short_names import composed
from reelabel.stages import register
from reelabel.verbs.detections import video_of
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names

_FRAME = re.compile(r"frame_?(\d{1,9})", re.IGNORECASE)
"""What CVAT calls the frames of a video, counted from 0."""


def with_videos(workspace: Workspace, file: Path, data: Dataset, given: str | None) -> Dataset:
    """Return a data set whose images name a video of the workspace, as far as they can.

    Args:
        workspace: a workspace; its videos are registered if that was not done yet.
        file: where the data comes from, for messages.
        data: what it holds.
        given: the video that all of it is of; None keeps the names of the file, of which one
            without suffix, as sequences have, may be that of a video's file.

    Raises:
        UsageError: if no video, or more than one, is called so.
        FormatError: if a video is given, but a picture is not named by its frame.
    """
    run_one(workspace, read_config(workspace), Options(quiet=True), register.STAGE, number=0)
    if given is None:
        return _by_stem(workspace, data)
    video = video_of(workspace, file, given)
    named = {image.video for image in data.images if image.video}
    if len(named) > 1:
        raise FormatError(
            f"{file}: expected frames of {video.name} alone, but it names {few(sorted(named))}: "
            "leave out --video, or split the file"
        )
    images = (_frame_of(file, image, video.video_id) for image in data.images)
    return replace(data, images=tuple(images))


def _frame_of(file: Path, image: ImageEntry, video_id: str) -> ImageEntry:
    if any(value is not None for value in (image.frame_index, image.pts, image.pts_time)):
        return replace(image, video=video_id)
    found = _FRAME.fullmatch(PurePath(image.file_name.replace("\\", "/")).stem)
    if found is None:
        raise FormatError(
            f"{file}: expected pictures named by their frame from 0, such as frame_000012.PNG, but "
            f"got '{image.file_name}': rename it, or leave out --video"
        )
    return replace(image, video=video_id, frame_index=int(found[1]))


def video_hint(names: Iterable[str]) -> str:
    """Return words on the names of frames if some unknown pictures look like them, else none."""
    stems = [PurePath(name.replace("\\", "/")).stem for name in names]
    if any(map(_FRAME.fullmatch, stems)):
        return "; if they are frames of one video, name it with --video"
    if any(stem.lstrip("-").isdecimal() for stem in stems):
        return (
            "; if they are pictures of the folder frames/, name them with the folder that they "
            "lie in, VIDEO_ID/PTS.jpg, or import that folder"
        )
    return ""


def _by_stem(workspace: Workspace, data: Dataset) -> Dataset:
    """Return a data set in which the name of a video without its suffix is the video's id."""
    names = video_names(workspace)
    stems: dict[str, list[str]] = defaultdict(list)
    for video in workspace.videos():
        stems[composed(PurePath(video.name).stem)].append(video.video_id)
    found = {image.video: stems.get(composed(image.video), []) for image in data.images}
    ids = {
        name: video_ids[0]
        for name, video_ids in found.items()
        if len(video_ids) == 1 and not names.find(name).videos
    }
    images = (replace(i, video=ids.get(i.video, i.video)) for i in data.images)
    return replace(data, images=tuple(images))


def own_pictures(folder: Path, data: Dataset) -> dict[str, Path]:
    """Return the picture files of a data set that are named as no frame of a video, by their names.

    Args:
        folder: where the label files lie.
        data: what they hold.
    """
    found = {}
    for image in data.images:
        if image.video or not image.file_name:
            continue
        for path in _places(folder, image):
            found[image.file_name] = path
            break
    return found


def _places(folder: Path, image: ImageEntry) -> Iterator[Path]:
    """Yield where the picture of an image lies."""
    for name in (
        image.file_name,
        f"images/{image.file_name}",
        f"images/{image.split}/{image.file_name}",
    ):
        try:
            path = safe_join(folder, name)
        except FormatError:
            continue
        if path.is_file():
            yield path
