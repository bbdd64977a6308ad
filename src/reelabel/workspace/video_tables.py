"""The tables of one video."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from reelabel.errors import MissingInput
from reelabel.tables import Table
from reelabel.workspace.workspace import Workspace


@dataclass(frozen=True)
class VideoTables:
    """What a workspace holds of one video in one round; what is not there has no rows."""

    workspace: Workspace
    video_id: str
    number: int = 0

    def rows(self, table: Table) -> pa.Table:
        """Return the rows of a table.

        Raises:
            ShardError: if the shard is damaged.
        """
        try:
            return self.workspace.read(table, self.video_id, self.number)
        except MissingInput:
            return table.empty()
