"""JSON as it is written, in parts, so that long lists take no memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def json_chunks(value: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield what `files.write_json` writes of a mapping, a row at a time.

    Args:
        value: values that are iterators become lists, of which one entry is in memory at a time; a
            function is called when its key is reached: keys are written in alphabetical order.
    """
    between = "{\n"
    for key in sorted(value):
        one = value[key]() if callable(value[key]) else value[key]
        yield f"{between}  {json.dumps(key)}: ".encode()
        if isinstance(one, Iterator):
            yield from _listed(one)
        else:
            yield _indented(one, "  ")
        between = ",\n"
    yield b"\n}\n"


def _listed(rows: Iterator[Any]) -> Iterator[bytes]:
    """Yield a list that stands at a key of an indented mapping."""
    between = b"[\n    "
    for row in rows:
        yield between + _indented(row, "    ")
        between = b",\n    "
    yield b"\n  ]" if between[:1] == b"," else b"[]"


def _indented(value: object, indent: str) -> bytes:
    """Return JSON whose lines, but for the first one, begin with an indent."""
    text = json.dumps(value, indent=2, sort_keys=True, default=str)
    return text.replace("\n", f"\n{indent}").encode("utf-8")
