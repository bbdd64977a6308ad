"""Workspaces with footage that was fetched: its files and tables, as a fetch leaves them."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reelabel.engine import loop
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace


@dataclass
class FetchedFootage:
    """Puts files below the downloads of a workspace, with rows in both tables."""

    root: Path
    wants: dict[str, dict] = field(default_factory=dict)
    downloads: dict[str, dict] = field(default_factory=dict)

    def add(self, source: str, want_id: str, clip: Path | None, **facts) -> Path:
        """Add a want, and if there is a clip the file that came of it; return its path."""
        url = facts.pop("url", f"https://example.org/{want_id}")
        stated = {"licence": "CC-BY", "uploader": "Ann", "title": f"Title of {want_id}"}
        common = {"source": source, "want_id": want_id, **stated, **facts}
        self.wants[source, want_id] = common | {
            "native_id": want_id,
            "url": url,
            "page": False,
            "labels": [],
            "split": "",
            "rank": len(self.wants),
            "chosen": True,
            "why_not": "",
        }
        path = self.root / "downloads" / source / f"{want_id}.mp4"
        row = common | {"state": "gone", "outcome": "removed", "final": True, "file": ""}
        if clip is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(clip, path)
            row |= {
                "state": "fetched",
                "outcome": "fetched",
                "file": str(path.relative_to(self.root)),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "size_bytes": path.stat().st_size,
                "fetched_at": "2026-01-02T03:04:05Z",
            }
        self.downloads[source, want_id] = row
        return path

    def write(self) -> None:
        """Write the tables, a shard for each source."""
        workspace = Workspace.open(self.root)
        for table, rows in ((WANTS, self.wants), (DOWNLOADS, self.downloads)):
            for source in {source for source, _ in rows}:
                known = {column.name for column in table.columns}
                own = [
                    {name: value for name, value in row.items() if name in known}
                    for key, row in rows.items()
                    if key[0] == source
                ]
                workspace.write(table, source, table.from_rows(own), fingerprint="fetched")


@pytest.fixture(scope="session")
def fetched_footage() -> type[FetchedFootage]:
    """Return the class that puts fetched files into a workspace."""
    return FetchedFootage


@pytest.fixture(autouse=True, scope="module")
def fetched_already():
    """Leave the stages out that choose and fetch: the tables are as they left them."""
    schedule = loop._schedule

    def without_fetching(*given):
        return ((s, n) for s, n in schedule(*given) if s.name not in {"want", "fetch"})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_schedule", without_fetching)
        yield
