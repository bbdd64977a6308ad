"""The workspace: where things lie, and how they are written so that nothing is ever lost.

A shard is one table's rows for one video, a Parquet file whose metadata carries the fingerprint of
everything it was made from. It is written to a temporary name, synced and renamed, so a shard that
exists is whole. Stages that see all videos at once leave a receipt, a small JSON with the same
fingerprint. These files are the only state of the system; indexes beside the shards (see
`reelabel.workspace.index`) make reading all receipts of a table one read.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from reelabel.checksums import sealed, unsealed
from reelabel.data.video import Video
from reelabel.errors import MissingInput, ShardError, WorkspaceBusy, WorkspaceError
from reelabel.file_kinds import as_path, plain_file
from reelabel.files import explained, has_file, read_json, write_atomic, write_json
from reelabel.tables import FRAMES, MOMENTS, VIDEOS, Table
from reelabel.terminal.text import is_text, plain
from reelabel.workspace.folder import OutputFolder
from reelabel.workspace.index import indexed, shard_keys
from reelabel.workspace.products import Files
from reelabel.workspace.receipts import (
    Receipt,
    Receipts,
    digest_of,
    fingerprint,
    receipt_in,
    with_receipt,
)
from reelabel.workspace.rows import read_rows, write_rows
from reelabel.workspace.run_log import FOLDER as RUN_LOGS

CONFIG_NAME = "reelabel.yaml"
PICTURES_OF = {FRAMES.name: "frames", MOMENTS.name: "windows"}
"""Table -> the folder of the pictures that its rows name, ``<video id>/<pts>.jpg``."""
OWN_FOLDERS = frozenset([
    "downloads",
    RUN_LOGS,
    "tables",
    "rounds",
    "imports",
    "exports",
    "failures",
    *PICTURES_OF.values(),
])
"""The folders of a workspace that hold its outputs."""
_VIDEO_ID = re.compile(r"[0-9a-f]{16}")
PICTURE_NAME = re.compile(r"-?\d+\.jpg|\.-?\d+\.jpg\..*\.tmp")
"""A frame's picture, or what a killed write of one left behind."""


@dataclass(frozen=True)
class _Videos:
    """The rows of the table `videos`, as a kind of index.

    Attributes:
        root: the workspace's folder, which paths in the table are relative to.
    """

    root: Path
    file: str = "_rows.jsonl"
    layout: str = fingerprint("rows", str(VIDEOS.schema))

    def read(self, shard: Path) -> list[dict[str, Any]]:
        """Return the rows of one shard.

        Raises:
            ShardError: if it is damaged.
        """
        rows: list[dict[str, Any]] = read_rows(VIDEOS, shard).to_pylist()
        return rows

    def decode(self, value: list[dict[str, Any]]) -> list[Video]:
        """Return the videos."""
        return [Video.from_row(row, self.root) for row in value]


@dataclass(frozen=True)
class Workspace:
    """A folder of plain files; ``docs/concepts.md`` has its layout."""

    root: Path

    @classmethod
    def open(cls, root: Path | str) -> Workspace:
        """Return the workspace in that folder.

        Raises:
            WorkspaceError: if there is none, or its path is no UTF-8.
        """
        folder = text_path(as_path("workspace", root))
        if folder.is_file():
            raise WorkspaceError(f"{folder} is a file: name the folder of a workspace")
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

    # -- shards -------------------------------------------------------------------------------

    def write(
        self,
        table: Table,
        video_id: str,
        rows: pa.Table,
        *,
        fingerprint: str,
        notes: dict[str, Any] | None = None,
        files: Files | None = None,
        round_number: int = 0,
    ) -> Receipt:
        """Write one shard, whole or not at all.

        Args:
            table: the table.
            video_id: whose rows they are.
            rows: all of them.
            fingerprint: of the work that made them.
            notes: of the stage.
            files: what was written beside the table.
            round_number: of a table that every round makes.

        Raises:
            ShardError: if the rows are not what the table declares.
            WorkspaceError: if they cannot be written.
        """
        table.check(rows.schema)
        digest = digest_of(rows)
        receipt = Receipt(
            fingerprint,
            digest,
            notes or {},
            files=files or {},
        )
        whole = with_receipt(rows, receipt)
        path = self.shard_path(table, video_id, round_number)
        write_atomic(path, lambda scratch: write_rows(whole, scratch))
        return receipt

    def read(
        self,
        table: Table,
        video_id: str,
        round_number: int = 0,
        *,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return one shard's rows.

        Args:
            table: the table.
            video_id: whose rows.
            round_number: of a table that every round makes.
            columns: those that are needed; None for all.

        Raises:
            MissingInput: if it was not made yet.
            ShardError: if it is damaged.
        """
        path = self.shard_path(table, video_id, round_number)
        if not has_file(path):
            raise MissingInput(f"{path} is not there yet: run the stages before this one")
        return read_rows(table, path, columns)

    def receipt(self, table: Table, video_id: str, round_number: int = 0) -> Receipt | None:
        """Return the receipt of one shard, None if it is not there or damaged."""
        return receipt_in(self.shard_path(table, video_id, round_number))

    def receipts(self, table: Table, round_number: int = 0) -> Mapping[str, Receipt]:
        """Return the receipts of all whole shards of a table by video id, sorted."""
        return indexed(self.table_dir(table, round_number), Receipts())

    def shards(self, table: Table, round_number: int = 0) -> list[str]:
        """Return the video ids of a table's shards, sorted."""
        return shard_keys(self.table_dir(table, round_number))

    def remove(self, table: Table, video_id: str, round_number: int = 0) -> None:
        """Remove one shard, if it is there."""
        with explained(self.root):
            self.shard_path(table, video_id, round_number).unlink(missing_ok=True)

    def keep_only(self, table: Table, video_ids: Collection[str], round_number: int = 0) -> bool:
        """Remove the shards of all other videos; with their rows go the pictures of these.

        Also of videos whose shard is gone already, as after a kill between the two.

        Returns:
            Whether there was a shard to remove.
        """
        gone = set(self.shards(table, round_number)).difference(video_ids)
        for video_id in gone:
            self.remove(table, video_id, round_number)
        home = self.root / PICTURES_OF.get(table.name, "")
        if home != self.root and home.is_dir():
            names = {path.name for path in home.iterdir()} - set(video_ids)
            for name in filter(_VIDEO_ID.fullmatch, names):
                OutputFolder(self.root, home / name).keep_only((), PICTURE_NAME)
        return bool(gone)

    def videos(self) -> list[Video]:
        """Return all registered videos, also the failed ones, sorted by id.

        Raises:
            ShardError: if a row is damaged.
        """
        rows = indexed(self.table_dir(VIDEOS), _Videos(self.root))
        return [video for videos in rows.values() for video in videos]

    def readable(self, table: Table, round_number: int = 0) -> list[str]:
        """Return the ids of the videos that have a shard of a table and can be read, sorted.

        A video whose file is gone keeps its shards; no figure, picture or data set has it.
        """
        lost = {video.video_id for video in self.videos() if not video.usable}
        return [key for key in self.shards(table, round_number) if key not in lost]

    # -- receipts and failures ----------------------------------------------------------------

    def receipt_path(self, stage: str, round_number: int | None) -> Path:
        """Return where the receipt of a stage of scope ``all`` lies."""
        home = self.root / "tables" if round_number is None else self.round_dir(round_number)
        return home / "receipts" / f"{stage}.json"

    def write_receipt(self, stage: str, round_number: int | None, receipt: Receipt) -> None:
        """Mark such a stage as finished; written last."""
        write_json(self.receipt_path(stage, round_number), sealed(asdict(receipt)))

    def read_receipt(self, stage: str, round_number: int | None) -> Receipt | None:
        """Return that receipt, or None if the stage is not finished or it is damaged.

        Raises:
            ShardError: if a folder is in its place.
        """
        path = self.receipt_path(stage, round_number)
        if not has_file(path):
            return None
        with contextlib.suppress(ShardError):
            return Receipt.from_json(unsealed(read_json(path), str(path)))
        return None

    def basis_path(self, stage: str, round_number: int | None) -> Path:
        """Return where it is noted what a stage's results were made of."""
        return self.receipt_path(f"{stage}.basis", round_number)

    def write_basis(self, stage: str, round_number: int | None, notes: Sequence[Any]) -> None:
        """Note what a stage's results are made of, for people who ask why they are stale.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        write_json(self.basis_path(stage, round_number), sealed({"notes": notes}))

    def read_basis(self, stage: str, round_number: int | None) -> list[Any]:
        """Return what was noted, nothing if nothing was.

        Raises:
            ShardError: if it is damaged.
        """
        path = self.basis_path(stage, round_number)
        return list(unsealed(read_json(path), str(path))["notes"]) if path.is_file() else []

    def failure_path(self, stage: str, round_number: int | None, video_id: str) -> Path:
        """Return where the failure of one video in one stage is written down."""
        home = "all" if round_number is None else f"round-{round_number}"
        return self.root / "failures" / home / stage / f"{video_id}.json"

    def write_failure(
        self, stage: str, round_number: int | None, video_id: str, failure: Mapping[str, Any]
    ) -> None:
        """Write down why one video failed in a stage.

        Raises:
            WorkspaceError: if it cannot be written.
        """
        write_json(self.failure_path(stage, round_number, video_id), sealed(failure))

    def forget_failure(self, stage: str, round_number: int | None, video_id: str) -> None:
        """Remove the failure of one video in a stage, if there is one.

        Raises:
            WorkspaceError: if it cannot be removed.
        """
        with explained(self.root):
            self.failure_path(stage, round_number, video_id).unlink(missing_ok=True)

    def failed(self, stage: str, round_number: int | None) -> list[str]:
        """Return the keys of the units that failed in a stage, sorted."""
        folder = self.failure_path(stage, round_number, "x").parent
        return sorted(path.stem for path in folder.glob("*.json"))

    def failures(self, stage: str, round_number: int | None) -> dict[str, dict[str, Any]]:
        """Return the failures of a stage by video.

        Raises:
            ShardError: if one is damaged.
        """
        paths = (
            self.failure_path(stage, round_number, k) for k in self.failed(stage, round_number)
        )
        return {path.stem: _failure(path) for path in paths}

    def failure_of(self, video_id: str, round_number: int) -> tuple[str, str] | None:
        """Return stage and message of what failed on a video, before the rounds or in this one."""
        for number in (None, round_number):
            home = self.failure_path("x", number, video_id).parent.parent
            for path in sorted(home.glob(f"*/{video_id}.json")):
                with contextlib.suppress(ShardError):
                    return path.parent.name, str(_failure(path)["error"])
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
            with explained(lock := self.root / ".lock"):
                file = held.enter_context(plain_file(lock).open("a+"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as exc:
                    raise WorkspaceBusy(
                        f"{self.root}: another process works on this workspace; "
                        "wait until it is finished, or stop it"
                    ) from exc
            yield


def text_path(root: Path) -> Path:
    """Return a workspace's folder: its path stands in tables, exports and messages, as UTF-8.

    Raises:
        WorkspaceError: if a name in it holds other bytes.
    """
    if not is_text(str(root.absolute())):
        raise WorkspaceError(
            f"{plain(str(root.absolute()))}: expected a path in UTF-8, but a name in it holds "
            "other bytes (shown as \\udcXX): rename that folder, or choose another"
        )
    return root


def _failure(path: Path) -> dict[str, Any]:
    """Return why a video failed.

    Raises:
        ShardError: if the file is damaged.
    """
    value = unsealed(read_json(path), str(path))
    if not isinstance(value, dict) or not isinstance(value.get("error"), str):
        raise ShardError(f"{path}: expected why a video failed: delete it and run again")
    return value
