"""tag  files, folders, wants -> tags  1:N  weak labels of whole videos, tied to the videos.

A video under two exclusive classes is named and left untagged, and so is what names no video, or
several. A tag of a copy is one of the video that it is a copy of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reelabel.config import FOLDERS, MANIFEST, NoSettings, Project
from reelabel.data.tag_rows import NONE
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import ConfigError, FormatError
from reelabel.formats.tags import read_tags
from reelabel.labels.segments import UNKNOWN
from reelabel.labels.tagging import (
    ClassNames,
    Rows,
    TagProblems,
    VideosByTag,
    check_names,
    folder_tags,
    tie_tags,
    without_contradictions,
)
from reelabel.labels.want_tags import Fetched, want_tags
from reelabel.tables import DOWNLOADS, TAGS, VIDEOS, WANTS
from reelabel.workspace import fingerprint
from reelabel.workspace.names import copies_in, in_folder

Tags = Unit[NoSettings, "Path | None"]
_RESERVED = frozenset({NONE, UNKNOWN})
"""Names that stand for no class."""


def tag(unit: Tags) -> Output:
    """Return the tags of every video."""
    problems = TagProblems()
    if unit.project.tags == FOLDERS:
        rows = folder_tags(_files(unit), _names(unit), problems)
    elif unit.project.tags == MANIFEST:
        rows = want_tags(_wants(unit), _fetched(unit), _names(unit), problems)
    elif unit.resource is not None:
        rows = file_tags(unit, unit.resource, problems)
    else:
        rows = {}
    names = {video.video_id: video.name for video in unit.inputs.videos if video.usable}
    kept = without_contradictions(rows, names, problems, exclusive=not unit.project.multi_label)
    if unit.project.tags and not kept:
        why = "; ".join(problems.sentences())
        raise FormatError(
            f"{unit.project.tags}: expected tags of the {len(names)} videos, but none can be "
            f"used: {why or _nothing(unit)}"
        )
    tables = {"tags": {v: TAGS.from_rows(kept.get(v, [])) for v in names}}
    notes = {
        "tagged": len(kept),
        "untagged": len(names) - len(kept),
        "left_out": list(problems.sentences()),
    }
    return Output(tables, notes)


def _nothing(unit: Tags) -> str:
    """Return why there are no tags, where none of them is at fault."""
    if unit.project.tags == MANIFEST:
        return (
            "none was fetched from a manifest with labels: name one by  reelabel fetch --from, or "
            f"set tags to '{FOLDERS}' or to a file"
        )
    return "none of them has one"


def file_tags(unit: Tags, path: Path, problems: TagProblems) -> Rows:
    """Return the claims of a file by video.

    Raises:
        FormatError: if it is damaged, or no row can be used.
    """
    found = read_tags(path, unit.project.columns)
    problems.unusable += found.problems
    usable = [video for video in unit.inputs.videos if video.usable]
    known = VideosByTag(usable, VideoNames(usable, _copies(unit)))
    return tie_tags(found.rows, known, _names(unit), problems)


def _copies(unit: Tags) -> Mapping[Path, str]:
    return in_folder(copies_in(unit.inputs.receipt("register")), unit.root)


def _files(unit: Tags) -> list[tuple[Path, Video]]:
    """Return every file of footage with its video, copies too."""
    usable = {video.video_id: video for video in unit.inputs.videos if video.usable}
    files = [(video.path, video) for video in usable.values()]
    copies = ((path, usable.get(video_id)) for path, video_id in _copies(unit).items())
    return files + [(path, video) for path, video in copies if video is not None]


def _wants(unit: Tags) -> Iterator[Mapping[str, Any]]:
    """Yield what the manifests state about each video that was wanted."""
    for source in unit.inputs.video_ids(WANTS):
        yield from unit.rows(WANTS, source).to_pylist()


def _fetched(unit: Tags) -> dict[tuple[str, str], Fetched]:
    """Return the video of each want that was fetched, by source and name of the want."""
    videos = dict(_files(unit))
    found = {}
    for source in unit.inputs.video_ids(DOWNLOADS):
        for row in unit.rows(DOWNLOADS, source).to_pylist():
            video = videos.get(unit.root / row["file"]) if row["state"] == "fetched" else None
            if video is not None:
                span = (row["span_start_s"], row["span_end_s"])
                found[source, row["want_id"]] = Fetched(video, *span)
    return found


def _names(unit: Tags) -> ClassNames:
    project = unit.project
    return ClassNames(project.classes, project.class_map, not project.multi_label)


def check_project(project: Project) -> None:
    """Check that the settings of a classification have something to learn from.

    Raises:
        ConfigError: if there are neither tags nor a teacher, only one exclusive class, names of
            classes that tags cannot tell apart, or one that means something else.
    """
    check_names(project.classes, project.class_map)
    if not project.tags and not project.teacher and not project.labels:
        raise ConfigError(
            "expected weak labels to learn classes from, but got none: give tags (folders, "
            "manifest, or a file), a teacher such as hf-zero-shot-image:ID, or both"
        )
    if reserved := [n for n in project.classes if n.casefold() in _RESERVED]:
        raise ConfigError(
            f"expected other names than '{NONE}', which means no class in tags, and '{UNKNOWN}', "
            f"which is the answer where no class is likely, but got '{reserved[0]}': call it "
            f"'other', say, and map what your tags call it by class_map: {{{reserved[0]}: other}}"
        )
    if len(project.classes) < 2 and not project.multi_label:  # noqa: PLR2004 -- to tell apart
        raise ConfigError(
            f"expected two classes or more, but got {', '.join(project.classes)}: add the class of "
            "everything else, or set multi_label"
        )


def source(context: Context[NoSettings]) -> Resource[Path | None]:
    """Return the file, whose content decides whether it must be read again.

    So do the names of the videos' copies, under which it may name them.
    """
    named = context.project.tags
    copies = copies_in(context.inputs.receipt("register"))
    if named in {"", FOLDERS, MANIFEST}:
        return Resource(None, fingerprint(named, copies))
    path = context.root / named
    if not path.is_file():
        raise FormatError(
            f"{path}: expected a file of tags (CSV, JSON), but there is none; for tags by folder "
            f"write  tags: {FOLDERS},  for those of manifests  tags: {MANIFEST}"
        )
    return Resource(path, fingerprint(path.read_bytes().hex(), copies))


STAGE = Stage(
    name="tag",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=tag,
    scope="all",
    reads=(VIDEOS,),
    optional=(WANTS, DOWNLOADS),
    after=("register",),
    writes=(TAGS,),
    project_keys=("classes", "class_map", "columns", "tags", "multi_label"),
    resource=source,
    resource_words="the tags, or the names of videos",
)
