"""register  files -> videos  1:1  what each file is: content, size, time base, state.

A video is named by its content, so the same footage is the same video wherever it lies. Files that
cannot be used get a row too, with the reason. A file that has disappeared keeps its row and all
that was made from it. What reelabel has written itself is no footage; the notes list what was left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from reelabel.config import NoSettings
from reelabel.engine.inputs import notes_of
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MediaError
from reelabel.media.probe import VideoInfo, content_id, probe
from reelabel.media.rendering import is_rendering
from reelabel.sources.footage import RENDERING, Footage, find_footage
from reelabel.tables import VIDEOS
from reelabel.workspace import fingerprint

UNREADABLE = "unreadable-"
Row = dict[str, Any]


def footage(context: Context[NoSettings]) -> Resource[Footage]:
    """Return the files with their sizes and times, which decide whether anything is new."""
    found = find_footage(context.project, context.root)
    stats = [(str(path), role, _stamp(path)) for path, role in found.files]
    return Resource(found, fingerprint(stats, found.left_out))


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file does, without reading it."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def register(unit: Unit[NoSettings, Footage]) -> Output:
    """Return a row for every file; files that did not change keep the row they have."""
    ids = unit.inputs.video_ids(VIDEOS)
    known = {row["path"]: row for v in ids for row in unit.rows(VIDEOS, v).to_pylist()}
    before = _Before.of(notes_of(unit.inputs.receipt("register")), known)
    rows: dict[str, Row] = {}
    stamps: dict[str, list[int]] = {}
    copies: dict[str, str] = {}
    drawn: list[str] = []
    for i, (path, role) in enumerate(unit.resource.files):
        unit.tick(i / len(unit.resource.files), path.name)
        name = _relative(path, unit.root)
        stamps[name] = _stamp(path)
        if before.is_rendering(name, path, stamps[name]):
            drawn.append(name)
            continue
        row = before.row(name, stamps[name]) or _row(path, name, known.get(name))
        row = row | {"path": name, "name": path.name}
        if rows.setdefault(row["video_id"], row | {"role": role})["path"] != name:
            copies[name] = row["video_id"]
    for name, row in known.items():
        if name not in stamps and _is_gone(name, unit):
            rows.setdefault(row["video_id"], row | {"state": "failed", "error": "the file is gone"})
    shards = {video_id: VIDEOS.from_rows([row]) for video_id, row in rows.items()}
    notes = {
        "stamps": stamps,
        "copies": copies,
        "drawn": drawn,
        "failed": sorted(row["name"] for row in rows.values() if row["state"] != "ok"),
        "left_out": unit.resource.left_out | ({RENDERING: drawn} if drawn else {}),
    }
    return Output({"videos": shards}, notes=notes)


@dataclass(frozen=True)
class _Before:
    """What was found out about each file when the stage ran last.

    Attributes:
        stamps: size and time of each file, by name.
        rows: the row of each file; one that repeats another has its row.
        drawn: names of pictures and films that reelabel has drawn.
    """

    stamps: Mapping[str, list[int]]
    rows: Mapping[str, Row]
    drawn: frozenset[str]

    @classmethod
    def of(cls, notes: Mapping[str, Any], known: Mapping[str, Row]) -> _Before:
        """Return what the notes of the last run and its rows hold."""
        usable = {row["video_id"]: row for row in known.values() if row["state"] == "ok"}
        copies: dict[str, str] = notes.get("copies", {})
        rows = {name: usable[v] for name, v in copies.items() if v in usable}
        return cls(notes.get("stamps", {}), rows | dict(known), frozenset(notes.get("drawn", ())))

    def is_rendering(self, name: str, path: Path, stamp: list[int]) -> bool:
        """Return whether reelabel has drawn a file; only a new or changed one is opened."""
        return name in self.drawn if self._is_same(name, stamp) else is_rendering(path)

    def row(self, name: str, stamp: list[int]) -> Row | None:
        """Return the row of a file that did not change, None if it did or is new."""
        return self.rows.get(name) if self._is_same(name, stamp) else None

    def _is_same(self, name: str, stamp: list[int]) -> bool:
        return bool(stamp) and self.stamps.get(name) == stamp


def _is_gone(name: str, unit: Unit[NoSettings, Footage]) -> bool:
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


def _row(path: Path, name: str, before: dict[str, Any] | None) -> dict[str, Any]:
    blank = {c.name: _blank(c.type) for c in VIDEOS.columns}
    row = blank | {"path": name, "name": path.name, "state": "ok"}
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


def _blank(kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return ""
    return 0.0 if pa.types.is_floating(kind) else 0


def _facts(info: VideoInfo) -> dict[str, Any]:
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
    writes=(VIDEOS,),
    project_keys=("videos", "test_videos", "truth"),
    resource=footage,
)
