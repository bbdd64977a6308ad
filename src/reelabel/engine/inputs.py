"""What a stage reads: rows, typed results and files of earlier stages, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from reelabel.data.video import Video
from reelabel.errors import MissingInput
from reelabel.tables import VIDEOS, Table
from reelabel.workspace import Receipt, Workspace
from reelabel.workspace.forgotten import Forgotten, read_forgotten
from reelabel.workspace.names import VideosById
from reelabel.workspace.written import ALL, require_written

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Loadable(Protocol[T_co]):
    """A kind of typed result, such as the scores of a round."""

    def load(self, folder: Path) -> T_co | None:
        """Return what was saved in a round's folder, or None."""
        ...


@dataclass(frozen=True)
class Reads:
    """What a stage declares to read.

    Attributes:
        tables: of this round, or of all rounds.
        previous: of the round before.
        optional: empty where they were not made.
        own: the stage's name, whose receipt it may read.
        written: the stage's own tables, which it may read as it left them.
        after: stages of scope ``all`` whose receipts it depends on.
    """

    own: str
    written: tuple[Table, ...] = ()
    tables: tuple[Table, ...] = ()
    previous: tuple[Table, ...] = ()
    optional: tuple[Table, ...] = ()
    after: tuple[str, ...] = ()


class Inputs:
    """Read access for one stage in one round; only what its declaration names.

    What it reads decides whether its results are up to date, so that reading anything else would
    make stale results look current.
    """

    def __init__(self, workspace: Workspace, reads: Reads, round_number: int) -> None:
        self._workspace, self._reads, self._round = workspace, reads, round_number

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave behind what was read when pickled for another process."""
        return Inputs, (self._workspace, self._reads, self._round)

    @cached_property
    def videos(self) -> Sequence[Video]:
        """Return all registered videos, also those that failed, in the order of their ids."""
        return tuple(self._by_id.values())

    @cached_property
    def _by_id(self) -> VideosById:
        return VideosById(self._workspace.videos())

    def video(self, video_id: str) -> Video:
        """Return the video of that id."""
        return self._by_id[video_id]

    def video_ids(self, table: Table, *, previous: bool = False) -> list[str]:
        """Return the ids of the videos that have rows of a table, sorted."""
        self._declared(table, previous=previous)
        return self._workspace.shards(table, self._round - previous)

    def readable_ids(self, table: Table, *, previous: bool = False) -> list[str]:
        """Return the ids of the videos that have rows of a table and can be read, sorted.

        A video whose file is gone keeps its rows; what is made of all videos is made without it.
        """
        self._declared(VIDEOS, previous=False)
        self._declared(table, previous=previous)
        return self._workspace.readable(table, self._round - previous)

    def rows(
        self,
        table: Table,
        video_id: str,
        *,
        previous: bool = False,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return one video's rows of a table, with these of its columns or with all.

        Raises:
            MissingInput: if an earlier stage has not made them and the table is not optional.
        """
        self._declared(table, previous=previous)
        try:
            return self._workspace.read(table, video_id, self._round - previous, columns=columns)
        except MissingInput:
            if previous or table in (*self._reads.optional, *self._reads.written):
                return table.empty()
            raise

    def result(self, kind: Loadable[T], *, previous: bool = False) -> T | None:
        """Return a typed result of this round or of the one before, None if there is none."""
        return kind.load(self._workspace.round_dir(self._round - previous))

    def folder(self, name: str) -> Path:
        """Return the folder that another stage of this round has filled."""
        return self._workspace.round_dir(self._round) / name

    def data_set(self, *, pictures: bool = False) -> Path:
        """Return the folder of the round's data set, after a look at its checksums.

        Args:
            pictures: whether the pictures of the frames are looked at too, as each is read anyway.

        Raises:
            ShardError: naming a file that is missing or altered, and what makes it again.
        """
        require_written(self._workspace, self._round, pictures_of=ALL if pictures else ())
        return self.folder("dataset")

    def receipt(self, stage: str) -> Receipt | None:
        """Return the receipt of the stage itself, or of one that it depends on."""
        assert stage in {self._reads.own, *self._reads.after}, f"reads {stage} undeclared"  # noqa: S101 -- a defect of a stage, not of its input
        for number in (self._round, None):
            if found := self._workspace.read_receipt(stage, number):
                return found
        return None

    def forgotten(self) -> Forgotten:
        """Return what the workspace has been told to forget.

        Raises:
            ShardError: if the list is damaged.
        """
        return read_forgotten(self._workspace.root)

    def path(self, relative: str) -> Path:
        """Return the path of a file that a table names, such as a frame's picture."""
        return self._workspace.root / relative

    def _declared(self, table: Table, *, previous: bool) -> None:
        own = self._reads
        known = own.previous if previous else (*own.tables, *own.optional, *own.written)
        if table not in known:
            raise AssertionError(f"{self._reads.own} reads {table.name} without declaring it")


def notes_of(receipt: Receipt | None) -> Mapping[str, Any]:
    """Return the notes of a receipt, empty if there is none."""
    return receipt.notes if receipt else {}
