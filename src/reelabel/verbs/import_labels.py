"""import_labels: import boxes into a workspace, as truth, as labels or as detections.

The command is called ``import``, which is no name for a function in Python. Hand-drawn boxes are
tied to frames, stored in ``imports/`` and named in `reelabel.yaml`; the stage `truth` reads them
from there. Detections of another detector become those of the first teacher; see
`reelabel.verbs.detections`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from reelabel.config_edit import set_key
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.engine.run import Options
from reelabel.errors import FormatError, UsageError, nearest
from reelabel.files import copy_file
from reelabel.formats.coco import read_coco, truth_pictures, write_coco
from reelabel.formats.voc import read_voc
from reelabel.formats.yolo import read_yolo
from reelabel.labels.tying import ImportProblems, Timeline, check_classes, nothing_known, tie
from reelabel.media.stream import scan
from reelabel.pipeline import read_config, run_one, task_of
from reelabel.stages import register
from reelabel.tables import LABELS
from reelabel.verbs.detections import TEACHER, import_detections
from reelabel.verbs.exported_names import as_frames
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names

COCO, DETECTIONS_TXT = "coco", "detections-txt"
FORMATS = (COCO, "yolo", "voc", DETECTIONS_TXT)

What = Literal["truth", "labels", "detections"]
OnMessage = Callable[[str], None]
"""Is called with sentences for people."""


def import_labels(
    workspace: Workspace | Path | str,
    file: Path | str,
    *,
    format: str = COCO,  # noqa: A002 -- the name of the flag
    what: What | None = None,
    xyxy: bool | None = None,
    video: str | None = None,
    category: str | None = None,
    on_message: OnMessage | None = None,
) -> Dataset:
    """Import a file of boxes into a workspace and return what it holds.

    Args:
        workspace: a workspace or its folder.
        file: a label file whose pictures name videos of the workspace, a folder such as `export`
            writes, or a text of detections.
        format: coco, yolo, voc, or detections-txt (`reelabel.formats.detections_txt`).
        what: truth, to evaluate on and never to train on; labels, which are trained on and override
            model boxes in their frames and classes (both join earlier imports and replace the
            frames that come again); or detections, which replace those of the first teacher. None
            is detections for detections-txt, and labels for the others.
        xyxy: True if boxes of a coco file are corners; None refuses a file whose boxes look so;
            False takes them as left, top, width, height unchecked.
        video: which video a text is of: its name, path or id; None goes by the text's own name.
        category: which class a text is of; None is for workspaces with one class.
        on_message: is called with a sentence on what was not taken as it stands.

    Raises:
        UsageError: for an unknown format, or one that `what` does not fit; if no video or class
            is named, or several videos could be meant.
        FormatError: if the file is damaged, about other classes, or names frames that the videos
            of the workspace do not have. Nothing is changed then.
    """
    ws = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    _check_task(ws)
    _check_call(format, what, xyxy, only_texts=bool(video or category))
    problems = ImportProblems()
    with ws.locked():
        if format == DETECTIONS_TXT:
            data = import_detections(
                ws, Path(file), video=video, category=category, on_message=on_message
            )
            set_key(ws.config_path, "detector", TEACHER)
        else:
            own = _own_pictures(Path(file)) if (format, what) == (COCO, "truth") else set[str]()
            data = _read(Path(file), format, xyxy=xyxy)
            data = _tied(ws, Path(file), data, own=own, problems=problems)
            _store(ws, data, what or "labels")
            if what == "truth" and format == COCO:
                _copy_pictures(ws, Path(file))
    if on_message is not None:
        for sentence in problems.sentences():
            on_message(sentence)
    return data


def _check_task(ws: Workspace) -> None:
    """Refuse workspaces that learn no boxes, with the way to give them people's labels."""
    task = task_of(read_config(ws))
    if task.labels is not LABELS:
        raise UsageError(
            f"boxes are imported, but the task {task.name} learns {task.meaning}: name the file of "
            f"classes (CSV, JSON) under 'truth' or 'labels' in {ws.config_path}"
        )


def _check_call(format_: str, what: What | None, xyxy: bool | None, *, only_texts: bool) -> None:
    """Refuse arguments that do not go together."""
    if format_ not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"no format '{format_}'{nearest(format_, FORMATS)}; formats: {known}")
    detections = format_ == DETECTIONS_TXT
    if what is not None and (what == "detections") != detections:
        fitting = "detections" if detections else "truth or labels"
        raise UsageError(f"{format_} is imported as {fitting}, but not as {what}")
    if (format_ != COCO and xyxy is not None) or (not detections and only_texts):
        raise UsageError("xyxy is for coco, video and class are for detections-txt: leave them out")


def _read(file: Path, format_: str, *, xyxy: bool | None) -> Dataset:
    """Return what a file holds, or all files of a folder."""
    if format_ != COCO:
        return {"yolo": read_yolo, "voc": read_voc}[format_](file)
    return Dataset.joined(read_coco(path, xyxy=xyxy) for path in _files(file))


def _files(file: Path) -> list[Path]:
    """Return the COCO files that a file or a folder means."""
    if not file.is_dir():
        return [file]
    paths = sorted((file / "annotations").glob("*.json")) or sorted(file.glob("*.json"))
    if not paths:
        raise FormatError(f"{file}: expected annotations/*.json, but there are none")
    return paths


def _tied(
    workspace: Workspace, file: Path, data: Dataset, *, own: set[str], problems: ImportProblems
) -> Dataset:
    """Return the data set with its frames named by video id, frame index and time stamp.

    Pictures that belong to no video stay as they are: their videos may be added later, or they are
    `own`, pictures of truth that are frames of no video.

    Raises:
        FormatError: if nothing of it can be used in this workspace.
    """
    config = read_config(workspace)
    check_classes(file, data, config.project)
    run_one(workspace, config, Options(quiet=True), register.STAGE, number=0)
    names = video_names(workspace, usable=True)
    tied = tie(file, as_frames(workspace, data), names, _timeline, problems=problems)
    rest = data.subset(tied.rest)
    problems.unknown_videos -= own
    if not tied.videos and problems.unknown_videos:
        raise nothing_known(file, problems, names)
    parts = [
        replace(part, images=tuple(replace(image, video=video_id) for image in part.images))
        for video_id, part in tied.videos.items()
    ]
    return Dataset.joined([*parts, rest])


def _timeline(video: Video) -> Timeline:
    return np.asarray(scan(video.path).pts, np.int64)


def _own_pictures(file: Path) -> set[str]:
    """Return the names of the pictures that lie beside a COCO file and are frames of no video."""
    return {
        picture.relative_to(path.parent).as_posix()
        for path in _files(file)
        for picture in truth_pictures(path)
    }


def _store(workspace: Workspace, data: Dataset, what: What) -> None:
    """Add boxes to those of earlier imports, and name their file in the settings."""
    target = imported_path(workspace, what)
    name = str(target.relative_to(workspace.root))
    if getattr(read_config(workspace).project, what) == name and target.is_file():
        before, again = read_coco(target), set(map(_place, data.images))
        others = [i for i, image in enumerate(before.images) if _place(image) not in again]
        data = Dataset.joined([before.subset(others), data])
    write_coco(target, data)
    set_key(workspace.config_path, what, name)


def imported_path(workspace: Workspace, what: What) -> Path:
    """Return the file that holds all boxes that were imported as that."""
    return workspace.root / "imports" / f"{what}.json"


def _place(image: ImageEntry) -> tuple[object, ...]:
    """Return which picture or frame is meant."""
    name = image.video or image.file_name
    return name, image.pts, image.frame_index, image.pts_time


def _copy_pictures(workspace: Workspace, file: Path) -> None:
    """Copy the pictures of truth that are no frames of videos, to lie beside its copy too."""
    home = imported_path(workspace, "truth").parent
    for path in _files(file):
        for picture in truth_pictures(path):
            copy_file(picture, home / picture.resolve().relative_to(path.parent.resolve()))
