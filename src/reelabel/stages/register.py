"""register  files -> videos  1:1  what each file is: content, size, time base, state.

A video is named by its content, so the same footage is the same video wherever it lies. Files that
cannot be used get a row too, with the reason. A file that has disappeared keeps its row and all
that was made from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from reelabel.config import NoSettings, Project
from reelabel.engine.inputs import notes_of
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MediaError, UsageError
from reelabel.formats.coco import truth_pictures
from reelabel.media.probe import VideoInfo, content_id, probe
from reelabel.tables import VIDEOS
from reelabel.workspace import fingerprint

SUFFIXES = frozenset([
    ".mp4",
    ".m4v",
    ".mov",
    ".mkv",
    ".webm",
    ".avi",
    ".mpg",
    ".mpeg",
    ".flv",
    ".wmv",
    ".ts",
    ".mts",
    ".m2ts",
    ".3gp",
    ".ogv",
    ".vob",
    ".gif",
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".webp",
    ".tif",
    ".tiff",
])
"""What is taken from a folder; a file that is named itself is taken whatever its suffix."""

UNREADABLE = "unreadable-"
Row = dict[str, Any]


def listed(project: Project, base: Path) -> Iterator[tuple[Path, str]]:
    """Yield every file that the project names with its role, each once, in a fixed order.

    Raises:
        UsageError: if a path does not exist or a folder holds no video.
    """
    seen: set[Path] = set()
    pictures = truth_pictures(base / project.truth) if project.truth else []
    # What is named as a test stays one, in whatever folder of footage it lies.
    named = [
        *(("test", name) for name in project.test_videos),
        *(("footage", name) for name in project.videos),
        *(("test", str(picture)) for picture in pictures),
    ]
    for role, name in named:
        for path in _files(base / name):
            if path not in seen:
                seen.add(path)
                yield path, role


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
        if not found:
            raise UsageError(f"{path}: expected a folder with videos, but it holds none")
        return found
    return [path]


Listed = list[tuple[Path, str]]
"""Files with their roles."""


def listing(context: Context[NoSettings]) -> Resource[Listed]:
    """Return the files with their sizes and times, which decide whether anything is new."""
    files = list(listed(context.project, context.root))
    stats = [(str(path), role, _stamp(path)) for path, role in files]
    return Resource(files, fingerprint(stats))


def _stamp(path: Path) -> list[int]:
    """Return what changes when a file does, without reading it."""
    try:
        stat = path.stat()
    except OSError:
        return []
    return [stat.st_size, stat.st_mtime_ns]


def register(unit: Unit[NoSettings, Listed]) -> Output:
    """Return a row for every file; files that did not change keep the row they have."""
    ids = unit.inputs.video_ids(VIDEOS)
    rows_before = [row for v in ids for row in unit.rows(VIDEOS, v).to_pylist()]
    known: dict[str, Row] = {row["path"]: row for row in rows_before}
    before = _before(notes_of(unit.inputs.receipt("register")), known)
    rows: dict[str, dict[str, Any]] = {}
    stamps: dict[str, list[int]] = {}
    copies: dict[str, str] = {}
    for i, (path, role) in enumerate(unit.resource):
        unit.tick(i / len(unit.resource), path.name)
        name = _relative(path, unit.root)
        stamps[name] = _stamp(path)
        stamp, row = before.get(name, ([], None))
        if row is None or not stamp or stamp != stamps[name]:
            row = _row(path, name, known.get(name))
        row = row | {"path": name, "name": path.name}
        if rows.setdefault(row["video_id"], row | {"role": role})["path"] != name:
            copies[name] = row["video_id"]
    for name, row in known.items():
        if name not in stamps and _still_wanted(name, unit):
            rows.setdefault(row["video_id"], row | {"state": "failed", "error": "the file is gone"})
    shards = {video_id: VIDEOS.from_rows([row]) for video_id, row in rows.items()}
    failed = sorted(row["name"] for row in rows.values() if row["state"] != "ok")
    notes = {"stamps": stamps, "copies": copies, "failed": failed}
    return Output({"videos": shards}, notes=notes)


def _before(
    notes: Mapping[str, Any], known: dict[str, Row]
) -> dict[str, tuple[list[int], Row | None]]:
    """Return the stamp and the row that each file had; one that repeats another has its row."""
    usable = {row["video_id"]: row for row in known.values() if row["state"] == "ok"}
    copies: dict[str, str] = notes.get("copies", {})
    stamps: dict[str, list[int]] = notes.get("stamps", {})
    return {
        name: (stamp, known.get(name) or usable.get(copies.get(name, "")))
        for name, stamp in stamps.items()
    }


def _still_wanted(name: str, unit: Unit[NoSettings, Listed]) -> bool:
    """Tell whether a file that is gone lay in a folder that is still named."""
    path = unit.root / name
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
    resource=listing,
)
