"""import of classes: those that people gave of videos, spans or moments, as truth or as labels.

Every row is checked before anything is changed: its video and its class must be of the workspace,
its span within the video, and no video may have two exclusive classes at once. What is taken is
stored in ``imports/`` by video id, and the stage `truth` reads it from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelabel.data.boxes import Bools
from reelabel.data.tag_rows import TagRow
from reelabel.engine.run import Options
from reelabel.errors import FormatError, UsageError, counted, few, nearest
from reelabel.formats.class_import import read_people_classes
from reelabel.formats.tags import read_tags, write_tags_csv
from reelabel.labels.tagging import (
    ClassNames,
    TagProblems,
    VideosByTag,
    tie_tags,
    without_contradictions,
)
from reelabel.pipeline import read_config, run_one
from reelabel.stages import register
from reelabel.tables import CLASS_IMPORTED, MOMENTS, Row
from reelabel.tables.claims import moments_of, spans_of, times_s
from reelabel.verbs.import_history import What, imported_path, is_named, recorded
from reelabel.verbs.import_options import ImportOptions
from reelabel.workspace import Workspace
from reelabel.workspace.names import video_names

CLASSES = ".csv"
"""Suffix of the files that imported classes are kept in."""
MOST_SHOWN = 5
"""Further faults of a file are counted, not named."""


@dataclass(frozen=True)
class ImportedClasses:
    """What was imported.

    Attributes:
        what: truth or labels.
        path: the file that holds it, with what was imported as the same before.
        claims: how many claims about a class.
        videos: names of the videos that they are about, sorted.
    """

    what: What
    path: Path
    claims: int
    videos: tuple[str, ...]

    def __str__(self) -> str:
        """Return it in one line for people."""
        claims, videos = (
            counted(self.claims, "class", "classes"),
            counted(len(self.videos), "video"),
        )
        return f"{claims} of {videos} imported as {self.what}"


def import_classes(workspace: Workspace, file: Path, options: ImportOptions) -> ImportedClasses:
    """Import people's classes; see `reelabel.import_labels`.

    Raises:
        UsageError: for options that only boxes have.
        FormatError: naming file and line of rows that do not fit. Nothing is changed then.
    """
    what = _checked_what(options)
    config = read_config(workspace)
    project = config.project
    found = read_people_classes(file, project.columns)
    run_one(workspace, config, Options(quiet=True), register.STAGE, number=0)
    names = ClassNames(project.classes, project.class_map, not project.multi_label)
    given = _Given(workspace, names)
    rows = given.tied(file, found.rows, found.problems)
    target = imported_path(workspace, what, CLASSES)
    earlier = list(_earlier(workspace, what, target))
    joined = given.joined(file, rows, earlier)
    name = str(target.relative_to(workspace.root))
    with recorded(workspace, what, file, key=what, value=name) as changes:
        changes.keep(target)
        write_tags_csv(target, joined, project.columns)
    if options.on_message is not None and (idle := list(_without_moment(workspace, rows))):
        options.on_message(
            f"{counted(len(idle), 'class', 'classes')} of spans that cover no sampled moment, so "
            f"that nothing is trained or scored on them: {few(idle, 3)}"
        )
    videos = sorted({given.name_of(row["video_id"]) for row in rows})
    claims = len({_written(row) for row in rows})
    return ImportedClasses(what, target, claims, tuple(videos))


def _checked_what(options: ImportOptions) -> What:
    """Return as what classes are imported.

    Raises:
        UsageError: for options that only boxes have.
    """
    if options.what == "detections":
        raise UsageError("classes are imported as truth or labels, but not as detections")
    if options.format is not None:
        hint = nearest(options.format, ("tags", "image-folder", "class-csv", "kinetics-csv"))
        raise UsageError(
            f"files of classes are recognised, but got the format '{options.format}'{hint}: leave "
            "it out"
        )
    if options.xyxy is not None or options.video or options.category:
        raise UsageError("xyxy, video and class are for boxes: leave them out")
    return options.what or "labels"


def _earlier(workspace: Workspace, what: What, path: Path) -> Iterator[TagRow]:
    """Yield what was imported as the same before, if the settings still name it."""
    if is_named(workspace, what, path):
        yield from read_tags(path, read_config(workspace).project.columns).rows


def _without_moment(workspace: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    """Yield the places of rows that are about no moment of their video, as far as it has any."""
    videos = {video.video_id: video for video in workspace.videos()}
    sampled = set(workspace.shards(MOMENTS))
    by_video: dict[str, list[Row]] = {}
    for row in rows:
        if row["video_id"] in sampled:
            by_video.setdefault(row["video_id"], []).append(row)
    for video_id, own in by_video.items():
        spans = spans_of(CLASS_IMPORTED.from_rows(own), sorted({row["category"] for row in own}))
        times = times_s(moments_of(workspace.read(MOMENTS, video_id)), videos[video_id])
        covered: Bools = np.any(spans.covers(times[:, 0], times[:, 1]), axis=0)
        yield from (row["source"] for row, is_used in zip(own, covered, strict=True) if not is_used)


class _Given:
    """Checks rows against the videos and classes of a workspace."""

    def __init__(self, workspace: Workspace, names: ClassNames) -> None:
        usable = [video for video in workspace.videos() if video.usable]
        self._by_id = {video.video_id: video for video in usable}
        self._videos = VideosByTag(usable, video_names(workspace, usable=True))
        self._names = names

    def name_of(self, video_id: str) -> str:
        """Return the name of a video."""
        return self._by_id[video_id].name

    def tied(self, file: Path, given: Iterable[TagRow], faults: Iterable[str]) -> list[Row]:
        """Return rows of the table `class_truth`, one for each claim.

        Raises:
            FormatError: naming the rows that do not fit.
        """
        rows, found = [], list(faults)
        for row in given:
            problems = TagProblems()
            tied = tie_tags([row], self._videos, self._names, problems)
            own = [one for of_video in tied.values() for one in of_video]
            found += problems.unusable
            problems.unusable = []
            found += [f"{row.source}: {sentence}" for sentence in problems.sentences()]
            rows += own
        self._refuse(file, found)
        return rows

    def joined(self, file: Path, rows: list[Row], earlier: Iterable[TagRow]) -> list[TagRow]:
        """Return new claims behind earlier ones, without the spans that come again.

        Raises:
            FormatError: if a video has two exclusive classes at once.
        """
        again = {(row["video_id"], row["start_s"], row["end_s"]) for row in rows}
        kept = [row for row in earlier if (row.video, row.start_s, row.end_s) not in again]
        self._check_contradictions(file, rows, kept)
        return kept + list(dict.fromkeys(_written(row) for row in rows))

    def _check_contradictions(self, file: Path, rows: list[Row], earlier: list[TagRow]) -> None:
        every: dict[str, list[Row]] = {}
        for row in [*(_as_row(one) for one in earlier), *rows]:
            every.setdefault(row["video_id"], []).append(row)
        problems = TagProblems()
        kept = without_contradictions(every, {}, problems, exclusive=self._names.exclusive)
        found = []
        for video_id in sorted(every.keys() - kept.keys()):
            lines = [row["source"] for row in every[video_id]]
            of_class = Counter(row["category"] for row in every[video_id])
            found.append(
                f"{', '.join(lines[:MOST_SHOWN])}: {self._by_id[video_id].name} is "
                f"{' and '.join(sorted(of_class))} at once"
            )
        self._refuse(file, found)

    def _refuse(self, file: Path, faults: list[str]) -> None:
        if not faults:
            return
        shown = "; ".join(faults[:MOST_SHOWN])
        more = f"; and {len(faults) - MOST_SHOWN} more" if len(faults) > MOST_SHOWN else ""
        raise FormatError(
            f"{file}: expected classes of videos of this workspace, but "
            f"{counted(len(faults), 'row')} cannot be used: {shown}{more}; nothing was imported"
        )


def _written(row: Row) -> TagRow:
    right = row["claim"] == "is"
    return TagRow(row["video_id"], row["category"], right, row["start_s"], row["end_s"])


def _as_row(row: TagRow) -> Row:
    claim = "is" if row.right else "is_not"
    return {
        "video_id": row.video,
        "category": row.category,
        "claim": claim,
        "start_s": row.start_s,
        "end_s": row.end_s,
        "source": f"imported before ({row.source})",
    }
