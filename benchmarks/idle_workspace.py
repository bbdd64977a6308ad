"""Makes a workspace in which all is done, for `idle.py`, and measures how long that takes to see.

    python benchmarks/idle_workspace.py ROOT VIDEOS

Runs with whatever checkout `PYTHONPATH` names, also with older ones. One round is run on a real
clip. Then shards with the fingerprints of finished work are written for as many videos as asked
for, whose files hold one byte.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import command, taken
from reelabel import pipeline
from reelabel.engine.plan import bind, counts, digest_of_all, plan
from reelabel.media.encode import VideoWriter
from reelabel.pipeline import read_config
from reelabel.workspace import Receipt, Workspace

PICTURES = 10
"""Sampled pictures of each video."""
SETTINGS = ("train.student=fake", "advance.keep_going=true", "clean.score=0.3", "split.held_out=0")


def stages() -> list[Any]:
    """Return the stages of a round with those before it; older checkouts name them elsewhere."""
    if hasattr(pipeline, "DETECT"):
        return [*pipeline.DETECT.once, *pipeline.DETECT.each_round]
    return [*pipeline.ONCE, *pipeline.EACH_ROUND]


def bounds(root: Path) -> Iterator[Any]:
    """Yield each stage of the workspace's only round, bound to its settings."""
    workspace = Workspace.open(root)
    config = read_config(workspace)
    for stage in stages():
        settings = config.stages.get(stage.name) or stage.settings()
        yield bind(stage, workspace, config.project, settings, round_number=0)


def make(root: Path, videos: int) -> None:
    """Make a workspace with a finished round of so many videos."""
    footage = root.parent / "footage"
    footage.mkdir(parents=True)
    clip(footage / "clip.mp4")
    flags = [argument for setting in SETTINGS for argument in ("--set", setting)]
    flags += ["--classes", "ball", "--detector", "fake:", "--videos", footage]
    subprocess.run(command("init", root, *flags), check=True, capture_output=True)
    subprocess.run(command("run", root, "--rounds", 1, "-q"), check=True, capture_output=True)
    for number in range(videos - 1):
        (footage / f"{number:06}.mp4").write_bytes(b"x")
    os.fsync = lambda _: None  # type: ignore[assignment]  # hundreds of thousands of small files
    for bound in bounds(root):
        finish(bound, videos)


def clip(path: Path) -> None:
    """Write a clip in which a bright disc moves."""
    ground = np.full((96, 160, 3), 60, np.uint8)
    with VideoWriter(path, time_base=Fraction(1, 600), rate=25) as writer:
        for i in range(20):
            picture = cv2.circle(ground.copy(), (20 + 6 * i, 40), 9, (250, 240, 230), -1)
            writer.write(picture, 24 * i)


def finish(bound: Any, videos: int) -> None:
    """Write what a stage would have left behind if it had worked on all videos."""
    ws, stage = bound.workspace, bound.stage
    if stage.scope == "video":
        for unit in plan(bound):
            key = getattr(unit.job, "key", None) or unit.job.video["video_id"]
            write(bound, key, unit.job.fingerprint)
        return
    units = plan(bound)
    if not units:  # it fetches, and there is no manifest
        return
    (unit,) = units
    before = ws.read_receipt(stage.name, bound.number)
    notes, digest = before.notes, before.digest
    if stage.writes:
        for number in range(videos - 1):
            write(bound, f"{number:016x}", unit.job.fingerprint)
        digest = digest_of_all([
            ws.receipt(table, key, bound.round_number)
            for table in stage.writes
            for key in ws.shards(table, bound.round_number)
        ])
    if "stamps" in notes:
        notes = notes | {"stamps": notes["stamps"] | dict(stamps(ws.root.parent / "footage"))}
    ws.write_receipt(stage.name, bound.number, Receipt(unit.job.fingerprint, digest, notes))


def write(bound: Any, key: str, fingerprint: str) -> None:
    """Write one unit's shards; those of the real clip keep their rows."""
    ws, number = bound.workspace, bound.round_number
    files = pictures(bound, key)
    for table in bound.stage.writes:
        path = ws.shard_path(table, key, number)
        rows = ws.read(table, path.stem, number) if path.exists() else template(ws, table, key)
        ws.write(table, key, rows, fingerprint=fingerprint, round_number=number, **files)


def pictures(bound: Any, key: str) -> dict[str, Any]:
    """Write a video's files, and return what its receipt lists; older receipts list none."""
    ws, stage = bound.workspace, bound.stage
    if stage.folder != "frames" or "files" not in signature(ws.write).parameters:
        return {}
    folder = ws.root / stage.folder / key
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        (folder / f"{number}.jpg").write_bytes(b"x")
    products = import_module("reelabel.workspace.products")
    return {"files": products.described(ws.root, folder.iterdir())}


def template(ws: Any, table: Any, key: str) -> Any:
    """Return rows of a table for a video that is none."""
    if table.name != "videos":
        return table.empty()
    known = next(path for path in ws.table_dir(table).glob("*.parquet"))
    (row,) = ws.read(table, known.stem).to_pylist()
    name = f"{int(key, 16):06}.mp4"
    path = str((ws.root.parent / "footage" / name).resolve())
    return table.from_rows([row | {"video_id": key, "path": path, "name": name}])


def stamps(footage: Path) -> Iterator[tuple[str, list[int]]]:
    """Yield path, size and time of each file."""
    for path in footage.iterdir():
        stat = path.stat()
        yield str(path.resolve()), [stat.st_size, stat.st_mtime_ns]


def look(root: Path) -> dict[str, int]:
    """Plan all stages, as `status` does; return how many units are in which state."""
    shared: list[Any] = []
    found: dict[str, int] = {}
    for bound in bounds(root):
        if not shared and "snapshot" in signature(plan).parameters:
            shared = [import_module("reelabel.workspace.snapshot").Snapshot(bound.workspace)]
        for state, count in counts(plan(bound, *shared)).items():
            found[state] = found.get(state, 0) + count
    return found


def main() -> None:
    """Make a workspace, or print the wall and CPU seconds of two looks at one."""
    root, videos = Path(sys.argv[1]), int(sys.argv[2])
    if not root.exists():
        make(root, videos)
        states = look(root)
        if set(states) != {"done"}:
            raise SystemExit(f"expected that all is done, but got {states}")
        return
    for name in ("plan", "plan again"):
        wall_s, cpu_s = taken(lambda: look(root), resource.RUSAGE_SELF)
        print(f"{name}\t{wall_s}\t{cpu_s}")


if __name__ == "__main__":
    main()
