"""Files that were fetched for a manifest: where each lies, and where it came from.

The tables `downloads` and `wants` are joined here, once: for the stage `register`, and for the
ledger of origins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from reelabel.sources.web.outcomes import OUTCOMES
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.workspace import Workspace

FETCHED = "fetched"
"""The state of a download whose file is there."""
_KEPT = ("source", "want_id", "rank", "attempts", "fetched_bytes")
_FORGOTTEN = {
    "state": OUTCOMES["forgotten"].state,
    "outcome": "forgotten",
    "final": True,
    "page": False,
    "chosen": False,
    "why_not": "forgotten",
}
"""What stays of a row, and what its other columns hold; texts are empty, numbers null."""
_OF_WANT = ("want_id", "url", "licence", "uploader", "title")


@dataclass(frozen=True)
class FetchedFile:
    """One file that was fetched.

    Attributes:
        source: the manifest, by its short name.
        want_id: names the video or span in it.
        file: path below the workspace.
        sha256: of the file as it was fetched, hexadecimal.
        address: of the whole video, without the span.
        span_s: first and last second of the file in that video; None where it is open.
        title: as the site states it, else the manifest; empty if neither does.
        uploader: the same.
        licence: the same.
        fetched_at: ISO 8601 UTC.
    """

    source: str
    want_id: str
    file: str
    sha256: str
    address: str
    span_s: tuple[float | None, float | None]
    title: str
    uploader: str
    licence: str
    fetched_at: str


def fetched_files(downloads: Iterable[pa.Table], wants: Iterable[pa.Table]) -> list[FetchedFile]:
    """Return every fetched file, sorted by source and want.

    Args:
        downloads: shards of the table `downloads`.
        wants: shards of the table `wants`, which have the addresses.
    """
    rows = [row for shard in downloads for row in _fetched(shard).to_pylist()]
    if not rows:
        return []
    names = pa.array(sorted({row["want_id"] for row in rows}))
    offered = {
        (source, row["want_id"]): row for shard in wants for source, row in _offered(shard, names)
    }
    files = [_file(row, offered.get((row["source"], row["want_id"]), {})) for row in rows]
    return sorted(files, key=lambda file: (file.source, file.want_id))


def fetched_in(workspace: Workspace) -> list[FetchedFile]:
    """Return every file that was fetched for a workspace, sorted by source and want.

    Raises:
        ShardError: if a table is damaged.
    """
    downloads = [workspace.read(DOWNLOADS, key) for key in workspace.shards(DOWNLOADS)]
    return fetched_files(downloads, (workspace.read(WANTS, key) for key in workspace.shards(WANTS)))


def fetched_names(downloads: Iterable[pa.Table]) -> list[str]:
    """Return the paths below the workspace of every fetched file, each once, sorted."""
    return sorted({name for shard in downloads for name in _fetched(shard)["file"].to_pylist()})


def forgotten_rows(rows: pa.Table, wants: Collection[str] | None) -> pa.Table:
    """Return rows of `wants` or `downloads` in which some state only that they are forgotten.

    Args:
        rows: of a source.
        wants: names of the wants; None for all.
    """
    names = rows["want_id"].to_pylist()
    chosen = [wants is None or name in wants for name in names]
    if not any(chosen):
        return rows
    mask = pa.array(chosen)
    columns = [_forgotten(rows[field.name], field, mask) for field in rows.schema]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def _forgotten(column: pa.ChunkedArray, field: pa.Field, mask: pa.Array) -> pa.Array:
    """Return a column in which the masked values are those of a forgotten want."""
    whole = column.combine_chunks()
    if field.name in _KEPT:
        return whole
    value = _FORGOTTEN.get(field.name, "" if pa.types.is_string(field.type) else None)
    return pc.if_else(mask, pa.scalar(value, field.type), whole)


def damage_of(path: Path, file: FetchedFile) -> str:
    """Return why a fetched file cannot be used: it is gone, or changed; empty if it is whole."""
    try:
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as exc:
        return f"expected the file that was fetched, but it cannot be read: {exc.strerror}"
    if file.sha256 in ("", found):
        return ""
    return (
        "expected the file as it was fetched, but its content was changed: restore it, or delete "
        "it and fetch again"
    )


def _fetched(shard: pa.Table) -> pa.Table:
    return shard.filter((pc.field("state") == FETCHED) & (pc.field("file") != ""))


def _offered(shard: pa.Table, names: pa.Array) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield source and row of the wants of these names; a source may have a million others."""
    chosen = shard.filter(pc.is_in(shard["want_id"], value_set=names))
    yield from zip(
        chosen["source"].to_pylist(), chosen.select(list(_OF_WANT)).to_pylist(), strict=True
    )


def _file(row: dict[str, Any], want: dict[str, Any]) -> FetchedFile:
    stated = {
        name: str(row[name] or want.get(name) or "") for name in ("title", "uploader", "licence")
    }
    return FetchedFile(
        source=row["source"],
        want_id=row["want_id"],
        file=row["file"],
        sha256=str(row["sha256"] or ""),
        address=str(want.get("url") or ""),
        span_s=(row["span_start_s"], row["span_end_s"]),
        fetched_at=str(row["fetched_at"] or ""),
        **stated,
    )
