"""Removes parts of a workspace outside the flow of the stages.

Stages never edit tables; only what a user wants removed is taken out of them here. An edited shard
counts as unfinished, so that the next run makes it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.file_kinds import plain_file
from reelabel.files import explained, write_atomic
from reelabel.workspace.receipts import Receipt, digest_of, receipt_in, with_receipt
from reelabel.workspace.rows import write_rows

UNFINISHED = "unfinished"
"""The fingerprint of what has to be made again."""


def remove_path(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there.

    Raises:
        WorkspaceError: if it cannot be removed.
    """
    with explained(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def edit_shard(
    path: Path,
    rows: Callable[[pa.Table], pa.Table],
    notes: Callable[[dict[str, Any]], dict[str, Any]],
) -> bool:
    """Change the rows and notes of a shard; return whether anything changed.

    A damaged shard is removed: it would be set aside with what it holds.

    Args:
        path: the file.
        rows: returns the rows that it is to hold; the given table itself if nothing changes.
        notes: returns the notes that its receipt is to hold.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    receipt = receipt_in(path)
    try:
        before = _read(path)
    except (OSError, pa.ArrowException):
        remove_path(path)
        return True
    after = rows(before)
    changed = notes(receipt.notes) if receipt else {}
    same = after is before or after.equals(before)  # NaN does not equal itself
    if same and (receipt is None or changed == receipt.notes):
        return False
    receipt = receipt or Receipt(UNFINISHED, "")
    receipt = replace(receipt, fingerprint=UNFINISHED, digest=digest_of(after), notes=changed)
    table = with_receipt(after, receipt)
    write_atomic(path, lambda scratch: write_rows(table, scratch))
    return True


def _read(path: Path) -> pa.Table:
    file = pq.ParquetFile(plain_file(path), memory_map=False, page_checksum_verification=True)
    return file.read().replace_schema_metadata(None)
