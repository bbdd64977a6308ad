"""Which of the files that a site offers for one video is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Format = Mapping[str, Any]

_NONE = "none"
"""yt-dlp's name of a codec that a file does not have; None there: nobody stated one."""
_AUDIO = frozenset({"m4a", "mp3", "aac", "ogg", "oga", "opus", "wav", "flac", "weba", "mka"})
_PROTOCOLS = frozenset({"http", "https"})


def choose_format(formats: Iterable[Format], max_height: int) -> Format | None:
    """Return the format to fetch, None if none can be.

    One file over HTTP(S) that holds pictures; sound is not used, so it may be missing.
    MP4 comes first, as its spans are found with few requests; then the highest picture up to
    `max_height`, else the lowest above; then sound in the same file, H.264, the lower bit rate.

    Args:
        formats: fields of yt-dlp: protocol, url, ext, vcodec, acodec, height, tbr ...
        max_height: in pixels.
    """
    return max(
        (f for f in formats if _is_one_file(f) and _has_pictures(f)),
        key=lambda f: _preference(f, max_height),
        default=None,
    )


def _is_one_file(fmt: Format) -> bool:
    """Return whether one plain request would bring the whole file, in the clear."""
    in_parts = fmt.get("fragments") or fmt.get("request_data")
    return (
        fmt.get("protocol") in _PROTOCOLS
        and bool(fmt.get("url"))
        and not in_parts
        and not fmt.get("has_drm")
    )


def _has_pictures(fmt: Format) -> bool:
    if fmt.get("vcodec") is None:
        return fmt.get("ext") not in {*_AUDIO, "mhtml"} and fmt.get("resolution") != "audio only"
    return fmt["vcodec"] != _NONE and fmt.get("ext") != "mhtml"


def _preference(fmt: Format, max_height: int) -> tuple[bool, bool, float, bool, bool, float]:
    height = fmt.get("height") or 0
    fits = height <= max_height
    return (
        fmt.get("ext") == "mp4",
        fits,
        height if fits else -height,
        fmt.get("acodec") != _NONE,
        str(fmt.get("vcodec")).startswith(("avc", "h264")),
        -(fmt.get("tbr") or 0.0),
    )
