"""import of boxes: hand-drawn ones, as truth or as labels, or detections of another detector.

Hand-drawn boxes are tied to frames, stored in ``imports/`` and named in `reelabel.yaml`; the stage
`truth` reads them from there. Detections of another detector become those of the first teacher; see
`reelabel.verbs.detections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.engine.run import Options
from reelabel.errors import FormatError, UsageError, nearest
from reelabel.files import copy_file, safe_join
from reelabel.formats.coco import read_coco, truth_pictures, write_coco
from reelabel.formats.coco_folder import coco_files, picture_home
from reelabel.formats.registry import (
    COCO,
    DETECTIONS_TXT,
    IMPORTED,
    detect_format,
    read_boxes,
)
from reelabel.labels.tying import (
    ImportProblems,
    Timeline,
    check_usable,
    nothing_known,
    tie,
    without_lost,
)
from reelabel.media.stream import scan
from reelabel.pipeline import read_config, run_one
from reelabel.stages import register
from reelabel.verbs.detections import TEACHER, import_detections
from reelabel.verbs.exported_names import as_frames
from reelabel.verbs.import_history import Changes, What, imported_path, is_named, recorded
from reelabel.verbs.import_options import ImportOptions
from reelabel.verbs.imported_names import own_pictures, video_hint, with_videos
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names

WITHOUT_CLASS = (DETECTIONS_TXT, "mot")
"""Formats whose files may leave the class open."""
BOXES = ".json"
"""Suffix of the files that imported boxes are kept in."""


def import_boxes(workspace: Workspace, file: Path, options: ImportOptions) -> Dataset:
    """Import boxes and return what the file holds; see `reelabel.import_labels`.

    Raises:
        UsageError: for options that do not go together, or if no video or class could be meant.
        FormatError: if the file is damaged or does not fit the workspace. Nothing is changed then.
    """
    format_ = _format(file, options)
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
    data = _read(workspace, file, format_, options)
    if not data.images:
        raise FormatError(f"{file}: expected pictures with boxes or without, but it lists none")
    own = _own_pictures(format_, file, data) if what == "truth" else {}
    data = with_videos(workspace, file, data, options.video)
    data = _tied(workspace, file, data, own=set(own), problems=problems)
    target = imported_path(workspace, what, BOXES)
    joined, name = _joined(workspace, data, what), str(target.relative_to(workspace.root))
    with recorded(workspace, what, file, key=what, value=name) as changes:
        changes.keep(target)
        write_coco(target, joined)
        _copy_pictures(changes, own)
    for sentence in problems.sentences():
        options.tell(sentence)
    return without_lost(data)


def _format(file: Path, options: ImportOptions) -> str:
    """Return the format that is named, else the one that a file or folder is in."""
    given = options.format
    if given is None:
        found = detect_format(file)
        options.tell(f"{file} is read as {found}")
        return found
    if given not in IMPORTED:
        known = ", ".join(IMPORTED)
        raise UsageError(f"no format '{given}'{nearest(given, IMPORTED)}; formats: {known}")
    return given


def _check_call(format_: str, options: ImportOptions) -> None:
    """Refuse arguments that do not go together."""
    detections, what = format_ == DETECTIONS_TXT, options.what
    if what is not None and (what == "detections") != detections:
        fitting = "detections" if detections else "truth or labels"
        raise UsageError(f"{format_} is imported as {fitting}, but not as {what}")
    if format_ != COCO and options.xyxy is not None:
        raise UsageError(f"xyxy is for coco, but the format is {format_}: leave it out")
    if options.category is not None and format_ not in WITHOUT_CLASS:
        raise UsageError(
            f"a class is for files that name none ({', '.join(WITHOUT_CLASS)}), but {format_} "
            "names its own: leave it out, and map them in reelabel.yaml: class_map: {theirs: ours}"
        )


def _read(workspace: Workspace, file: Path, format_: str, options: ImportOptions) -> Dataset:
    """Return what a file or folder holds."""
    how: dict[str, object] = {}
    if format_ == COCO:
        how = {"xyxy": options.xyxy}
    elif format_ in WITHOUT_CLASS:
        classes = read_config(workspace).project.classes
        how = {"category": options.category or (classes[0] if len(classes) == 1 else None)}
    return read_boxes(file, format_, **how)


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
    # All pictures are kept, for the classes of the workspace may change.
    check_usable(file, data, config.project, problems)
    run_one(workspace, config, Options(quiet=True), register.STAGE, number=0)
    names = video_names(workspace, usable=True)
    tied = tie(file, as_frames(workspace, file, data), names, _timeline, problems=problems)
    rest = data.subset(tied.rest)
    problems.unknown_videos -= own
    if not tied.videos and problems.unknown_videos:
        error = nothing_known(file, problems, names)
        raise FormatError(f"{error}{video_hint(problems.unknown_videos)}")
    parts = [
        replace(part, images=tuple(replace(image, video=video_id) for image in part.images))
        for video_id, part in tied.videos.items()
    ]
    return Dataset.joined([*parts, rest])


def _timeline(video: Video) -> Timeline:
    return np.asarray(scan(video.path).pts, np.int64)


def _own_pictures(format_: str, file: Path, data: Dataset) -> dict[str, Path]:
    """Return the pictures that lie beside a file and may be frames of no video, by their names."""
    if format_ != COCO:
        return own_pictures(file if file.is_dir() else file.parent, data)
    return {
        picture.relative_to(picture_home(path, file)).as_posix(): picture
        for path in coco_files(file)
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


def _copy_pictures(changes: Changes, pictures: Mapping[str, Path]) -> None:
    """Copy the pictures of truth that are no frames of videos, to lie beside its copy too."""
    home = imported_path(changes.workspace, "truth", BOXES).parent
    for name, picture in pictures.items():
        target = safe_join(home, name)
        changes.keep(target)
        copy_file(picture, target)
