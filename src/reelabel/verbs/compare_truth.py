"""The videos that classifiers are compared on, and what people know of their classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import FormatError, MediaError, UsageError, counted, few
from reelabel.file_kinds import as_path
from reelabel.formats.tags import read_tags
from reelabel.labels.tagging import (
    ClassNames,
    TagProblems,
    VideosByTag,
    tie_tags,
    without_contradictions,
)
from reelabel.media.probe import content_id, probe
from reelabel.tables import CLASS_TRUTH, Row
from reelabel.verbs.predict_sources import files_of
from reelabel.workspace import CONFIG_NAME, Workspace
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import current_rounds


@dataclass(frozen=True)
class KnownVideo:
    """A video whose classes a person gave.

    Attributes:
        video: the video.
        rows: of the table `class_truth`.
        group: what it is alike to: videos of one group are no independent samples.
    """

    video: Video
    rows: Sequence[Row]
    group: str


@dataclass(frozen=True)
class KnownVideos:
    """What models are compared on.

    Attributes:
        videos: those with known classes.
        notes: what was left out, and why, in sentences.
    """

    videos: Sequence[KnownVideo]
    notes: tuple[str, ...] = ()

    def without(self, trained: Collection[str]) -> KnownVideos:
        """Return those that nothing was trained on, nor on anything that looks like them.

        Args:
            trained: ids of videos that a model was trained on.

        Raises:
            UsageError: if none is left.
        """
        groups = {one.group for one in self.videos if one.video.video_id in trained}
        kept = [one for one in self.videos if one.group not in groups]
        if len(kept) == len(self.videos):
            return self
        names = few(one.video.name for one in self.videos if one.group in groups)
        gone = counted(len(self.videos) - len(kept), "video")
        if not kept:
            raise UsageError(
                f"expected videos that no model was trained on, but all {gone} were, or look like "
                f"one: {names}. Scores on them flatter: name others, such as test videos"
            )
        note = f"{gone} left out that a model was trained on, or that look like one: {names}"
        return KnownVideos(kept, (*self.notes, note))


def known_videos(
    on: Workspace | Path | str,
    videos: Sequence[Path | str],
    classes: Sequence[str],
    *,
    exclusive: bool,
) -> KnownVideos:
    """Return the videos that models are compared on.

    Args:
        on: a workspace with people's classes, or a file of classes such as ``tags.csv``.
        videos: files or folders; of a workspace only these, for a file where its videos lie.
            Without any, a file names its videos by paths, relative to itself.
        classes: names of the models' classes.
        exclusive: whether exactly one class is right.

    Raises:
        UsageError: if there is no such workspace or file, or no video with known classes.
        FormatError: if the file is damaged, or none of its videos can be used.
    """
    if isinstance(on, Workspace):
        return _of_workspace(on, videos)
    path = as_path("on", on)
    if (path / CONFIG_NAME).is_file():
        return _of_workspace(Workspace.open(path), videos)
    if not path.is_file():
        raise UsageError(
            f"{on}: expected a workspace with people's classes, or a file of classes such as "
            "tags.csv, but there is neither"
        )
    names = ClassNames(tuple(classes), {}, exclusive)
    return _of_file(path, videos, names)


def _of_workspace(workspace: Workspace, wanted: Sequence[Path | str]) -> KnownVideos:
    """Return the videos of a workspace with people's classes."""
    usable = {video.video_id: video for video in workspace.videos() if video.usable}
    ids = [video_id for video_id in workspace.shards(CLASS_TRUTH) if video_id in usable]
    rows = {video_id: workspace.read(CLASS_TRUTH, video_id).to_pylist() for video_id in ids}
    if not any(rows.values()):
        raise UsageError(
            f"{workspace.root}: expected people's classes to compare models on, but there are "
            "none: set  truth  in reelabel.yaml to a CSV of them and run, or name such a file"
        )
    if wanted:
        files = {path.resolve() for path in files_of(wanted).files}
        usable = {v: one for v, one in usable.items() if one.path.resolve() in files}
    groups = _groups(workspace)
    return KnownVideos([
        KnownVideo(usable[v], given, groups.get(v, v))
        for v, given in rows.items()
        if given and v in usable
    ])


def _groups(workspace: Workspace) -> dict[str, str]:
    """Return the groups of videos that look alike, of the last round that has found them."""
    for number in reversed(current_rounds(workspace)):
        if report := SplitReport.load(workspace.round_dir(number)):
            return report.groups
    return {}


def _of_file(path: Path, wanted: Sequence[Path | str], names: ClassNames) -> KnownVideos:
    """Return the videos that a file names, as far as they are there."""
    file, problems = read_tags(path), TagProblems()
    problems.unusable += file.problems
    if wanted:
        files = list(files_of(wanted).files)
    else:
        named = dict.fromkeys(path.parent / row.video for row in file.rows)
        files = [one for one in named if one.is_file()]
    failures: list[str] = []
    found = dict(_readable(files, failures))
    videos = {video.video_id: video for video in found.values()}
    copies = {one: video.video_id for one, video in found.items()}
    by_tag = VideosByTag(found.values(), VideoNames(videos.values(), copies))
    rows = tie_tags(file.rows, by_tag, names, problems)
    called = {video_id: video.name for video_id, video in videos.items()}
    kept = without_contradictions(rows, called, problems, exclusive=names.exclusive)
    unread = f"{counted(len(failures), 'file')} could not be read: {few(failures, 3)}"
    notes = (*([unread] if failures else []), *problems.sentences())
    if not kept:
        raise FormatError(
            f"{path}: expected classes of the {counted(len(files), 'video')} that were found, but "
            f"none can be used: {'; '.join(notes) or 'name their folder with --videos'}"
        )
    return KnownVideos([KnownVideo(videos[v], given, v) for v, given in kept.items()], notes)


def _readable(files: Sequence[Path], failures: list[str]) -> Iterator[tuple[Path, Video]]:
    """Yield the files that can be read, as videos; `failures` receives why others cannot."""
    for path in files:
        try:
            yield path, _video(path)
        except MediaError as exc:
            failures.append(str(exc))


def _video(path: Path) -> Video:
    """Return a file as a video that is registered nowhere.

    Raises:
        MediaError: if it cannot be read.
    """
    info = probe(path)
    width, height = info.display_wh
    return Video(
        video_id=content_id(path),
        path=path,
        name=path.name,
        role="test",
        origin="",
        licence="",
        size_bytes=info.size_bytes,
        container=info.container,
        codec=info.codec,
        width=width,
        height=height,
        rotation=info.rotation_deg,
        time_base=info.time_base,
        start_pts=info.start_pts,
        duration_s=info.duration_s,
        fps=float(info.fps),
        state="ok",
        error="",
    )
