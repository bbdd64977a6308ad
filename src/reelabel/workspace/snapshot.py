"""The content of a workspace at one moment: each table is read once for all stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from reelabel.data.video import Video
from reelabel.tables import Table
from reelabel.workspace.receipts import Receipt
from reelabel.workspace.workspace import Workspace


@dataclass(frozen=True)
class Snapshot:
    """The receipts, videos and rows of a workspace as they were at the first call.

    Whoever changes the workspace calls `clear`.
    """

    workspace: Workspace
    _tables: dict[tuple[str, int], Mapping[str, Receipt]] = field(default_factory=dict)
    _videos: list[Sequence[Video]] = field(default_factory=list)
    _rows: dict[tuple[str, int], pa.Table] = field(default_factory=dict)

    def receipts(self, table: Table, round_number: int = 0) -> Mapping[str, Receipt]:
        """Return the receipts of all whole shards of a table by video id, sorted."""
        place = _place(table, round_number)
        if place not in self._tables:
            self._tables[place] = self.workspace.receipts(table, round_number)
        return self._tables[place]

    def videos(self) -> Sequence[Video]:
        """Return all registered videos, also the failed ones, sorted by id.

        Raises:
            ShardError: if a row is damaged.
        """
        if not self._videos:
            self._videos.append(self.workspace.videos())
        return self._videos[0]

    def rows(self, table: Table, round_number: int = 0) -> pa.Table:
        """Return the rows of all readable videos of a table, in the order of their ids.

        Raises:
            ShardError: if a shard is damaged.
        """
        place = _place(table, round_number)
        if place not in self._rows:
            ws, lost = self.workspace, {v.video_id for v in self.videos() if not v.usable}
            there = (v for v in self.receipts(table, round_number) if v not in lost)
            found = (ws.read(table, v, round_number) for v in there)
            self._rows[place] = pa.concat_tables([table.empty(), *found]).combine_chunks()
        return self._rows[place]

    def clear(self) -> None:
        """Read again from now on, as something was written or removed."""
        self._tables.clear()
        self._videos.clear()
        self._rows.clear()


def _place(table: Table, round_number: int) -> tuple[str, int]:
    """Return the key of a table, which has one round number if it holds for all rounds."""
    return table.name, 0 if table.where == "tables" else round_number
