"""register  files -> videos  1:1  what each file is: content, origin, time base, state.

A video is named by its content, so the same footage is the same video wherever it lies. Files that
cannot be used get a row too, with the reason. A file that has disappeared keeps its row and all
that was made from it. Files that were fetched are footage too, with the address of the whole video
as their origin; one that is not as it was fetched is failed. What reelabel has written itself is no
footage, nor what is forgotten; the notes list what was left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from reelabel.config import NoSettings
from reelabel.engine.inputs import notes_of
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MediaError
from reelabel.media.probe import VideoInfo, content_id, probe
from reelabel.media.rendering import is_rendering
from reelabel.sources.fetching.fetched import FetchedFile, damage_of, fetched_files, fetched_names
from reelabel.sources.footage import FORGOTTEN, RENDERING, Role, find_footage
from reelabel.tables import DOWNLOADS, VIDEOS, WANTS, Row
from reelabel.workspace import fingerprint

UNREADABLE = "unreadable-"
GONE = (
    "the file is gone, so that nothing that is made now has it: put it back, or remove what was "
    "made of it by  reelabel forget"
)
Fetched = Mapping[str, FetchedFile]


@dataclass(frozen=True)
class Sources:
    """What may be registered.

    Attributes:
        files: footage of the project with its role.
        left_out: paths that were not taken, by reason.
        fetched: names below the workspace of the files that were fetched.
        forgotten: ids of videos that are left out.
    """

    files: list[tuple[Path, Role]]
    left_out: dict[str, list[str]]
    fetched: list[str]
    forgotten: frozenset[str]

    def named(self, root: Path) -> Iterator[tuple[str, Path, Role]]:
        """Yield name, path and role of every file: the project's own, then those fetched."""
        for path, role in self.files:
            yield _relative(path, root), path, role
        for name in self.fetched:
            yield name, root / name, "footage"


def footage(context: Context[NoSettings]) -> Resource[Sources]:
    """Return the files with their sizes and times, which decide whether anything is new."""
    found = find_footage(context.project, context.root)
    shards = (context.inputs.rows(DOWNLOADS, key) for key in context.inputs.video_ids(DOWNLOADS))
    names = fetched_names(shards)
    forgotten = frozenset(context.inputs.forgotten().videos)
    sources = Sources(found.files, found.left_out, names, forgotten)
    stats: list[object] = [(str(path), role, _stamp(path)) for path, role in found.files]
    further = [[name, _stamp(context.root / name)] for name in names]
    parts = (further, sorted(forgotten)) if further or forgotten else ()
    return Resource(sources, fingerprint(stats, found.left_out, *parts))


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file does, without reading it."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def register(unit: Unit[NoSettings, Sources]) -> Output:
    """Return a row for every file; files that did not change keep the row they have."""
    ids = unit.inputs.video_ids(VIDEOS)
    known = {row["path"]: row for v in ids for row in unit.rows(VIDEOS, v).to_pylist()}
    fetched = _fetched(unit) if unit.resource.fetched else {}
    found = _Found(_Before.of(notes_of(unit.inputs.receipt("register")), known), known)
    files = list(unit.resource.named(unit.root))
    for i, (name, path, role) in enumerate(files):
        unit.tick(i / len(files), path.name)
        found.add(name, path, role, file=fetched.get(name), forgotten=unit.resource.forgotten)
    found.add_missing(name for name in known if _is_gone(name, unit))
    shards = {video_id: VIDEOS.from_rows([row]) for video_id, row in found.rows.items()}
    further = {RENDERING: found.drawn, FORGOTTEN: list(found.forgotten)}
    notes = {
        "stamps": found.stamps,
        "copies": found.copies,
        "drawn": found.drawn,
        "forgotten": found.forgotten,
        "failed": sorted(row["name"] for row in found.rows.values() if row["state"] != "ok"),
        "left_out": unit.resource.left_out | {why: some for why, some in further.items() if some},
    }
    return Output({"videos": shards}, notes=notes)


def _fetched(unit: Unit[NoSettings, Sources]) -> Fetched:
    """Return the files that were fetched, by their names."""
    shards = ((rows for _, rows in unit.shards(table)) for table in (DOWNLOADS, WANTS))
    return {file.file: file for file in fetched_files(*shards)}


@dataclass
class _Found:
    """What is found out about the files, one after the other.

    Attributes:
        before: what was found out when the stage ran last.
        known: the rows that it left, by path.
        rows: the row of each video.
        stamps: size and time of each file, by name.
        copies: further files of each content, by name.
        drawn: names of what reelabel has drawn.
        forgotten: video id of files that are left out, by name.
        damaged: why a fetched file cannot be used, by name.
    """

    before: _Before
    known: Mapping[str, Row]
    rows: dict[str, Row] = field(default_factory=dict)
    stamps: dict[str, list[int]] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)
    forgotten: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def add(
        self,
        name: str,
        path: Path,
        role: Role,
        *,
        file: FetchedFile | None,
        forgotten: Collection[str],
    ) -> None:
        """Add a file; `file` is what is known of it if it was fetched."""
        stamp = self.stamps[name] = _stamp(path)
        if self.before.is_rendering(name, path, stamp):
            self.drawn.append(name)
        elif (video_id := self.before.forgotten_id(name, stamp)) in forgotten:
            self.forgotten[name] = video_id
        elif why := self._damage(name, path, file):
            self.damaged[name] = why
        else:
            row = self.before.row(name, stamp) or _row(path, name, self.known.get(name))
            place = {"path": name, "name": path.name, "role": role}
            self._add_row(row | place | _origin(file), forgotten)

    def _damage(self, name: str, path: Path, file: FetchedFile | None) -> str:
        """Return why a fetched file is not what was fetched, empty if it is; checked if new."""
        new = self.before.row(name, self.stamps[name]) is None
        return damage_of(path, file) if file is not None and new else ""

    def _add_row(self, row: Row, forgotten: Collection[str]) -> None:
        """Add the row of a file, unless its content is forgotten or stands there already."""
        video_id, name = row["video_id"], row["path"]
        if video_id in forgotten:
            self.forgotten[name] = video_id
            return
        first = self.rows.setdefault(video_id, row)
        if first["path"] != name:
            self.copies[name] = video_id
            if not first["origin"]:  # the user's own copy of what was fetched too
                self.rows[video_id] = first | {k: row[k] for k in ("origin", "licence")}

    def add_missing(self, gone: Iterable[str]) -> None:
        """Add what cannot be used any more, unless there is another file of its content."""
        failures = dict.fromkeys((name for name in gone if name not in self.stamps), GONE)
        for name, why in (failures | self.damaged).items():
            row = self.known.get(name) or _blank_row(name, Path(name).name)
            video_id = row["video_id"] or UNREADABLE + fingerprint(name)
            failed = {"video_id": video_id, "state": "failed", "error": why}
            if video_id not in self.forgotten.values():
                self.rows.setdefault(video_id, row | failed)


def _origin(file: FetchedFile | None) -> Row:
    """Return what a row states of a fetched file; nothing of the user's own footage."""
    if file is None:
        return {"origin": "", "licence": ""}
    return {"origin": file.address, "licence": file.licence}


@dataclass(frozen=True)
class _Before:
    """What was found out about each file when the stage ran last.

    Attributes:
        stamps: size and time of each file, by name.
        rows: the row of each file; one that repeats another has its row.
        drawn: names of pictures and films that reelabel has drawn.
        forgotten: video ids of files that were left out as forgotten, by name.
    """

    stamps: Mapping[str, list[int]]
    rows: Mapping[str, Row]
    drawn: frozenset[str]
    forgotten: Mapping[str, str]

    @classmethod
    def of(cls, notes: Mapping[str, Any], known: Mapping[str, Row]) -> _Before:
        """Return what the notes of the last run and its rows hold."""
        usable = {row["video_id"]: row for row in known.values() if row["state"] == "ok"}
        copies: dict[str, str] = notes.get("copies", {})
        rows = {name: usable[v] for name, v in copies.items() if v in usable}
        drawn = frozenset(notes.get("drawn", ()))
        return cls(notes.get("stamps", {}), rows | dict(known), drawn, notes.get("forgotten", {}))

    def is_rendering(self, name: str, path: Path, stamp: list[int]) -> bool:
        """Return whether reelabel has drawn a file; only a new or changed one is opened."""
        return name in self.drawn if self._is_same(name, stamp) else is_rendering(path)

    def row(self, name: str, stamp: list[int]) -> Row | None:
        """Return the row of a file that did not change, None if it did or is new."""
        return self.rows.get(name) if self._is_same(name, stamp) else None

    def forgotten_id(self, name: str, stamp: list[int]) -> str:
        """Return the video id of a file that was left out and did not change, else nothing."""
        return self.forgotten.get(name, "") if self._is_same(name, stamp) else ""

    def _is_same(self, name: str, stamp: list[int]) -> bool:
        return bool(stamp) and self.stamps.get(name) == stamp


def _is_gone(name: str, unit: Unit[NoSettings, Sources]) -> bool:
    """Return whether a file does not exist any more, but lay in a folder that is still named."""
    path = unit.root / name
    if path.exists():
        return False
    named = (*unit.project.videos, *unit.project.test_videos)
    homes = [unit.root / video for video in named]
    return any(home == path or home in path.parents for home in homes)


def _relative(path: Path, root: Path) -> str:
    """Return the path relative to the workspace if it lies in it, else absolute."""
    path, root = path.resolve(), root.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _blank_row(name: str, file_name: str) -> Row:
    blank = {c.name: _blank(c.type) for c in VIDEOS.columns}
    return blank | {"path": name, "name": file_name, "role": "footage"}


def _row(path: Path, name: str, before: Row | None) -> Row:
    row = _blank_row(name, path.name) | {"state": "ok"}
    try:
        row["video_id"] = content_id(path)
        row |= _facts(probe(path))
    except MediaError as exc:
        missing = row["video_id"] or (before or {}).get("video_id")
        row["video_id"] = missing or UNREADABLE + fingerprint(name)
        row = (before or row) | {
            "video_id": row["video_id"],
            "state": "failed",
            "error": str(exc),
        }
    return row


def _blank(kind: pa.DataType) -> str | float:
    if pa.types.is_string(kind):
        return ""
    return 0.0 if pa.types.is_floating(kind) else 0


def _facts(info: VideoInfo) -> Row:
    width, height = info.display_wh
    return {
        "size_bytes": info.size_bytes,
        "container": info.container,
        "codec": info.codec,
        "width": width,
        "height": height,
        "rotation": info.rotation_deg,
        "time_base_num": info.time_base.numerator,
        "time_base_den": info.time_base.denominator,
        "start_pts": info.start_pts,
        "duration_s": info.duration_s,
        "fps": float(info.fps),
    }


STAGE = Stage(
    name="register",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=register,
    scope="all",
    optional=(WANTS, DOWNLOADS),
    writes=(VIDEOS,),
    project_keys=("videos", "test_videos", "truth"),
    resource=footage,
    resource_words="the footage: a file was added, removed or changed",
)
