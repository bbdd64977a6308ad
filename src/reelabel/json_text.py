"""JSON as it is written, in parts, so that long lists take no memory, and as people's is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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


def each_key_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; as ``object_pairs_hook`` it refuses those that hold a key twice.

    RFC 8259 (section 4) leaves open which value counts; the others would be lost without a word.

    Raises:
        ValueError: naming the key.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key '{doubled[:80]}' stands twice in one object")
    return found


def strict_decoder() -> json.JSONDecoder:
    """Return what reads JSON; NaN and Infinity, which JSON has not, become None.

    It raises ValueError for an object that holds a key twice: see `each_key_once`.
    """
    return json.JSONDecoder(parse_constant=lambda _: None, object_pairs_hook=each_key_once)
