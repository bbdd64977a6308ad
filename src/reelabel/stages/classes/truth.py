"""truth  files -> class_truth, class_imported  1:N  people's classes of videos or spans.

A truth file is only evaluated on, a labels file is trained on and replaces all other labels of the
moments that it is about. Both are CSV, JSON or JSON lines, as tags are.
"""

from __future__ import annotations

from pathlib import Path

from reelabel.config import NoSettings
from reelabel.data.video_names import VideoNames
from reelabel.engine.people_files import Paths, people_files
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import FormatError
from reelabel.formats.tags import read_tags
from reelabel.labels.tagging import (
    ClassNames,
    Rows,
    TagProblems,
    VideosByTag,
    tie_tags,
    without_contradictions,
)
from reelabel.tables import CLASS_IMPORTED, CLASS_TRUTH, VIDEOS
from reelabel.workspace.names import copies_in, in_folder

Truths = Unit[NoSettings, Paths]


def truth(unit: Truths) -> Output:
    """Return the classes that people gave, by video."""
    problems = TagProblems()
    given, imported = (_tied(unit, path, problems) for path in unit.resource)
    notes = {
        "videos": len(given),
        "imported_videos": len(imported),
        "left_out": list(problems.sentences()),
    }
    tables = {
        "class_truth": {v: CLASS_TRUTH.from_rows(rows) for v, rows in given.items()},
        "class_imported": {v: CLASS_IMPORTED.from_rows(rows) for v, rows in imported.items()},
    }
    return Output(tables, notes)


def _tied(unit: Truths, path: Path | None, problems: TagProblems) -> Rows:
    """Return what a file claims, by video.

    Raises:
        FormatError: if it is damaged, or names no video or no class of this workspace.
    """
    if path is None:
        return {}
    project, usable = unit.project, [video for video in unit.inputs.videos if video.usable]
    copies = in_folder(copies_in(unit.inputs.receipt("register")), unit.root)
    names = ClassNames(project.classes, project.class_map, not project.multi_label)
    file = read_tags(path, unit.project.columns)
    own = TagProblems(unusable=list(file.problems))
    rows = tie_tags(file.rows, VideosByTag(usable, VideoNames(usable, copies)), names, own)
    called = {video.video_id: video.name for video in usable}
    kept = without_contradictions(rows, called, own, exclusive=names.exclusive)
    if not kept:
        raise FormatError(
            f"{path}: expected classes of videos of this workspace, but none can be used: "
            f"{'; '.join(own.sentences())}; correct it"
        )
    problems.join(own)
    return kept


def source(context: Context[NoSettings]) -> Resource[Paths]:
    """Return the file of truth and the file of labels."""
    return people_files(context, "a file of classes (CSV, JSON)")


STAGE = Stage(
    name="truth",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=truth,
    scope="all",
    reads=(VIDEOS,),
    after=("register",),
    writes=(CLASS_TRUTH, CLASS_IMPORTED),
    project_keys=("classes", "class_map", "columns", "multi_label"),
    resource=source,
    resource_words="the file of truth or that of labels",
)
