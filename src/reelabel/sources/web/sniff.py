"""What a file is by its first bytes: whatever its name and Content-Type claim."""

from __future__ import annotations

import json
import re

HEAD_BYTES = 512
"""Bytes that are looked at."""

_MARKUP = re.compile(
    rb"<(!doctype|html|head|body|script|!--|\?xml|title|meta|error)", re.IGNORECASE
)
_MAGIC = (
    (b"PK\x03\x04", "a zip file"),
    (b"PK\x05\x06", "a zip file"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip file"),
    (b"Rar!", "a RAR file"),
    (b"%PDF", "a PDF"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#EXTM3U", "a playlist"),
)
_SUFFIXES = {
    "avi": ".avi",
    "mpegts": ".ts",
    "mpeg": ".mpg",
    "flv": ".flv",
    "ogg": ".ogv",
    "asf": ".wmv",
    "gif": ".gif",
    "jpeg_pipe": ".jpg",
    "png_pipe": ".png",
    "webp_pipe": ".webp",
    "bmp_pipe": ".bmp",
    "tiff_pipe": ".tif",
}


def other_kind(head: bytes) -> str:
    """Return what a file is that is certainly no video, empty if it may be one.

    >>> other_kind(b" <!DOCTYPE html><html>"), other_kind(b'{"error": 1}'), other_kind(b"RIFF")
    ('HTML or XML', 'JSON', '')
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _MARKUP.match(text):
        return "HTML or XML"
    return "JSON" if text[:1] in (b"{", b"[") and _is_json(text) else ""


def _is_json(text: bytes) -> bool:
    """Return whether bytes begin like JSON: with a whole value, or one that is only cut off."""
    try:
        decoded = text.decode("latin-1")
        json.loads(decoded)
    except json.JSONDecodeError as exc:
        return exc.pos >= len(decoded.rstrip()) - 1 or decoded.startswith(('{"', "[{", '["'))
    except RecursionError:
        return True
    return True


def span_suffix_of(head: bytes) -> str:
    """Return the suffix of a file that can hold packets of a video with these first bytes."""
    if head[4:8] == b"ftyp":
        return ".mp4"
    return ".webm" if b"webm" in head[:64] else ".mkv"


def suffix_of(container: str, head: bytes) -> str:
    """Return the suffix of a video file, by FFmpeg's name of its container and its first bytes."""
    if "matroska" in container:
        return ".webm" if b"webm" in head[:64] else ".mkv"
    if "mp4" in container:
        return ".mov" if head[8:12] == b"qt  " else ".mp4"
    return _SUFFIXES.get(container, ".mp4")
