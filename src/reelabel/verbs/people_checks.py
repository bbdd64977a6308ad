"""What can be checked of the files of people's labels before there is a workspace.

They are read as the stages read them, so that a damaged file, other classes or other videos are
refused by `init`, and not after an hour of `run`. Frames are compared with the videos later.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from reelabel.config import FOLDERS, MANIFEST, Project
from reelabel.data.tag_rows import NONE
from reelabel.engine.task import Task, found_at
from reelabel.errors import FormatError, few, nearest
from reelabel.formats.coco import read_coco
from reelabel.formats.tags import read_tags
from reelabel.labels.tagging import ClassNames, names_of_file
from reelabel.labels.tying import check_usable

_VIDEO_ID = re.compile(r"[0-9a-f]{16}")


def check_people_files(task: Task, project: Project, root: Path, footage: Sequence[Path]) -> None:
    """Refuse files of truth, labels or tags that `run` would refuse.

    Args:
        task: of the workspace.
        project: its settings.
        root: the folder that relative names start from.
        footage: its files; none if they are still to be fetched.

    Raises:
        FormatError: naming the file, what is wrong and what to do.
    """
    tags = project.tags if project.tags not in {FOLDERS, MANIFEST} else ""
    for name in filter(None, (project.truth, project.labels, tags)):
        file = root / name
        if not file.is_file():
            raise FormatError(f"{file}: expected a file of people's labels, but there is none")
        found_at(task.check_file)(file, project, footage)


def check_boxes(file: Path, project: Project, footage: Sequence[Path]) -> None:
    """Refuse a COCO file of drawn boxes that `run` would refuse.

    Args:
        file: of truth or of labels.
        project: of the workspace.
        footage: its files; none if they are still to be fetched.

    Raises:
        FormatError: if it is damaged, about other classes, or names none of the footage.
    """
    data = read_coco(file)
    given = {image.video or image.file_name for image in data.images}
    check_names(file, given, footage)
    check_usable(file, data, project)


def check_names(file: Path, given: Collection[str], footage: Sequence[Path]) -> None:
    """Refuse a file that names none of the footage.

    Args:
        file: for the message.
        given: the videos or pictures that it names, by path, name, stem or id.
        footage: its files; none if they are still to be fetched.

    Raises:
        FormatError: naming some of them.
    """
    theirs = {re.split(r"[\\/]", name)[-1] for name in given}
    ours = {name for path in footage for name in names_of_file(path.name)}
    if not footage or theirs & ours or any(map(_VIDEO_ID.fullmatch, theirs)):
        return
    hint = nearest(min(theirs), sorted(path.name for path in footage)) if theirs else ""
    raise FormatError(
        f"{file}: expected labels of the footage, but it names {few(sorted(given))}{hint}; "
        "check the names, or add these videos by --videos or --test-videos"
    )


def check_class_rows(file: Path, project: Project, footage: Sequence[Path]) -> None:
    """Refuse a file of tags or of classes to evaluate on that `run` would refuse.

    Args:
        file: CSV, JSON or JSON lines.
        project: of the workspace.
        footage: its files; none if they are still to be fetched.

    Raises:
        FormatError: if it is damaged as a whole, or no row is about both a class of the workspace
            and a file of its footage.
    """
    rows = read_tags(file, project.columns).rows
    names = ClassNames(project.classes, project.class_map, not project.multi_label)
    known = [r for r in rows if names.own(r.category) or r.category.casefold() == NONE]
    if known:
        check_names(file, {row.video for row in known}, footage)
        return
    theirs = sorted({row.category for row in rows})
    raise FormatError(
        f"{file}: expected classes of {', '.join(project.classes)}, but there are only "
        f"{few(theirs)}{nearest(theirs[0], project.classes) if theirs else ''}; rename them, or "
        "map them by class_map: {theirs: ours}"
    )
