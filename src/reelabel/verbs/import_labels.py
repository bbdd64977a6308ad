"""import_labels: import people's boxes or classes, or another detector's boxes, into a workspace.

The command is called ``import``, which is no name for a function in Python. What is imported is
checked, tied to the workspace's videos, stored in ``imports/`` and named in `reelabel.yaml`, from
where the stages read it. `reelabel.remove_import` takes the last import back.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from reelabel.data.dataset import Dataset
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, STATES
from reelabel.errors import counted
from reelabel.file_kinds import as_path
from reelabel.pipeline import read_config, task_of
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.import_classes import ImportedClasses
from reelabel.verbs.import_history import What, import_records
from reelabel.verbs.import_options import ImportOptions, OnMessage
from reelabel.verbs.run import opened
from reelabel.workspace import Workspace


def import_labels(
    workspace: Workspace | Path | str,
    file: Path | str,
    *,
    format: str | None = None,  # noqa: A002 -- the name of the flag
    what: What | None = None,
    xyxy: bool | None = None,
    video: str | None = None,
    category: str | None = None,
    on_message: OnMessage | None = None,
) -> Dataset | ImportedClasses:
    """Import people's labels, boxes or classes by the workspace's task, and return what was taken.

    Imports as truth or as labels join earlier ones: a frame, moment or span that comes again is
    replaced. `reelabel.remove_import` takes the last import back.

    Args:
        workspace: a workspace or its folder.
        file: boxes: a label file whose pictures name videos of the workspace, a folder such as
            `export` writes, or a text of detections. Classes: a table or JSON as for tags, or a
            folder as `export` writes it (image-folder, class-csv, kinetics-csv, fiftyone).
        format: of boxes: coco, yolo, voc, cvat, mot, label-studio, fiftyone, parquet, or
            detections-txt (`reelabel.formats.registry.IMPORTED`); None goes by what the file holds.
            Files of classes are recognised.
        what: truth, to evaluate on and never to train on; labels, which are trained on and override
            those of models and tags in their frames; or detections, which replace those of the
            first teacher. None is detections for detections-txt, and labels for the others.
        xyxy: True if boxes of a coco file are corners; None refuses a file whose boxes look so;
            False takes them as left, top, width, height unchecked.
        video: which video the file is of: its name, path or id. Pictures must then be named by
            their frame from 0, such as ``frame_000012.PNG``, or the file by frame numbers. None
            goes by what the file names, a text of detections by its own name.
        category: class of the boxes of a text of detections, or of mot files that give none; None
            is for workspaces with one class.
        on_message: is called with a sentence on what was not taken as it stands.

    Raises:
        UsageError: for an unknown format, or one that `what` does not fit; if no video or class
            is named, or several videos could be meant.
        FormatError: if the file is damaged, is about other classes or videos, or names frames that
            the videos of the workspace do not have; of classes with file and line. Nothing is
            changed then.
    """
    check_arguments(xyxy=xyxy, format=format, what=what, category=category)
    ws = opened(workspace)
    options = ImportOptions(format, what, xyxy, video, category, on_message)
    take = task_of(read_config(ws)).part("import_labels")
    with ws.locked():
        return cast("Dataset | ImportedClasses", take(ws, as_path("file", file), options))


def imported_sentences(
    workspace: Workspace | Path | str, taken: Dataset | ImportedClasses
) -> tuple[str, str]:
    """Return what the last import was, and where all of its kind is, in sentences for people."""
    ws = opened(workspace)
    last = import_records(ws)[-1]
    where = f"all {last.what}: {ws.root / last.after}"
    if isinstance(taken, ImportedClasses):
        return str(taken), where
    boxes = f"{_boxes_in(taken)} imported as {last.what}"
    if last.what == "detections":
        return f"{boxes} of the first teacher", f"they are replayed by {last.after}"
    return boxes + _of_these(ws, taken), where


def _boxes_in(taken: Dataset) -> str:
    """Return how many boxes there are, in how many pictures; regions that are none are apart."""
    count = {state: sum(int(b.has_state(state).sum()) for b in taken.boxes) for state in STATES}
    parts = [counted(count[POSITIVE], "box", "boxes")]
    if count[IGNORE]:
        parts.append(counted(count[IGNORE], "region to ignore", "regions to ignore"))
    if count[NEGATIVE]:
        parts.append(counted(count[NEGATIVE], NEGATIVE))
    return f"{', '.join(parts)} in {counted(len(taken.images), 'picture')}"


def _of_these(workspace: Workspace, taken: Dataset) -> str:
    """Return how many boxes are of videos and classes of the workspace, if not all are."""
    project = read_config(workspace).project
    ids = {video.video_id for video in workspace.videos()}
    own = [i for i, image in enumerate(taken.images) if not image.video or image.video in ids]
    usable = taken.subset(own).in_classes(project.classes, project.class_map)
    usable = usable.subset(i for i, image in enumerate(usable.images) if not image.without_box)
    if (usable.box_count, len(usable.images)) == (taken.box_count, len(taken.images)):
        return ""
    return f", of which {_boxes_in(usable)} of this workspace's videos and classes"
