"""Receipts of finished work, where shards keep them, and the hashes they rest on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.file_kinds import plain_file
from reelabel.workspace.products import Files

_ENCODER = json.JSONEncoder(sort_keys=True, default=str, separators=(",", ":"))
_KEY = b"reelabel"
"""Of the receipt in a shard's Parquet metadata."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Fingerprint, digest and notes of finished work.

    Attributes:
        fingerprint: of the stage, its settings and its inputs; decides whether it is up to date.
        digest: of the content; what later stages build their fingerprints from, so that work made
            again with the same result makes nothing else stale.
        notes: of the stage: counts, errors that it recovered from.
        artefact: of a stage that sees all videos: the part of the digest that is of no table.
        files: what was written beside the tables: path from the workspace -> size in bytes and
            CRC-32 of the content.
    """

    fingerprint: str
    digest: str
    notes: dict[str, Any] = field(default_factory=dict)
    artefact: str = ""
    files: Files = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Any) -> Receipt | None:
        """Return the receipt that JSON values hold, None if they are damaged."""
        with contextlib.suppress(TypeError, ValueError):
            found = cls(**value)
            kinds = (str, str, dict, str, dict)
            if all(map(isinstance, found.values, kinds)):
                return found
        return None

    @property
    def values(self) -> list[Any]:
        """Return the fields in their order."""
        return [getattr(self, each.name) for each in fields(self)]


def with_receipt(rows: pa.Table, receipt: Receipt) -> pa.Table:
    """Return a table that carries a receipt in its metadata."""
    return rows.replace_schema_metadata({_KEY: json.dumps(asdict(receipt), sort_keys=True)})


def receipt_in(shard: Path) -> Receipt | None:
    """Return the receipt in a shard's file, None if there is no file or it is damaged."""
    with contextlib.suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return Receipt.from_json(json.loads(pq.read_metadata(plain_file(shard)).metadata[_KEY]))
    return None


@dataclass(frozen=True)
class Receipts:
    """The receipts of a folder's shards, as a kind of index."""

    file: str = "_receipts.jsonl"
    layout: str = "receipts 2"

    def read(self, shard: Path) -> list[Any] | None:
        """Return the fields of the receipt; None if the shard is damaged."""
        found = receipt_in(shard)
        return None if found is None else found.values

    def decode(self, value: list[Any]) -> Receipt:
        """Return the receipt."""
        return Receipt(*value)


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits that change when any part does; parts are JSON values.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", 2)
    (True, False)
    """
    return hashlib.sha256(_ENCODER.encode(parts).encode()).hexdigest()[:16]


def fingerprint_of_text(chunks: Iterable[str], *parts: object) -> str:
    """Return `fingerprint` of a text and further parts; the text comes in pieces.

    >>> fingerprint_of_text(["a", "b"], [1]) == fingerprint("ab", [1])
    True
    """
    sink = hashlib.sha256(b'["')
    for chunk in chunks:
        sink.update(_ENCODER.encode(chunk)[1:-1].encode())
    sink.update(f'",{_ENCODER.encode(parts)[1:]}'.encode())
    return sink.hexdigest()[:16]


def digest_of(table: pa.Table) -> str:
    """Return 16 hex digits of a table's content, whatever its chunks and metadata."""
    sink = hashlib.sha256()
    plain = table.replace_schema_metadata(None).combine_chunks()
    with pa.ipc.new_stream(pa.PythonFile(_Hasher(sink), mode="w"), plain.schema) as stream:
        stream.write_table(plain)
    return sink.hexdigest()[:16]


class _Hasher:
    """A file that only hashes."""

    closed = False

    def __init__(self, sink: Any) -> None:
        self._sink = sink

    def write(self, data: Any) -> int:
        self._sink.update(data)
        return len(memoryview(data))

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""
