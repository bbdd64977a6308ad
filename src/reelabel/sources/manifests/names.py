"""File-safe names of wants, made of the manifest's own ids.

The name depends on the want alone, so it stays the same when the list grows. A digest follows
wherever the id itself would not be a safe and unique name: on file systems that ignore case
``aB`` and ``Ab`` are one file.
"""

from __future__ import annotations

import base64
import hashlib
import re

LONGEST_STEM = 60
"""Characters of an id that are kept in a name."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_DEVICES = re.compile(r"(?i:con|prn|aux|nul|com\d|lpt\d)")
_LIKE_A_SPAN = re.compile(r".*_\d{6}(?:-\d{3})?_(?:\d{6}(?:-\d{3})?|end)")


def want_name(native_id: str, start_s: float | None = None, end_s: float | None = None) -> str:
    """Return the name of a want: up to 110 ASCII letters, digits, ``_`` and ``-``.

    >>> want_name("clip_7"), want_name("clip_7", 417.0, 427.0)
    ('clip_7', 'clip_7_000417_000427')
    >>> want_name("-a/../B"), want_name("clip_7", 1.5)
    ('a_B-grosjt4w2s', 'clip_7_000001-500_end')
    """
    stem = _UNSAFE.sub("_", native_id[: 2 * LONGEST_STEM])[:LONGEST_STEM].strip("_-") or "video"
    altered = stem != native_id or stem != stem.lower()
    if altered or _DEVICES.fullmatch(stem) or _LIKE_A_SPAN.fullmatch(stem):
        stem = f"{stem}-{_digest(native_id)}"
    if start_s is None and end_s is None:
        return stem
    return f"{stem}_{_time(start_s or 0.0)}_{'end' if end_s is None else _time(end_s)}"


def _digest(text: str) -> str:
    """Return fifty bits of a hash in ten small letters and digits."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=7).digest()
    return base64.b32encode(found).decode("ascii")[:10].lower()


def _time(seconds: float) -> str:
    """Return seconds in six digits, with milliseconds where there are some."""
    whole, parts = divmod(round(seconds * 1000), 1000)
    return f"{whole:06d}-{parts:03d}" if parts else f"{whole:06d}"
