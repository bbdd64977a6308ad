"""Finds the file behind a page by yt-dlp, or the outcome that the look-up ends in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reelabel.sources.extra import needs_fetch
from reelabel.sources.sites.settings import SiteFile, SiteOptions
from reelabel.sources.web.outcomes import FetchFailure

_PLAIN = ("http", "https")


def find_file(url: str, options: SiteOptions, requests: SiteRequests) -> SiteFile:
    """Return the file behind the page of a video, and what the site states about it.

    Only pages and answers of the site are fetched, not one byte of the video. Formats in many parts
    (HLS, DASH with lists of segments) are left out, so a site that offers nothing else ends as
    ``no_format``: they would have to be fetched past the client's limits.

    Args:
        url: of the page, http or https, of a site that yt-dlp has an extractor for.
        options: limits and settings.
        requests: sends every request; the page is held against the robots.txt of its host, what
            the player of the site asks for is not.

    Raises:
        FetchFailure: with an outcome, whatever went wrong; its message is the site's or yt-dlp's.
        Stopped: if fetching is to stop.
        MissingExtra: if yt-dlp is not installed.
        FormatError: if the cookies file cannot be read.
    """
    if _scheme(url) not in _PLAIN:
        raise FetchFailure("address", f"expected an http or https address, but got {url}")
    with needs_fetch("Finding videos on sites"):
        from reelabel.sources.sites import extraction  # noqa: PLC0415 -- half a second, an extra
    warnings = extraction.Warnings()
    extractor = extraction.Extractor(options, requests, warnings)
    try:
        requests.begin(url)
        with extraction.only_runtimes(options.settings.js_runtimes):
            info = extractor.extract_info(url, download=False)
        return _site_file(info, extractor.cookiejar.get_cookie_header)
    except Exception as exc:
        ended = requests.ended
        raise ended or extraction.failure_of(exc, warnings.texts, requests.limited) from exc
    finally:
        extractor.close()


if TYPE_CHECKING:
    from reelabel.sources.sites.requests import SiteRequests


def _scheme(url: str) -> str:
    """Return the scheme of an address, empty if it has none or is malformed."""
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        return ""


def _site_file(info: Any, cookies_for: Any) -> SiteFile:
    """Return the chosen format of what yt-dlp found."""
    if not isinstance(info, dict) or _scheme(str(info.get("url"))) not in _PLAIN:
        raise FetchFailure("no_format", "the extractor returned no address of a file")
    headers = {str(k): str(v) for k, v in (info.get("http_headers") or {}).items()}
    cookies = cookies_for(info["url"])
    return SiteFile(
        url=info["url"],
        headers=headers | ({"Cookie": cookies} if cookies else {}),
        format_id=_text(info.get("format_id")),
        extractor=_text(info.get("extractor")),
        protocol=_text(info.get("protocol")) or _scheme(info["url"]),
        size_bytes=_whole(info.get("filesize")),
        duration_s=_number(info.get("duration")),
        licence=_text(info.get("license")),
        uploader=_text(info.get("uploader") or info.get("channel")),
        title=_text(info.get("title")),
        height=_whole(info.get("height")),
        max_request_bytes=_whole((info.get("downloader_options") or {}).get("http_chunk_size")),
        available_at_s=_number(info.get("available_at")),
    )


def _text(value: Any) -> str:
    """Return text on one line, empty for anything else."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    """Return a positive number, None for anything else."""
    return float(value) if isinstance(value, int | float) and 0 < value < float("inf") else None


def _whole(value: Any) -> int | None:
    """Return a positive whole number, None for anything else."""
    number = _number(value)
    return None if number is None else int(number)
