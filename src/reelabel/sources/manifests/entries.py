"""One row of a manifest, the checks that all kinds share, and the count of what was refused.

A row that cannot be used is counted and the first ones are named; it never ends the others.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reelabel.errors import FormatError, counted, few, shown
from reelabel.formats.tag_claims import seconds_of

NAMED_PROBLEMS = 20
"""Further rows that cannot be used are counted, not named."""
LONGEST_ADDRESS = 8_000
LONGEST_ID = 100_000
LONGEST_S = 1e7
"""Spans and videos that are longer, some 115 days, are taken for damage."""
TRUNCATED_ERROR = "AccessDenie"
"""The first eleven letters of an XML error, which lists hold where an id could not be had."""

_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_URL = re.compile(
    r"https?://(?:www\.|m\.)?(?:youtube(?:-nocookie)?\.com/(?:watch\?(?:[^#]*&)?v=|embed/|shorts/|v/|live/)"
    r"|youtu\.be/)([A-Za-z0-9_-]{11})(?![A-Za-z0-9_-])",
    re.IGNORECASE,
)
_ISO_S = re.compile(r"P?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", re.IGNORECASE)
_PAGES = re.compile(r"(?:^|\.)(?:youtube\.com|youtu\.be|vimeo\.com|dailymotion\.com|twitch\.tv)$")


class Entry(NamedTuple):
    """One video or span that a manifest offers.

    Attributes:
        native_id: the manifest's own name of the video.
        url: address of the whole video.
        page: whether the address is a page that names the file.
        labels: classes of the workspace, or labels that were asked for by name.
        start_s: first instant of the span; None: the whole video.
        end_s: first instant after it; None: to the end.
        duration_s: length of the whole video, None if unknown.
        height: in pixels, None if unknown.
        size_bytes: of the whole video, None if unknown.
        native_label: the manifest's own label, empty if it is not kept.
    """

    native_id: str
    url: str
    page: bool
    labels: tuple[str, ...] = ()
    start_s: float | None = None
    end_s: float | None = None
    split: str = ""
    licence: str = ""
    uploader: str = ""
    title: str = ""
    duration_s: float | None = None
    height: int | None = None
    size_bytes: int | None = None
    native_label: str = ""

    @property
    def key(self) -> tuple[str, float | None, float | None]:
        """Return what makes it another want than all others."""
        return self.native_id, self.start_s, self.end_s

    @property
    def length_s(self) -> float | None:
        """Return the length of the span, or of the whole video; None if unknown."""
        if self.end_s is not None:
            return self.end_s - (self.start_s or 0.0)
        if self.start_s is None or self.duration_s is None:
            return self.duration_s
        return max(self.duration_s - self.start_s, 0.0)


@dataclass
class Tally:
    """What became of a manifest's rows.

    Attributes:
        rows: all rows.
        other_labels: rows of labels that were not asked for.
        filtered: rows that a filter left out, by reason.
        unusable: rows that cannot be used.
        problems: one sentence for each of the first of these.
    """

    rows: int = 0
    other_labels: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    unusable: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse(self, where: str, why: object) -> None:
        """Count a row that cannot be used."""
        self.unusable += 1
        if len(self.problems) < NAMED_PROBLEMS:
            self.problems.append(f"{where}: {why}")

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each kind of what was left out, but for other labels."""
        if self.unusable:
            yield f"{counted(self.unusable, 'row')} cannot be used: {few(self.problems, 3)}"
        for reason, count in sorted(self.filtered.items()):
            yield f"{counted(count, 'row')} left out: {reason}"


def text_of(value: Any, most: int = 1_000) -> str:
    """Return a value as text for people: mended where it is not UTF-8, on one line, cut to `most`.

    Raises:
        FormatError: if it is neither text nor a number.
    """
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        raise FormatError(f"expected text, but got {str(value)[:40]!r}")
    text = decoded(str(value)).strip()
    if text.isprintable():
        return text[:most]
    return " ".join("".join(c if c.isprintable() else " " for c in text[:most]).split())


def decoded(text: str) -> str:
    """Return text in which bytes that are no UTF-8 are read as Windows-1252.

    Raises:
        FormatError: if they are none of that either.
    """
    if text.isascii():
        return text
    try:
        return text.encode("utf-8").decode("utf-8")
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape").decode("cp1252")
    except UnicodeError as exc:
        raise FormatError(f"expected UTF-8 or Windows-1252, but got {text[:40]!r}") from exc


def youtube_id(value: Any) -> str:
    """Return an id of YouTube.

    Raises:
        FormatError: if it is none, or a cut-off error message that was taken for one.
    """
    text = value.strip() if isinstance(value, str) else shown(value)
    if text == TRUNCATED_ERROR:
        raise FormatError(f"'{TRUNCATED_ERROR}' is the beginning of an error message, not an id")
    if not _YOUTUBE_ID.fullmatch(text):
        raise FormatError(
            f"expected an id of 11 letters, digits, '-' and '_', but got {text[:40]!r}"
        )
    return text


def youtube_page(native_id: str) -> str:
    """Return the address of a video's page."""
    return f"https://www.youtube.com/watch?v={native_id}"


def youtube_id_in(url: str) -> str:
    """Return the id in an address of YouTube, empty if it is none.

    >>> youtube_id_in("https://youtu.be/0wR5jVB-WPk?t=3"), youtube_id_in("https://a.org/x")
    ('0wR5jVB-WPk', '')
    """
    found = _YOUTUBE_URL.match(url)
    return found[1] if found else ""


def address(value: Any) -> tuple[str, bool]:
    """Return an address, and whether it is a page of a known site rather than a file.

    Raises:
        FormatError: if it is no address, or one that is never fetched, such as ``file:``.
    """
    url = value.strip() if isinstance(value, str) else ""
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not url or len(url) > LONGEST_ADDRESS or not plain:
        raise FormatError(
            f"expected an address in ASCII without spaces, but got {shown(value, 60)}"
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as exc:
        raise FormatError(f"expected an address, but got {shown(value, 60)}: {exc}") from exc
    if parts.scheme not in {"http", "https"} or not host:
        raise FormatError(
            f"expected an address of http or https with a host, but got {shown(value, 60)}"
        )
    if parts.username is not None or parts.password is not None:
        raise FormatError("expected an address without user and password")
    return url, _PAGES.search(host) is not None


def span(start: Any, end: Any) -> tuple[float | None, float | None]:
    """Return first and last instant in seconds; None for what is open.

    Raises:
        FormatError: if they are no times, or the end does not come after the start.
    """
    start_s, end_s = seconds("start", start), seconds("end", end)
    if end_s is not None and end_s <= (start_s or 0.0):
        raise FormatError(f"expected an end after the start {start_s or 0.0:g}, but got {end_s:g}")
    return (0.0 if start_s is None and end_s is not None else start_s), end_s


def seconds(what: str, value: Any) -> float | None:
    """Return seconds, also of ``HH:MM:SS`` and ISO 8601 (``PT1M3S``); None for none.

    Raises:
        FormatError: if it is no length of time, or none of a video.
    """
    iso = _ISO_S.fullmatch(value.strip()) if isinstance(value, str) and "T" in value else None
    if iso and any(iso.groups()):
        hours, minutes, rest = (float(part or 0) for part in iso.groups())
        found: float | None = 3600 * hours + 60 * minutes + rest
    else:
        found = seconds_of(what, None if isinstance(value, float) and math.isnan(value) else value)
    if found is not None and found > LONGEST_S:
        raise FormatError(f"expected at most {LONGEST_S:.0f} seconds as {what}, but got {found:g}")
    return found


def whole(what: str, value: Any) -> int | None:
    """Return a whole number of at least 0, None for none.

    Raises:
        FormatError: if it is none.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number < 2**53:
        raise FormatError(f"expected a number as {what}, but got {str(value)[:40]!r}")
    return int(number)
