"""JSON values with a checksum, so that a file in which a bit was altered is refused.

The checksum is one more key. Who edits such a file by hand removes the key.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from reelabel.errors import ShardError

SEAL = "crc32"
"""Key of the checksum over the other values of a JSON file."""


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values with a checksum under `SEAL`, by which `unsealed` finds an altered bit."""
    return {**value, SEAL: _crc32_of(value)}


def unsealed(value: Any, source: str, again: str = "delete it and run again") -> Any:
    """Return JSON values without their checksum; those that have none are taken as they are.

    Args:
        value: what `sealed` returned, maybe read from a file.
        source: the file, for messages.
        again: how it is made again.

    Raises:
        ShardError: if the values are others than those that were sealed.
    """
    if not isinstance(value, dict) or SEAL not in value:
        return value
    plain = {key: one for key, one in value.items() if key != SEAL}
    if value[SEAL] != _crc32_of(plain):
        raise ShardError(f"{source}: expected what was written, but it was altered: {again}")
    return plain


def _crc32_of(value: Mapping[str, Any]) -> int:
    plain = json.loads(json.dumps(value, default=str))  # as a file gives it back
    return zlib.crc32(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode())
