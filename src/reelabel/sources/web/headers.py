"""What headers of answers mean (RFC 9110), read without trust."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

AGENT = "reelabel"
"""Our name in robots.txt, X-Robots-Tag and User-Agent."""
LONGEST_RETRY_AFTER_S = 86_400.0
"""What a Retry-After counts at most: a host that asks for more is asked again tomorrow."""

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_REFUSALS = frozenset({"noai", "noimageai", "noindex", "noml", "none"})
_AGENT_RULE = re.compile(r"\s*([\w*-]+)\s*:\s*(.*)")
_WITH_VALUES = frozenset({
    "unavailable_after", "max-snippet", "max-image-preview", "max-video-preview",
})  # fmt: skip


def retry_after_s(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After asks for, None if there is none or it is senseless.

    Args:
        value: seconds or a date.
        now: seconds since 1970, UTC.

    >>> retry_after_s("7", 0), retry_after_s("Thu, 01 Jan 1970 00:00:09 GMT", 2)
    (7.0, 7.0)
    >>> retry_after_s("9" * 30, 0), retry_after_s("soon", 0), retry_after_s(None, 0)
    (86400.0, None, None)
    """
    if not value:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", value):
        return min(float(value), LONGEST_RETRY_AFTER_S)
    if (date := http_date(value)) is None:
        return None
    return min(max(date - now, 0.0), LONGEST_RETRY_AFTER_S)


def http_date(value: str | None) -> float | None:
    """Return a date of HTTP in seconds since 1970, None if it is none."""
    try:
        date = parsedate_to_datetime(value or "")
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None


def iso_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as ISO 8601 in UTC.

    >>> iso_time(0)
    '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(iso: str) -> float:
    """Return the seconds since 1970 of `iso_time`; 0 for an empty text."""
    return datetime.fromisoformat(iso).timestamp() if iso else 0.0


@dataclass(frozen=True)
class ContentRange:
    """Which bytes an answer holds: first, one past the last, and of how many (None: unknown)."""

    start: int
    stop: int
    size: int | None


def content_range(value: str | None) -> ContentRange | None:
    """Return what a Content-Range states, None if it is missing or contradicts itself.

    >>> content_range("bytes 2-4/9"), content_range("bytes 4-2/9")
    (ContentRange(start=2, stop=5, size=9), None)
    """
    found = _RANGE.fullmatch((value or "").strip())
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    size = None if found[3] == "*" else int(found[3])
    if last < first or (size is not None and last >= size):
        return None
    return ContentRange(first, last + 1, size)


def length_of(headers: Mapping[str, str]) -> int | None:
    """Return the declared length of the body in bytes, None if there is none."""
    value = headers.get("content-length", "").strip()
    chunked = "transfer-encoding" in headers
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value) and not chunked else None


@dataclass(frozen=True)
class Validators:
    """What tells one version of a file from another.

    Attributes:
        etag: a strong one, empty if there is none; a weak one tells nothing about bytes.
        modified: Last-Modified, if it is old enough to tell versions apart; else empty.
    """

    etag: str = ""
    modified: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Validators:
        """Return those of an answer."""
        etag = headers.get("etag", "").strip()
        strong = re.fullmatch(r'"[\x21\x23-\x7e\x80-\xff]*"', etag)
        modified = headers.get("last-modified", "").strip()
        return cls(etag if strong else "", modified if _settled(modified, headers) else "")

    @property
    def if_range(self) -> str:
        """Return the value of If-Range, empty if no part may be asked for."""
        return self.etag or self.modified

    def differ(self, other: Validators) -> bool:
        """Return whether two answers are certainly of two versions."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.modified and other.modified) and self.modified != other.modified


def _settled(modified: str, headers: Mapping[str, str]) -> bool:
    """Return whether a file was at rest for a second: else a date may stand for two versions."""
    changed, answered = http_date(modified), http_date(headers.get("date"))
    return changed is not None and (answered is None or answered - changed >= 1)


def refusal_in(values: Sequence[str], agent: str = AGENT) -> str:
    """Return the directive of X-Robots-Tag that forbids use, empty if there is none.

    Directives of another agent do not count.

    >>> refusal_in(["all, noai"]), refusal_in(["otherbot: noindex"]), refusal_in(["reelabel: noml"])
    ('noai', '', 'noml')
    """
    for value in values:
        rule = _AGENT_RULE.fullmatch(value)
        if rule and rule[1].lower() not in _WITH_VALUES:
            if rule[1].lower() not in {agent, "*"}:
                continue
            value = rule[2]  # noqa: PLW2901 -- the directives behind the agent
        for directive in value.lower().split(","):
            if directive.strip() in _REFUSALS:
                return directive.strip()
    return ""
