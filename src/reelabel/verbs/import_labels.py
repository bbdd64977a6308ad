"""import_labels: bring boxes from outside into a workspace, as truth, as labels or as detections.

The command is called ``import``, which is no name for a function in Python. What people drew is
checked, copied into ``imports/`` and named in `reelabel.yaml`; the stage `truth` ties it to frames.
What another detector said becomes the word of the first teacher; see `reelabel.verbs.detections`.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.errors import FormatError, UsageError, nearest
from reelabel.files import explained, write_atomic
from reelabel.formats.coco import read_coco, truth_pictures, write_coco
from reelabel.formats.voc import read_voc
from reelabel.formats.yolo import read_yolo
from reelabel.pipeline import read_config
from reelabel.stages.truth import check_classes
from reelabel.verbs.detections import TEACHER, import_detections
from reelabel.verbs.exported_names import as_frames
from reelabel.workspace import Workspace

COCO, DETECTIONS_TXT = "coco", "detections-txt"
FORMATS = (COCO, "yolo", "voc", DETECTIONS_TXT)

What = Literal["truth", "labels", "detections"]


def import_labels(
    workspace: Workspace | Path | str,
    file: Path | str,
    *,
    format: str = COCO,  # noqa: A002 -- the name of the flag
    what: What | None = None,
    xyxy: bool = False,
    video: str | None = None,
    category: str | None = None,
) -> Dataset:
    """Bring a file of boxes into a workspace and return what it holds.

    Args:
        workspace: a workspace or its folder.
        file: a label file whose pictures name videos of the workspace, a folder such as `export`
            writes, or a text of detections.
        format: coco, yolo, voc, or detections-txt (`reelabel.formats.detections_txt`).
        what: truth, to evaluate on and never to train on; labels, which are trained on and silence
            models in their frames and classes (both join what was brought in before, but for
            pictures that come again); or detections, which the first teacher then says
            instead of looking. None is detections for detections-txt, which can be nothing else,
            and labels for the others.
        xyxy: boxes of a coco file are corners, as some scripts write them.
        video: which video a text is of: its name, path or id; None goes by the text's own name.
        category: which class a text is of; None is for workspaces with one class.

    Raises:
        UsageError: for an unknown format, or what it cannot be taken in as; if no video or class
            is meant.
        FormatError: if the file is damaged or about other classes, or the text is not about all
            frames of the video.
    """
    ws = workspace if isinstance(workspace, Workspace) else Workspace.open(workspace)
    if format not in FORMATS:
        known = ", ".join(FORMATS)
        raise UsageError(f"no format '{format}'{nearest(format, FORMATS)}; formats: {known}")
    said = format == DETECTIONS_TXT
    if what is not None and (what == "detections") != said:
        raise UsageError(f"{format} is taken in as {_as(format)}, but not as {what}")
    if (format != COCO and xyxy) or (not said and (video or category)):
        raise UsageError("xyxy is for coco, video and class are for detections-txt: leave them out")
    with ws.locked():
        if said:
            data = import_detections(ws, Path(file), video=video, category=category)
            _name_in_config(ws, "detector", TEACHER)
        else:
            data = as_frames(ws, _read(Path(file), format, xyxy=xyxy))
            check_classes(Path(file), data, read_config(ws).project)
            _bring(ws, data, what or "labels")
            if what == "truth" and format == COCO:
                _bring_pictures(ws, Path(file))
    return data


def _as(format_: str) -> str:
    return "detections" if format_ == DETECTIONS_TXT else "truth or labels"


def _read(file: Path, format_: str, *, xyxy: bool) -> Dataset:
    """Return what a file holds, or all files of a folder."""
    if format_ != COCO:
        return {"yolo": read_yolo, "voc": read_voc}[format_](file)
    return Dataset.joined(read_coco(path, xyxy=True if xyxy else None) for path in _files(file))


def _files(file: Path) -> list[Path]:
    """Return the COCO files that a file or a folder means."""
    if not file.is_dir():
        return [file]
    paths = sorted((file / "annotations").glob("*.json")) or sorted(file.glob("*.json"))
    if not paths:
        raise FormatError(f"{file}: expected annotations/*.json, but there are none")
    return paths


def _bring(workspace: Workspace, data: Dataset, what: What) -> None:
    """Copy drawn boxes into the workspace and name them in its settings."""
    target = imported_path(workspace, what)
    name = str(target.relative_to(workspace.root))
    if getattr(read_config(workspace).project, what) == name and target.is_file():
        before, again = read_coco(target), {_place(image) for image in data.images}
        others = [i for i, image in enumerate(before.images) if _place(image) not in again]
        data = Dataset.joined([before.subset(others), data])
    with explained(target):
        target.parent.mkdir(exist_ok=True)
    write_coco(target, data)
    _name_in_config(workspace, what, name)


def imported_path(workspace: Workspace, what: What) -> Path:
    """Return the file that holds all that was brought in as that."""
    return workspace.root / "imports" / f"{what}.json"


def _place(image: ImageEntry) -> tuple[object, ...]:
    """Return which picture or frame is meant."""
    name = image.video or image.file_name
    return name, image.pts, image.frame_index, image.pts_time


def _bring_pictures(workspace: Workspace, file: Path) -> None:
    """Copy the pictures that truth names itself, to where they lie beside its copy too."""
    home = imported_path(workspace, "truth").parent
    for path in _files(file):
        for picture in truth_pictures(path):
            target = home / picture.resolve().relative_to(path.parent.resolve())
            with explained(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(picture, target)


def _name_in_config(workspace: Workspace, key: str, value: str) -> None:
    """Set one key at the top of `reelabel.yaml`; what it was before stays as a comment."""
    text = workspace.config_path.read_text(encoding="utf-8")
    line = f"{key}: {value}"

    def renamed(found: re.Match[str]) -> str:
        named = found[1].partition("#")[0].strip()
        return found[0] if named == value else f"{line}  # was {found[1]}"

    changed, count = re.subn(rf"(?m)^{key}: *(.*)$", renamed, text)
    changed = changed if count else f"{line}\n{text}"
    write_atomic(workspace.config_path, lambda scratch: scratch.write_text(changed, "utf-8"))
