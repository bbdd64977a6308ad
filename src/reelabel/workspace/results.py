"""Results of a round: JSON files in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.files import read_json, write_json


@dataclass(frozen=True)
class JsonResult:
    """A result that is saved as it is."""

    file: str
    value: Any

    def save(self, folder: Path) -> None:
        """Write it into a round's folder."""
        write_json(folder / self.file, self.value)


@dataclass(frozen=True)
class JsonFile:
    """Where such a result lies, below a round's folder."""

    file: str

    def load(self, folder: Path) -> dict[str, Any] | None:
        """Return what was saved there, None if nothing was."""
        path = folder / self.file
        return dict(read_json(path)) if path.is_file() else None


SPLIT = JsonFile("dataset/split.json")
SCORES = JsonFile("scores.json")
DECISION = JsonFile("decision.json")
RESAMPLES = JsonFile("resamples.json")
