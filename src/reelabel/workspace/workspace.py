"""The workspace: where things lie, and how they are written so that nothing is ever lost.

A shard is one table's rows for one video, a Parquet file whose metadata carries the fingerprint of
everything it was made from. It is written to a temporary name, synced and renamed, so a shard that
exists is whole. Stages that see all videos at once leave a receipt, a small JSON with the same
fingerprint. This module is the only state of the system.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.data.video import Video
from reelabel.errors import MissingInput, ShardError, WorkspaceBusy, WorkspaceError
from reelabel.files import explained, read_json, write_atomic, write_json
from reelabel.tables import FRAMES, VIDEOS, Table
from reelabel.workspace.folder import OutputFolder
from reelabel.workspace.receipts import Receipt, digest_of

CONFIG_NAME = "reelabel.yaml"
OWN_FOLDERS = frozenset(["tables", "frames", "rounds", "imports", "exports", "failures"])
"""The folders of a workspace that hold its outputs."""
_META = b"reelabel"
_VIDEO_ID = re.compile(r"[0-9a-f]{16}")
PICTURE_NAME = re.compile(r"-?\d+\.jpg|\.-?\d+\.jpg\..*\.tmp")
"""A frame's picture, or what a killed write of one left behind."""


@functools.lru_cache(maxsize=20_000)
def _same(read: Callable[[Path], Any], path: Path, _stamp: tuple[int, int, int]) -> Any:
    return read(path)


def _held(read: Callable[[Path], Any], path: Path) -> Any:
    """Return what is in a file, read once as long as it is the same: all stages ask for it."""
    stat = path.stat()
    return _same(read, path, (stat.st_ino, stat.st_size, stat.st_mtime_ns))


def _receipt(path: Path) -> Receipt:
    return Receipt(**json.loads(pq.ParquetFile(path).schema_arrow.metadata[_META]))


def _video(path: Path) -> list[dict[str, Any]]:
    rows = pq.ParquetFile(path, memory_map=False).read()
    found: list[dict[str, Any]] = VIDEOS.check(rows.replace_schema_metadata(None)).to_pylist()
    return found


@dataclass(frozen=True)
class Workspace:
    """A folder of plain files; see the module and the documentation for what lies where."""

    root: Path

    @classmethod
    def open(cls, root: Path | str) -> Workspace:
        """Return the workspace in that folder.

        Raises:
            WorkspaceError: if there is none.
        """
        folder = Path(root)
        if not (folder / CONFIG_NAME).is_file():
            raise WorkspaceError(
                f"{folder} is no workspace: it holds no {CONFIG_NAME}; "
                f"make one with  reelabel init {folder} --classes ... --videos ..."
            )
        return cls(folder)

    # -- where things lie ---------------------------------------------------------------------

    @property
    def config_path(self) -> Path:
        """Return where the settings lie."""
        return self.root / CONFIG_NAME

    def round_dir(self, number: int) -> Path:
        """Return the folder of a round."""
        return self.root / "rounds" / str(number)

    def table_dir(self, table: Table, round_number: int = 0) -> Path:
        """Return the folder of a table's shards."""
        if table.where == "tables":
            return self.root / "tables" / table.name
        return self.round_dir(round_number) / table.name

    def shard_path(self, table: Table, video_id: str, round_number: int = 0) -> Path:
        """Return the file of one video's rows."""
        return self.table_dir(table, round_number) / f"{video_id}.parquet"

    def rounds(self) -> list[int]:
        """Return the numbers of the rounds that were begun."""
        folder = self.root / "rounds"
        names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
        return sorted(int(name) for name in names if name.isdigit())

    def pictures_dir(self, video_id: str) -> Path:
        """Return the folder of the pictures of one video's sampled frames, ``<pts>.jpg``."""
        return self.root / "frames" / video_id

    # -- shards -------------------------------------------------------------------------------

    def write(
        self,
        table: Table,
        video_id: str,
        rows: pa.Table,
        *,
        fingerprint: str,
        notes: dict[str, Any] | None = None,
        round_number: int = 0,
    ) -> Receipt:
        """Write one shard, whole or not at all."""
        receipt = Receipt(fingerprint, digest_of(table.check(rows)), notes or {})
        rows = rows.replace_schema_metadata({_META: json.dumps(vars(receipt), sort_keys=True)})
        path = self.shard_path(table, video_id, round_number)
        write_atomic(path, lambda scratch: pq.write_table(rows, scratch, compression="zstd"))
        _same.cache_clear()  # a file written within one step of the clock may look the same
        return receipt

    def read(self, table: Table, video_id: str, round_number: int = 0) -> pa.Table:
        """Return one shard's rows.

        Raises:
            MissingInput: if it was not made yet.
            ShardError: if it is damaged.
        """
        path = self.shard_path(table, video_id, round_number)
        if not path.is_file():
            raise MissingInput(f"{path} is not there yet: run the stages before this one")
        with _readable(path):
            rows = pq.ParquetFile(path, memory_map=False).read()
            return table.check(rows.replace_schema_metadata(None))

    def receipt(self, table: Table, video_id: str, round_number: int = 0) -> Receipt | None:
        """Return what is known of one shard, or None if it is not there or damaged."""
        path = self.shard_path(table, video_id, round_number)
        with contextlib.suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError):
            found: Receipt = _held(_receipt, path)
            return found
        return None

    def shards(self, table: Table, round_number: int = 0) -> list[str]:
        """Return the video ids of a table's shards, sorted."""
        folder = self.table_dir(table, round_number)
        return sorted(p.stem for p in folder.glob("*.parquet")) if folder.is_dir() else []

    def remove(self, table: Table, video_id: str, round_number: int = 0) -> None:
        """Remove one shard, if it is there."""
        with explained(self.root):
            self.shard_path(table, video_id, round_number).unlink(missing_ok=True)
            _same.cache_clear()

    def keep_only(self, table: Table, video_ids: Collection[str], round_number: int = 0) -> None:
        """Remove the shards of all other videos; with their frames go the pictures of these.

        Also of videos whose shard is gone already, as after a kill between the two.
        """
        for video_id in set(self.shards(table, round_number)) - set(video_ids):
            self.remove(table, video_id, round_number)
        home = self.root / "frames"
        if table is FRAMES and home.is_dir():
            names = {path.name for path in home.iterdir()} - set(video_ids)
            for name in filter(_VIDEO_ID.fullmatch, names):
                OutputFolder(self.root, self.pictures_dir(name)).keep_only((), PICTURE_NAME)

    def videos(self) -> list[Video]:
        """Return all registered videos, also the failed ones, sorted by id."""
        found: list[Video] = []
        for path in (self.shard_path(VIDEOS, v) for v in self.shards(VIDEOS)):
            with _readable(path):
                found += [Video.from_row(row, self.root) for row in _held(_video, path)]
        return found

    # -- receipts and failures ----------------------------------------------------------------

    def receipt_path(self, stage: str, round_number: int | None) -> Path:
        """Return where a stage that sees all videos leaves its receipt."""
        home = self.root / "tables" if round_number is None else self.round_dir(round_number)
        return home / "receipts" / f"{stage}.json"

    def write_receipt(self, stage: str, round_number: int | None, receipt: Receipt) -> None:
        """Say that such a stage is finished; written last."""
        write_json(self.receipt_path(stage, round_number), vars(receipt))

    def read_receipt(self, stage: str, round_number: int | None) -> Receipt | None:
        """Return that receipt, or None if the stage is not finished or it is damaged."""
        path = self.receipt_path(stage, round_number)
        with contextlib.suppress(ShardError, TypeError):
            return Receipt(**read_json(path)) if path.is_file() else None
        return None

    def failure_path(self, stage: str, round_number: int | None, video_id: str) -> Path:
        """Return where the failure of one video in one stage is written down."""
        home = "all" if round_number is None else f"round-{round_number}"
        return self.root / "failures" / home / stage / f"{video_id}.json"

    def failures(self, stage: str, round_number: int | None) -> dict[str, dict[str, Any]]:
        """Return the failures of a stage by video."""
        folder = self.failure_path(stage, round_number, "x").parent
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        return {path.stem: read_json(path) for path in paths}

    def failure_of(self, video_id: str, round_number: int) -> tuple[str, str] | None:
        """Return stage and message of what failed on a video, before the rounds or in this one."""
        for home in ("all", f"round-{round_number}"):
            for path in sorted((self.root / "failures" / home).glob(f"*/{video_id}.json")):
                with contextlib.suppress(ShardError, KeyError, TypeError):
                    return path.parent.name, str(read_json(path)["error"])
        return None

    # -- one writer ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace against a second writer.

        Raises:
            WorkspaceBusy: if another process holds it.
            WorkspaceError: if the folder cannot be written.
        """
        with contextlib.ExitStack() as held:
            # Only taking the lock is explained: what goes wrong under it is not its fault.
            with explained(self.root):
                file = held.enter_context((self.root / ".lock").open("a+"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    raise WorkspaceBusy(
                        f"{self.root}: another process works on this workspace; "
                        "wait until it is finished, or stop it"
                    ) from exc
            yield


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn a damaged Parquet file into an error that tells what to do."""
    try:
        yield
    except (OSError, pa.ArrowException) as exc:
        aside = path.with_name(path.name + ".damaged")
        with contextlib.suppress(OSError):
            path.replace(aside)
        raise ShardError(
            f"{path}: expected a whole Parquet file, but {exc}; it was set aside as {aside.name}: "
            "run again, it will be made anew"
        ) from exc
