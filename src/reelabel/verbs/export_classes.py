"""export of classes: a round's data set by one of the writers of the task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reelabel.data.class_dataset import ClassDataset
from reelabel.data.video import Video
from reelabel.formats.class_json import read_class_json
from reelabel.labels.division import SIDES
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById

Writer = Callable[..., None]


def export_classes(
    folder: Path, data_set: Path, write: Writer, *, into: Path | None, workspace: Workspace
) -> list[str]:
    """Write a round's classes with their pictures, all sides that hold any; return no messages.

    Args:
        folder: a new or empty folder.
        data_set: the folder of the round's data set.
        write: the writer of the format.
        into: None: there is no file of classes to add to.
        workspace: has the times of the moments, for formats that state them.

    Raises:
        UsageError: if the format cannot hold these classes.
        FormatError: if a picture is missing.
    """
    assert into is None, "refused before"  # noqa: S101 -- a defect of the caller, not of its input
    parts = {side: _side(data_set, side) for side in SIDES}
    held = {side: data for side, data in parts.items() if len(data)}
    write_classes(write, folder, held, home=data_set, videos=workspace.videos())
    return []


def write_classes(
    write: Writer,
    folder: Path,
    parts: Mapping[str, ClassDataset],
    *,
    home: Path,
    videos: Sequence[Video],
) -> None:
    """Apply the writer of a format.

    Args:
        write: the writer.
        folder: a new or empty folder.
        parts: the data set of each side.
        home: the folder that the pictures' names start from.
        videos: of the workspace, for formats that state times.
    """
    stated = {}
    if "time_s" in inspect.signature(write).parameters:
        by_id = VideosById(videos)
        stated["time_s"] = lambda video_id, pts: by_id[video_id].time_s(pts)
    write(folder, parts, lambda name: home / name, **stated)


def _side(data_set: Path, side: str) -> ClassDataset:
    return read_class_json(data_set / f"{side}.json")
