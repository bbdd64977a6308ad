"""Ties weak labels of videos to registered videos."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from reelabel.data.tag_rows import NONE, SEPARATORS, TagRow
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import ConfigError, counted, few, nearest
from reelabel.short_names import composed
from reelabel.tables import Row

FOLDER, FILE, MANIFEST = "folder", "file", "manifest"
"""Where a tag comes from."""
ROUNDING_S = 0.5
"""A span may end later than its video by as much: people and tools round to whole seconds."""
_PIECE = re.compile(r"(.+)_(\d{1,9})_(\d{1,9})")
_DOWNLOAD = re.compile(r"\[([^\[\]]+)\]$")


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

    def unknown_class(self, name: str, classes: Sequence[str]) -> None:
        """Take note of a class that the workspace does not have."""
        if name not in self.unknown_classes:
            self.unknown_classes[name] = nearest(name, classes)

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

    Downloads are called ``<id>.mp4``, ``<title> [<id>].mp4``, or, if a span was cut out of them,
    ``<id>_<start>_<end>.mp4`` with whole seconds.
    """

    def __init__(self, videos: Iterable[Video], names: VideoNames) -> None:
        self._names = names
        self._stems: dict[str, dict[str, Video]] = defaultdict(dict)
        self._pieces: dict[tuple[str, int, int], dict[str, Video]] = defaultdict(dict)
        for video in videos:
            self._add(video, Path(video.name).stem)

    def _add(self, video: Video, stem: str) -> None:
        for name in names_of_file(video.name)[1:]:
            self._stems[composed(name)][video.video_id] = video
        if piece := _PIECE.fullmatch(stem):
            span = int(piece[2]), int(piece[3])
            self._pieces[piece[1], *span][video.video_id] = video

    def find(self, name: str) -> Sequence[Video]:
        """Return the videos that a name could mean."""
        found = self._names.find(name).videos
        return found or tuple(self._stems.get(composed(name), {}).values())

    def piece(self, row: TagRow) -> Sequence[Video]:
        """Return the videos that are the span of a row and nothing else."""
        if row.start_s is None or row.end_s is None:
            return ()
        span = int(row.start_s), int(row.end_s)
        return tuple(self._pieces.get((row.video, *span), {}).values())


def names_of_file(name: str) -> list[str]:
    """Return what tags may call a file: its name, its stem, and the id of a download.

    >>> names_of_file("abc_10_20.mp4"), names_of_file("Title [abc].mp4")
    (['abc_10_20.mp4', 'abc_10_20', 'abc'], ['Title [abc].mp4', 'Title [abc]', 'abc'])
    """
    stem = Path(name).stem
    found = _PIECE.fullmatch(stem) or _DOWNLOAD.search(stem)
    return [name, stem, *([found[1]] if found else [])]


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
        """Return the workspace's name of a class; None if it has none.

        Names that differ in case, or in ``_``, ``-`` and spaces, are the same, unless one is exact.
        """
        return name if name in self.classes else self._known.get(plain_name(name))

    @cached_property
    def _known(self) -> dict[str, str]:
        known = {plain_name(key): own for key, own in self.mapping.items()}
        return known | {plain_name(own): own for own in self.classes}


def check_names(classes: Sequence[str], mapping: Mapping[str, str]) -> None:
    """Check that tags can name each class, and that each name in a tag means one class.

    Args:
        classes: of the workspace.
        mapping: other names -> names of the workspace.

    Raises:
        ConfigError: naming those that are not so.
    """
    if parted := [name for name in classes if SEPARATORS & set(name)]:
        raise ConfigError(
            f"expected names of classes without {' and '.join(sorted(SEPARATORS))}, which stand "
            f"between classes in one cell of a table, but got '{parted[0]}': rename it"
        )
    known: dict[str, tuple[str, str]] = {}
    for name, own in [*((name, name) for name in classes), *mapping.items()]:
        other, its = known.setdefault(plain_name(name), (name, own))
        if its != own:
            raise ConfigError(
                f"expected each name in tags to mean one class, but '{other}' means '{its}' and "
                f"'{name}' means '{own}', and case, '_', '-' and spaces make no difference: rename "
                "a class, or correct class_map"
            )


def plain_name(name: str) -> str:
    """Return a class name without what does not tell names apart.

    That are case, ``_``, ``-``, spaces, and whether letters are composed.
    """
    return composed(re.sub(r"[\s_-]+", " ", name).casefold())


Rows = dict[str, list[Row]]
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
    for given in rows:
        # The file of a piece begins where its span begins: the tag is of all of it.
        piece = videos.piece(given)
        row = replace(given, start_s=None, end_s=None) if piece else given
        video = _only(given.video, piece or videos.find(given.video), problems)
        tags = [
            tag_row(video, category, row, right=right)
            for category, right in _classes(row, names, problems)
            if video is not None
        ]
        if video is not None and tags and (why := outside(video, tags[0])):
            problems.unusable.append(f"{row.source}: {why}")
        elif video is not None:
            found[video.video_id] += tags
    return {video_id: tags for video_id, tags in found.items() if tags}


def outside(video: Video, tag: Mapping[str, Any]) -> str:
    """Return what is wrong with the span of a row of `tags`, nothing if it lies in its video."""
    start_s, end_s = tag["start_s"] or 0.0, tag["end_s"]
    length_s = video.duration_s
    if tag["start_s"] is not None and start_s >= max(length_s, 1e-9):
        return f"{video.name} lasts {length_s:.3f} s, but the span begins at {start_s:.3f} s"
    if end_s is not None and end_s <= start_s:
        return f"the span ends at {end_s:.3f} s, which is no later than its start"
    if end_s is not None and length_s > 0 and end_s > length_s + ROUNDING_S:
        return f"{video.name} lasts {length_s:.3f} s, but the span ends at {end_s:.3f} s"
    return ""


def _only(name: str, match: Sequence[Video], problems: TagProblems) -> Video | None:
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
        problems.unknown_class(row.category, names.classes)


def tag_row(video: Video, category: str, row: TagRow, *, right: bool) -> Row:
    """Return a row of the table `tags`."""
    start_s, end_s = _span_s(video, row)
    return {
        "video_id": video.video_id,
        "category": category,
        "claim": "is" if right else "is_not",
        "start_s": start_s,
        "end_s": end_s,
        "origin": FILE,
        "source": row.source,
    }


def _span_s(video: Video, row: TagRow) -> tuple[float | None, float | None]:
    """Return the span of a row; that of a moment is one tick about its middle, and covers no other.

    Moments are covered by their middle: the whole length of a window would cover others, too.
    """
    if row.pts is None or row.until_pts is None:
        return row.start_s, row.end_s
    tick_s = float(video.time_base)
    middle_s = ((row.pts + row.until_pts) / 2 - video.start_pts) * tick_s
    return max(middle_s - tick_s / 4, 0.0), middle_s + tick_s / 4


def folder_tags(
    files: Iterable[tuple[Path, Video]], names: ClassNames, problems: TagProblems
) -> Rows:
    """Return the tags of videos by the folders that their files lie in.

    The nearest folder upwards decides whose name is a class, or `NONE` for none of all.

    Args:
        files: every file with its video; copies are files of one video.
        names: of the classes.
        problems: receives what could not be used.
    """
    found: Rows = defaultdict(list)
    for path, video in files:
        folder = next((f for f in path.parents if _is_named(f.name, names)), path.parent)
        row = TagRow(str(path), folder.name, source=str(folder))
        for category, right in _classes(row, names, problems):
            tag = tag_row(video, category, row, right=right)
            found[video.video_id].append(tag | {"origin": FOLDER})
    return found


def _is_named(name: str, names: ClassNames) -> bool:
    return names.own(name) is not None or name.casefold() == NONE


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
