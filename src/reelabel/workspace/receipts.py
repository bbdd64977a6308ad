"""Receipts: what is known of finished work without reading it, and the hashes they rest on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True)
class Receipt:
    """What is known of finished work without reading it.

    Attributes:
        fingerprint: of the stage, its settings and its inputs; decides whether it is up to date.
        digest: of the content; what later stages build their fingerprints from, so that work made
            again with the same result makes nothing else stale.
        notes: what the stage wants to tell: counts, errors that it survived.
    """

    fingerprint: str
    digest: str
    notes: dict[str, Any] = field(default_factory=dict)


def fingerprint(*parts: object) -> str:
    """Return 16 hex digits that change when any part does; parts are JSON values.

    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", 2)
    (True, False)
    """
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
