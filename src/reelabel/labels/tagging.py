"""Ties weak labels of videos to registered videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.data.tag_rows import NONE, TagRow
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import counted, few, nearest

FOLDER, FILE = "folder", "file"
"""Where a tag comes from."""
_SPAN_PARTS = 2


@dataclass
class TagProblems:
    """Tags that could not be used as they stand.

    Attributes:
        unusable: rows that hold no claim, one sentence each.
        unknown_videos: names of videos that are not in the workspace.
        ambiguous: names that several videos share.
        unknown_classes: class names that the workspace does not have, with the nearest it has.
        contradictory: names of videos with several exclusive classes; they have no tags.
    """

    unusable: list[str] = field(default_factory=list)
    unknown_videos: set[str] = field(default_factory=set)
    ambiguous: set[str] = field(default_factory=set)
    unknown_classes: dict[str, str] = field(default_factory=dict)
    contradictory: set[str] = field(default_factory=set)

    def join(self, other: TagProblems) -> None:
        """Add the problems of another file."""
        self.unusable += other.unusable
        self.unknown_videos |= other.unknown_videos
        self.ambiguous |= other.ambiguous
        self.unknown_classes |= other.unknown_classes
        self.contradictory |= other.contradictory

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each kind."""
        if self.unusable:
            yield f"{counted(len(self.unusable), 'row')} left out: {few(self.unusable, 3)}"
        if self.unknown_videos:
            yield f"videos that are not in this workspace: {few(sorted(self.unknown_videos))}"
        if self.ambiguous:
            yield f"names that several videos share: {few(sorted(self.ambiguous))}"
        if self.unknown_classes:
            named = [f"'{name}'{hint}" for name, hint in sorted(self.unknown_classes.items())]
            yield f"classes that this workspace does not have: {few(named)}"
        if self.contradictory:
            yield (
                f"{counted(len(self.contradictory), 'video')} with several exclusive classes, left "
                f"untagged: {few(sorted(self.contradictory))}"
            )


class VideosByTag:
    """Finds the videos that tags name: by id, path, end of path, file name, or its stem.

    Clips of a manifest are called ``<id>.mp4`` or ``<id>_<start>_<end>.mp4``.
    """

    def __init__(self, videos: Iterable[Video], names: VideoNames) -> None:
        self._names = names
        self._stems: dict[str, dict[str, Video]] = defaultdict(dict)
        for video in videos:
            stem = Path(video.name).stem
            for name in {stem, _without_span(stem)}:
                self._stems[name][video.video_id] = video

    def find(self, name: str) -> Sequence[Video]:
        """Return the videos that a name could mean."""
        found = self._names.find(name).videos
        return found or tuple(self._stems.get(name, {}).values())


def _without_span(stem: str) -> str:
    """Return the id in ``<id>_<start>_<end>``, where both are numbers."""
    name, *span = stem.rsplit("_", _SPAN_PARTS)
    return name if len(span) == _SPAN_PARTS and all(part.isdecimal() for part in span) else stem


@dataclass(frozen=True)
class ClassNames:
    """How classes are called in tags.

    Attributes:
        classes: of the workspace.
        mapping: other names -> names of the workspace.
        exclusive: exactly one class is right.
    """

    classes: tuple[str, ...]
    mapping: Mapping[str, str]
    exclusive: bool

    def own(self, name: str) -> str | None:
        """Return the workspace's name of a class, in any case; None if it has none."""
        known = {key.casefold(): own for key, own in self.mapping.items()}
        known |= {own.casefold(): own for own in self.classes}
        return known.get(name.casefold())


Rows = dict[str, list[dict[str, Any]]]
"""Video id -> rows of the table `tags`."""


def tie_tags(
    rows: Iterable[TagRow], videos: VideosByTag, names: ClassNames, problems: TagProblems
) -> Rows:
    """Return the tags of a file by video.

    Args:
        rows: claims.
        videos: the workspace's.
        names: of the classes.
        problems: receives what could not be used.
    """
    found: Rows = defaultdict(list)
    for row in rows:
        video = _video(row.video, videos, problems)
        for category, right in _classes(row, names, problems):
            if video is not None:
                found[video.video_id].append(_tag(video, category, row, right=right))
    return found


def _video(name: str, videos: VideosByTag, problems: TagProblems) -> Video | None:
    match = videos.find(name)
    if len(match) == 1:
        return match[0]
    (problems.ambiguous if match else problems.unknown_videos).add(name)
    return None


def _classes(row: TagRow, names: ClassNames, problems: TagProblems) -> Iterator[tuple[str, bool]]:
    """Yield what a row claims of which of the workspace's classes."""
    own = names.own(row.category)
    if own is not None:
        yield own, row.right
    elif row.category.casefold() == NONE and row.right:
        yield from ((name, False) for name in names.classes)
    else:
        problems.unknown_classes.setdefault(row.category, nearest(row.category, names.classes))


def _tag(video: Video, category: str, row: TagRow, *, right: bool) -> dict[str, Any]:
    return {
        "video_id": video.video_id,
        "category": category,
        "claim": "is" if right else "is_not",
        "start_s": row.start_s,
        "end_s": row.end_s,
        "origin": FILE,
        "source": row.source,
    }


def folder_tags(
    files: Iterable[tuple[Path, Video]], names: ClassNames, problems: TagProblems
) -> Rows:
    """Return the tags of videos by the folders that their files lie in.

    The nearest folder upwards whose name is a class decides.

    Args:
        files: every file with its video; copies are files of one video.
        names: of the classes.
        problems: receives what could not be used.
    """
    found: Rows = defaultdict(list)
    for path, video in files:
        named = ((folder, names.own(folder.name)) for folder in path.parents)
        folder, own = next(((f, own) for f, own in named if own), (None, None))
        if folder is None or own is None:
            problems.unknown_classes.setdefault(
                path.parent.name, nearest(path.parent.name, names.classes)
            )
            continue
        tag = _tag(video, own, TagRow(str(path), own, source=str(folder)), right=True)
        found[video.video_id].append(tag | {"origin": FOLDER})
    return found


def without_contradictions(
    rows: Rows, videos: Mapping[str, str], problems: TagProblems, *, exclusive: bool
) -> Rows:
    """Return the tags, each once, without those of videos that contradict themselves.

    A class that is claimed to be right and not to be, and of exclusive classes two for one instant,
    contradict each other.

    Args:
        rows: tags by video.
        videos: video id -> its name.
        problems: receives the names of the videos that are left out.
        exclusive: whether exactly one class is right.
    """
    kept: Rows = {}
    for video_id, tags in rows.items():
        unique = list({_key(tag): tag for tag in tags}.values())
        if _contradicts(unique, exclusive=exclusive):
            problems.contradictory.add(videos.get(video_id, video_id))
        else:
            kept[video_id] = unique
    return kept


def _key(tag: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(tag[name] for name in ("category", "claim", "start_s", "end_s"))


def _contradicts(tags: Sequence[Mapping[str, Any]], *, exclusive: bool) -> bool:
    """Return whether two tags of a video cannot both be right."""
    ends: list[tuple[float, int, Mapping[str, Any]]] = []
    for tag in tags:
        start_s, end_s = tag["start_s"], tag["end_s"]
        ends.append((float("-inf") if start_s is None else start_s, 1, tag))
        ends.append((float("inf") if end_s is None else end_s, 0, tag))
    open_now: list[Mapping[str, Any]] = []
    for _, opens, tag in sorted(ends, key=lambda end: end[:2]):
        if not opens:
            open_now.remove(tag)
            continue
        if any(_clash(tag, other, exclusive=exclusive) for other in open_now):
            return True
        open_now.append(tag)
    return False


def _clash(a: Mapping[str, Any], b: Mapping[str, Any], *, exclusive: bool) -> bool:
    if a["category"] == b["category"]:
        return bool(a["claim"] != b["claim"])
    return exclusive and a["claim"] == b["claim"] == "is"
