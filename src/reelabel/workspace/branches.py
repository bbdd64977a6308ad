"""A round done once more, beside it, with other settings: for comparisons that change nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reelabel.tables import Table
from reelabel.workspace.workspace import Workspace


@dataclass(frozen=True)
class Branch(Workspace):
    """A workspace that writes one round elsewhere and reads what it does not make where it was.

    Attributes:
        base: the workspace, or another branch, that it reads the rest from.
        number: the round that is done once more.
        name: of the folder in which it is done, below `ablation` in the round's own.
        makes: the tables that it makes itself.
    """

    base: Workspace
    number: int
    name: str
    makes: frozenset[str]

    @classmethod
    def of(cls, base: Workspace, number: int, name: str, makes: set[str]) -> Branch:
        """Return a branch of a workspace's round."""
        return cls(base.root, base, number, name, frozenset(makes))

    @property
    def home(self) -> Path:
        """Return the folder that holds what it makes."""
        return ablation_dir(self, self.number) / self.name

    def round_dir(self, number: int) -> Path:
        """Return the folder of a round; for its own round, that of the branch."""
        return self.home if number == self.number else super().round_dir(number)

    def table_dir(self, table: Table, round_number: int = 0) -> Path:
        """Return the folder of a table's shards, with the base if the branch does not make it."""
        own = table.name in self.makes and round_number == self.number
        return self.home / table.name if own else self.base.table_dir(table, round_number)

    def failure_path(self, stage: str, round_number: int | None, video_id: str) -> Path:
        """Return where a failure is written down; those of the round itself stay apart."""
        if round_number != self.number:
            return self.base.failure_path(stage, round_number, video_id)
        return self.home / "failures" / stage / f"{video_id}.json"


def ablation_dir(workspace: Workspace, number: int) -> Path:
    """Return the folder of a round's branches."""
    return Workspace.round_dir(workspace, number) / "ablation"
