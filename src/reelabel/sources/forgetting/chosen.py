"""Which videos and wants are meant by what a user names, and by what their traces are found."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow.compute as pc

from reelabel.data.video import Video
from reelabel.data.video_names import ambiguous
from reelabel.errors import MediaError, UsageError
from reelabel.files import safe_stem
from reelabel.media.probe import content_id
from reelabel.sources.fetching.fetched import FetchedFile, fetched_in
from reelabel.sources.forgetting.traces import Traces
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace
from reelabel.workspace.forgotten import Forgotten, read_forgotten
from reelabel.workspace.names import copies_in, video_names

Want = tuple[str, str]
"""Source and name of a want."""
_LONG_NAME = 8
"""Characters from which the name of a want is no common word."""


@dataclass
class Chosen:
    """What is to be forgotten.

    Attributes:
        videos: ids of the videos.
        wants: what they were fetched for, and wants without a file.
        sources: sources that are forgotten as a whole.
        already: names of what is forgotten already.
    """

    videos: set[str] = field(default_factory=set)
    wants: set[Want] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    already: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Return whether there is anything to forget."""
        return bool(self.videos or self.wants or self.sources)


@dataclass(frozen=True)
class Footage:
    """The videos of a workspace, and what they were fetched for."""

    workspace: Workspace

    @cached_property
    def files(self) -> list[FetchedFile]:
        """Every fetched file."""
        return fetched_in(self.workspace)

    @cached_property
    def videos(self) -> dict[str, Video]:
        """Every registered video by its id."""
        return {video.video_id: video for video in self.workspace.videos()}

    @cached_property
    def paths(self) -> dict[Path, str]:
        """The video id of every file that is registered or was fetched, copies too."""
        root = self.workspace.root
        copies = copies_in(self.workspace.read_receipt("register", None))
        found = {root / name: video_id for name, video_id in copies.items()}
        found |= {video.path: video_id for video_id, video in self.videos.items()}
        for file in self.files:
            path = root / file.file
            if path not in found and (video_id := _id_of(path)):
                found[path] = video_id
        return found

    def video_of(self, file: FetchedFile) -> str:
        """Return the id of the video that a fetched file is, empty if it cannot be read."""
        return self.paths.get(self.workspace.root / file.file, "")

    def choose(
        self, names: Iterable[str], sources: Iterable[str], *, finished: bool = False
    ) -> Chosen:
        """Return what these names mean, with all that the same videos were fetched for.

        Args:
            names: names, paths or ids of videos, addresses, names of wants.
            sources: names of sources.
            finished: whether a removal was finished just now, which may have been of these names.

        Raises:
            UsageError: if a name means nothing, or several videos.
        """
        chosen, forgotten = Chosen(), read_forgotten(self.workspace.root)
        for name in names:
            if not self._choose(name, chosen, forgotten):
                if name not in forgotten.videos and not finished:
                    raise self._unknown(name)
                chosen.already.append(name)
        for source in sources:
            self._choose_source(source, chosen, forgotten)
        for file in self.files:
            want = file.source, file.want_id
            if want in chosen.wants and (video_id := self.video_of(file)):
                chosen.videos.add(video_id)
        chosen.wants |= {
            (file.source, file.want_id)
            for file in self.files
            if self.video_of(file) in chosen.videos
        }
        return chosen

    def _choose(self, name: str, chosen: Chosen, forgotten: Forgotten) -> bool:
        """Choose what a name means; return whether it means anything."""
        found = video_names(self.workspace).find(name).videos
        if len(found) > 1:
            raise UsageError(ambiguous(name, found))
        chosen.videos |= {video.video_id for video in found}
        if found:
            return True
        wants = self._wants(name)
        if len({source for source, _ in wants}) > 1 and "://" not in name:
            listed = ", ".join(sorted(f"{source}/{want}" for source, want in wants))
            raise UsageError(f"expected the name of one want, but '{name}' could be {listed}")
        left = {want for want in wants if not forgotten.has_want(*want)}
        chosen.wants |= left
        if wants and not left:
            chosen.already.append(name)
        return bool(wants)

    def _unknown(self, name: str) -> UsageError:
        hint = video_names(self.workspace).hint(name)
        return UsageError(
            "expected the name, path, id or address of a video of this workspace, but "
            f"'{name}' is none{hint}"
        )

    def _wants(self, name: str) -> set[Want]:
        """Return the wants of a name, with or without its source before it, or of an address."""
        found: set[Want] = set()
        for table in (WANTS, DOWNLOADS):
            for source in self.workspace.shards(table):
                rows = self.workspace.read(table, source)
                plain = name.removeprefix(f"{source}/")
                hit = pc.field("want_id").isin([name, plain])
                if "url" in rows.column_names:
                    hit = hit | (pc.field("url") == name) | (pc.field("native_id") == name)
                found |= {(source, want) for want in rows.filter(hit)["want_id"].to_pylist()}
        return found

    def _choose_source(self, source: str, chosen: Chosen, forgotten: Forgotten) -> None:
        known = {*self.workspace.shards(WANTS), *self.workspace.shards(DOWNLOADS)}
        if source not in known:
            listed = ", ".join(sorted(known)) or "there is none"
            raise UsageError(f"expected a source of this workspace ({listed}), but got '{source}'")
        if source in forgotten.sources:
            chosen.already.append(source)
            return
        chosen.sources.add(source)
        chosen.wants |= {
            (file.source, file.want_id) for file in self.files if file.source == source
        }


def traces_of(footage: Footage, chosen: Chosen) -> Traces:
    """Return by what the traces of the chosen videos are recognised.

    Names that other videos of the workspace share are no traces.
    """
    files = [f for f in footage.files if (f.source, f.want_id) in chosen.wants]
    names = set(_names(footage, chosen.videos)) | {f.file for f in files}
    names |= {f.address for f in files} | {f.want_id for f in files if len(f.want_id) >= _LONG_NAME}
    others = set(_names(footage, footage.videos.keys() - chosen.videos))
    others |= {
        name
        for f in footage.files
        if (f.source, f.want_id) not in chosen.wants
        for name in (f.address, f.want_id)
    }
    hashed = sorted(_hashed(footage, chosen.videos, files))
    return Traces(
        video_ids=tuple(sorted(chosen.videos)),
        names=tuple(sorted(names - others - {""})),
        stems=tuple(sorted(_stems(footage, chosen.videos))),
        sha256=tuple(sorted({sha256 for sha256, _ in hashed})),
        sizes=tuple(sorted({size for _, size in hashed})),
        wants=_by_source(chosen.wants, files),
        sources=tuple(sorted(chosen.sources)),
    )


def _names(footage: Footage, videos: Collection[str]) -> Iterator[str]:
    """Yield the paths and file names of videos."""
    root = footage.workspace.root
    for path, video_id in footage.paths.items():
        if video_id in videos:
            yield from (str(path), path.name)
            if path.is_relative_to(root):
                yield path.relative_to(root).as_posix()


def _stems(footage: Footage, videos: Collection[str]) -> Iterator[str]:
    """Yield how the names of drawn films and of texts of detections begin."""
    for path, video_id in footage.paths.items():
        if video_id in videos:
            yield f"{path.stem}-{video_id[:6]}"
            yield f"{safe_stem(path.stem)}-{video_id[:6]}"


def _by_source(wants: Collection[Want], files: Sequence[FetchedFile]) -> dict[str, tuple[str, ...]]:
    """Return the wants of each source, also as their files are called."""
    called = {(f.source, Path(f.file).stem) for f in files}
    found: dict[str, set[str]] = {}
    for source, name in {*wants, *called}:
        found.setdefault(source, set()).add(name)
    return {source: tuple(sorted(names)) for source, names in sorted(found.items())}


def _hashed(
    footage: Footage, videos: Collection[str], files: Iterable[FetchedFile]
) -> Iterator[tuple[str, int]]:
    """Yield SHA-256 and size of the videos' files, and of every picture that was taken of them."""
    root = footage.workspace.root
    paths = {path for path, video_id in footage.paths.items() if video_id in videos}
    paths |= {root / file.file for file in files}
    folders = (f for pattern in _PICTURES for v in videos for f in root.glob(f"{pattern}/{v}"))
    for folder in folders:
        paths |= {path for path in folder.iterdir() if path.is_file()}
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                yield hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


_PICTURES = (
    *("frames", "windows", "rounds/*/dataset/*", "rounds/*/ablation/*/dataset/*"),
    "rounds/*/ablation/*/*/dataset/*",
)
"""Folders that hold a folder with the pictures of each video."""


def _id_of(path: Path) -> str:
    try:
        return content_id(path)
    except MediaError:
        return ""
