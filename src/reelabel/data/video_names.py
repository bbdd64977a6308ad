"""Finds registered videos by the names that files and people give them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import unquote, urlsplit

from reelabel.data.video import Video
from reelabel.errors import few, nearest
from reelabel.short_names import composed


@dataclass(frozen=True)
class Match:
    """What a name means.

    Attributes:
        videos: every video that it could be: none, one, or several that fit equally well.
        partial: whether some folders of the name are not in the path of the video.
    """

    videos: tuple[Video, ...]
    partial: bool = False


_Paths = dict[str, list[tuple[tuple[str, ...], Video]]]
"""The last part of a path -> its parts from there upwards, and the video."""


class VideoNames:
    """The names of videos: id, path, or the end of a path from the file name upwards.

    The longest shared end of the path decides. A name with folders needs at least one of them: the
    boxes of ``cam2/a.mp4`` do not belong to ``cam1/a.mp4``. Copies of a file are one video under
    the paths of all. A name that fits no path as it stands may do so with its letters composed, as
    macOS takes them apart, or without the ``%20`` of an address.
    """

    def __init__(self, videos: Iterable[Video], copies: Mapping[Path, str] | None = None) -> None:
        """Take the videos, and the video id of each further file with the same content."""
        self._ids = {video.video_id: video for video in videos}
        self._paths: _Paths = defaultdict(list)
        self._composed: _Paths = defaultdict(list)
        paths = [(video.path, video_id) for video_id, video in self._ids.items()]
        for path, video_id in (*paths, *(copies or {}).items()):
            if video_id in self._ids:
                parts = _parts(path)
                self._paths[parts[0]].append((parts, self._ids[video_id]))
                alike = tuple(map(composed, parts))
                self._composed[alike[0]].append((alike, self._ids[video_id]))

    def find(self, name: str) -> Match:
        """Return the videos that a name could mean."""
        if name in self._ids:
            return Match((self._ids[name],))
        spellings = ((self._paths, name), (self._composed, composed(name)))
        decoded = composed(unquote(urlsplit(name).path if "://" in name else name))
        matches = (_match(paths, each) for paths, each in (*spellings, (self._composed, decoded)))
        return next((match for match in matches if match.videos), Match(()))

    def elsewhere(self, name: str) -> list[Path]:
        """Return the paths of videos that share a name's file name alone."""
        wanted = _parts(name.replace("\\", "/"), absolute=False)
        return sorted({video.path for _, video in self._paths.get(wanted[0], ())})

    def hint(self, name: str) -> str:
        """Return words on which video may be meant by a name that means none; may be empty."""
        if paths := self.elsewhere(name):
            return (
                f"; the workspace has {_listed(paths)}: name it by the end of its path, or its id"
            )
        return nearest(PurePath(name).name, list(self._paths))


def ambiguous(name: str, videos: Iterable[Video]) -> str:
    """Return the message for a name that several videos share."""
    paths = sorted({video.path for video in videos})
    return (
        f"expected the name of one video, but '{name}' could be {_listed(paths)}: name the folders "
        "too, as many as distinguish them, or the video's id"
    )


def _match(paths: _Paths, name: str) -> Match:
    """Return the videos whose paths share the longest end with a name."""
    wanted = _parts(name.replace("\\", "/"), absolute=False)
    shared = [(_shared(wanted, parts), video) for parts, video in paths.get(wanted[0], ())]
    longest = max((count for count, _ in shared), default=0)
    if longest < min(len(wanted), 2):
        return Match(())
    found = {video.video_id: video for count, video in shared if count == longest}
    return Match(tuple(found.values()), partial=longest < len(wanted))


def _listed(paths: list[Path]) -> str:
    return few(map(str, paths))


def _parts(path: Path | str, *, absolute: bool = True) -> tuple[str, ...]:
    """Return the parts of a path from the file name upwards, at least one."""
    whole = os.path.abspath(path) if absolute else os.path.normpath(path)  # noqa: PTH100 -- resolve() would follow links
    parts = PurePath(whole).parts
    return tuple(part for part in reversed(parts) if part not in {"/", ".."}) or (str(path),)


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    """Return how many parts two paths share, from the file name upwards."""
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
