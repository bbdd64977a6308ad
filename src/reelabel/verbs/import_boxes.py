"""import of boxes: hand-drawn ones, as truth or as labels, or detections of another detector.

Hand-drawn boxes are tied to frames, stored in ``imports/`` and named in `reelabel.yaml`; the stage
`truth` reads them from there. Detections of another detector become those of the first teacher; see
`reelabel.verbs.detections`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

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
from reelabel.pipeline import read_config, run_one
from reelabel.stages import register
from reelabel.verbs.detections import TEACHER, import_detections
from reelabel.verbs.exported_names import as_frames
from reelabel.verbs.import_history import Changes, What, imported_path, is_named, recorded
from reelabel.verbs.import_options import ImportOptions
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names

COCO, DETECTIONS_TXT = "coco", "detections-txt"
FORMATS = (COCO, "yolo", "voc", DETECTIONS_TXT)
BOXES = ".json"
"""Suffix of the files that imported boxes are kept in."""


def import_boxes(workspace: Workspace, file: Path, options: ImportOptions) -> Dataset:
    """Import boxes and return what the file holds; see `reelabel.import_labels`.

    Raises:
        UsageError: for options that do not go together, or if no video or class could be meant.
        FormatError: if the file is damaged or does not fit the workspace. Nothing is changed then.
    """
    format_ = options.format or COCO
    _check_call(format_, options)
    if format_ == DETECTIONS_TXT:
        with recorded(workspace, "detections", file, key="detector", value=TEACHER) as changes:
            return import_detections(
                workspace,
                file,
                video=options.video,
                category=options.category,
                keep=changes.keep,
                on_message=options.on_message,
            )
    what, problems = options.what or "labels", ImportProblems()
    own = _own_pictures(file) if (format_, what) == (COCO, "truth") else set[str]()
    data = _read(file, format_, xyxy=options.xyxy)
    data = _tied(workspace, file, data, own=own, problems=problems)
    target = imported_path(workspace, what, BOXES)
    joined, name = _joined(workspace, data, what), str(target.relative_to(workspace.root))
    with recorded(workspace, what, file, key=what, value=name) as changes:
        changes.keep(target)
        write_coco(target, joined)
        if (format_, what) == (COCO, "truth"):
            _copy_pictures(changes, file)
    for sentence in problems.sentences():
        options.tell(sentence)
    return data


def _check_call(format_: str, options: ImportOptions) -> None:
    """Refuse arguments that do not go together."""
    if format_ not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"no format '{format_}'{nearest(format_, FORMATS)}; formats: {known}")
    detections, what = format_ == DETECTIONS_TXT, options.what
    if what is not None and (what == "detections") != detections:
        fitting = "detections" if detections else "truth or labels"
        raise UsageError(f"{format_} is imported as {fitting}, but not as {what}")
    only_texts = bool(options.video or options.category)
    if (format_ != COCO and options.xyxy is not None) or (not detections and only_texts):
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


def _joined(workspace: Workspace, data: Dataset, what: What) -> Dataset:
    """Return boxes with those of earlier imports, without the frames that come again."""
    target = imported_path(workspace, what, BOXES)
    if not is_named(workspace, what, target):
        return data
    before, again = read_coco(target), set(map(_place, data.images))
    others = [i for i, image in enumerate(before.images) if _place(image) not in again]
    return Dataset.joined([before.subset(others), data])


def _place(image: ImageEntry) -> tuple[object, ...]:
    """Return which picture or frame is meant."""
    name = image.video or image.file_name
    return name, image.pts, image.frame_index, image.pts_time


def _copy_pictures(changes: Changes, file: Path) -> None:
    """Copy the pictures of truth that are no frames of videos, to lie beside its copy too."""
    home = imported_path(changes.workspace, "truth", BOXES).parent
    for path in _files(file):
        for picture in truth_pictures(path):
            target = home / picture.resolve().relative_to(path.parent.resolve())
            changes.keep(target)
            copy_file(picture, target)
