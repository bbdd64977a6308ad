"""The rows of a shard's Parquet file, written and read."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.errors import ShardError
from reelabel.file_kinds import plain_file
from reelabel.tables import Table

_MANY_ROWS = 50_000  # of fewer, threads cost a quarter more than they save


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write a Parquet file whose pages carry checksums, so that an altered bit is found."""
    pq.write_table(rows, path, compression="zstd", write_page_checksum=True)


def read_rows(table: Table, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the rows in a file, with some of its columns or all.

    Raises:
        ShardError: if it is damaged: it is set aside; or of another kind.
    """
    try:
        file = pq.ParquetFile(plain_file(path), memory_map=False, page_checksum_verification=True)
        rows = file.read(columns=columns, use_threads=file.metadata.num_rows > _MANY_ROWS)
    except (OSError, pa.ArrowException) as exc:
        aside = path.with_name(path.name + ".damaged")
        with contextlib.suppress(OSError):
            path.replace(aside)
        raise ShardError(
            f"{path}: expected a whole Parquet file, but {exc}; it was set aside as {aside.name}: "
            "run again, it will be made anew"
        ) from exc
    table.check(file.schema_arrow, str(path))
    return rows.replace_schema_metadata(None)
